#!/bin/bash
# Some plans declared, others nearly: nobody is paid for a part of the epic.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"
wf epic create E >/dev/null; printf '# Epic: E\n\n## Scope\n\n- Plan 1: Alpha\n* Plan 2: Beta\n' >epics/01-e/epic.md
out=$(wf epic run 01 2>&1) && wrong "run with one of two plans: $out"
echo "$out" | grep -q 'epic.md:6' || wrong "the line is not named: $out"
[ -e plans ] && wrong "plans were made: $(ls plans)"
right "refused, and the line is named"
