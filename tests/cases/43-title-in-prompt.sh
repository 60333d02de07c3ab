#!/bin/bash
# The title of a declared plan in another script reaches the prompt of the agent that plans it.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
printf 'cat >"%s/prompt.$WF_ROLE"; exit 1\n' "$SCRATCH" >"$SCRATCH/agent.sh"
repo "$SCRATCH/r"; epic '# Epic: E\n\n## Scope\n\n- Plan 1: Планировщик очереди\n'; work 8
grep -q 'Планировщик очереди' "$SCRATCH/prompt.orchestrator" || wrong "not in the prompt of the planner"
right "the planner is told"
