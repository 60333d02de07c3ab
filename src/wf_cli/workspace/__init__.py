"""Checkouts of plans, and the way back of a plan's branch.

- `names`: what branches, refs and worktrees are called.
- `linked`: the linked worktrees of a repository, and which of them are wf's.
- `checkout`: makes, repairs, puts to a commit and removes them.
- `snapshot`: keeps what lies in one before it is replaced or removed.
- `ground`: whether a repository can carry worktrees of plans.
- `furnish`: the way to the plan, and copies of ignored files.
- `handover`: makes what a worktree holds the head of the plan's branch.
- `candidate`: the merge commit of a target and a plan, made in a worktree of wf's own.
- `testing`: the gates, run on exactly that commit; `gate_run` runs one as a process.
- `target`: moves the target to it, if it has not moved meanwhile.
- `merging`: the three in their order, from the plan's head to a verdict.
- `into`: the worktree in which a target's plans are merged.
- `sides`: whether a hand-over after a merge has kept what both sides did.
- `leftover_locks`: lock files of a git that was killed.
- `touched`: who changed a conflicting file on the target, and for what.
"""
