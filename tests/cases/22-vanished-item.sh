#!/bin/bash
# A coder that takes an item out of the list instead of doing it gets neither the plan completed nor its job done.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
printf -- '- [ ] [T1] write app\n- [ ] [T2] the hard part\n' >"$SCRATCH/todo.md"
agent "echo x >>app.txt; grep -v T2 \$d/todo.md >t; cat t >\$d/todo.md; rm t; $DONE"
repo "$SCRATCH/r"; epic '# Epic: E\n\n## Scope\n\n- Plan 1: Alpha\n'; work
[ "$(phase plans/01-*)" = completed ] && wrong "completed without T2"
wf spool show e01-p01-i0-code | grep -qw T2 || wrong "nobody says that T2 is gone: $(wf spool show e01-p01-i0-code)"
right "not completed, and T2 is named"
