#!/bin/bash
# A Scope in which no plan is recognised (or only some lines are) must be said at `wf epic run`, before anybody works.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=; n=0
agent true; repo "$SCRATCH/r"
for shape in star checkbox numbered bold dash headings colon comment hundred; do
  n=$((n + 1)); wf epic create E >/dev/null; cp "$HERE/epics/$shape.md" "epics/0$n-e/epic.md"
  wf epic run "0$n" >"$SCRATCH/out" 2>&1; rc=$?
  if [ $rc = 0 ] && ! grep -qE "epic.md:[0-9]+: '.*(declares no plan|stands in a)" "$SCRATCH/out"; then bad="$bad $shape: $(cat "$SCRATCH/out")"; fi
done
[ -n "$bad" ] && wrong "made plans of these without a word:$bad"
right "each was refused or warned of"
