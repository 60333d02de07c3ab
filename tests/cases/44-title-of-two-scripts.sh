#!/bin/bash
# Of a title in two scripts no part is lost, and two titles with one slug stay apart.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"
wf plan "Add ναυτιλία support" >/dev/null 2>&1 && wf plan "Add مِلاحة support" >/dev/null 2>&1 || right "refused"
wf context 01 | grep -q 'ναυτιλία' || wrong "the first title lost its Greek part: $(ls plans)"
wf context 02 | grep -q 'مِلاحة' || wrong "the second title lost its Arabic part: $(ls plans)"
right "both titles are whole"
