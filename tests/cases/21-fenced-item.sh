#!/bin/bash
# An example list in a code fence of todo.md is no item: the plan is completed without it.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
cp "$HERE/todo/fence.md" "$SCRATCH/todo.md"; agent "echo x >>app.txt; $DONE"
repo "$SCRATCH/r"; epic '# Epic: E\n\n## Scope\n\n- Plan 1: Alpha\n'; work
[ "$(phase plans/01-*)" = completed ] || wrong "the plan is in phase $(phase plans/01-*): $(wf spool ls)"
right "completed"
