#!/bin/bash
# An item that a reviewer adds while reviewing is not passed over: the plan is not completed with it open.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; agent "echo x >>app.txt; $DONE"
sed -i 's/wf todo accept 01 T1;/wf todo accept 01 T1; grep -q T9 $d\/todo.md || printf -- "- [ ] [T9] found late\\n" >>$d\/todo.md;/' "$SCRATCH/agent.sh"
repo "$SCRATCH/r"; epic '# Epic: E\n\n## Scope\n\n- Plan 1: Alpha\n'; work
grep -q T9 plans/01-*/todo.md || wrong "the case does not do what it is about"
[ "$(phase plans/01-*)" = completed ] && wrong "completed with T9 open"
right "not completed: $(phase plans/01-*)"
