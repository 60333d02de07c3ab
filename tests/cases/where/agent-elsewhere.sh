# The same in a folder outside, which is a project of its own, and in a linked worktree.
. ./lib.sh; agent "echo x >>app.txt; cd $SCRATCH/other; wf todo implemented 01 T1 --test=true --output=ok; git -C $SCRATCH/r worktree add -q $SCRATCH/wt -b side; cd $SCRATCH/wt; wf finish-code 01"
repo "$SCRATCH/other"; repo "$SCRATCH/r"; epic; work code
[ -e "$SCRATCH/other/plans" ] && wrong "a plan in the other project"; [ -e "$SCRATCH/wt/.wf/spool" ] && wrong "a spool in the worktree"
[ "$(status code)" = succeeded ] || wrong "the coder's job is $(status code)"; right "succeeded"
