# `wf spool ls` below the checkout and in a linked worktree does not say "no jobs" while the project has some.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null; mkdir -p src
git worktree add -q "$SCRATCH/wt" -b side; mkdir "$SCRATCH/wt/src"
for d in "$SCRATCH/wt" "$SCRATCH/wt/src" "$SCRATCH/r/src"; do
  ( cd "$d"; wf spool ls 2>/dev/null ) | grep -q queued || wrong "no job in $d"
  ( cd "$d"; wf spool ls --json 2>/dev/null ) | python3 -c 'import json,sys; assert json.load(sys.stdin)["counts"]["queued"] == 1' || wrong "no job in $d with --json"
done
( cd "$SCRATCH/wt"; wf spool ls 2>&1 >/dev/null ) | grep -q "$SCRATCH/r" || wrong "the worktree's command does not name the project"
[ -e "$SCRATCH/wt/.wf/spool" ] && wrong "a spool in the worktree"; clean_below src; right "found"
