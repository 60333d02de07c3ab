#!/bin/bash
# The title of a declared plan in another script reaches the prompt of the agent that plans it.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
printf 'cat >"%s/prompt.$WF_ROLE"; : >"%s/told.$WF_ROLE"; exit 1\n' "$SCRATCH" "$SCRATCH" >"$SCRATCH/agent.sh"
repo "$SCRATCH/r"; epic '# Epic: E\n\n## Scope\n\n- Plan 1: Планировщик очереди\n'
wf worker --runtime sh --watch >"$SCRATCH/worker.log" 2>&1 & w=$!
for i in $(seq 600); do [ -e "$SCRATCH/told.orchestrator" ] && break; sleep 0.1; done
kill $w; wait $w
grep -q 'Планировщик очереди' "$SCRATCH/prompt.orchestrator" || wrong "not in the prompt of the planner"
right "the planner is told"
