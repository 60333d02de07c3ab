"""Checkouts of plans, and the way back of a plan's branch.

- `names`: what branches, refs and worktrees are called.
- `candidate`: the merge commit of a target and a plan, made in a worktree of wf's own.
- `testing`: the gates, run on exactly that commit.
- `target`: moves the target to it, if it has not moved meanwhile.
- `merging`: the three in their order, from the plan's head to a verdict.
- `sides`: whether a hand-over after a merge has kept what both sides did.
- `touched`: who changed a conflicting file on the target, and for what.
"""
