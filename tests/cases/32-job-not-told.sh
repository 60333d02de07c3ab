#!/bin/bash
# `wf job next` that cannot print its job gives it back; nothing is burned.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null
wf job next --runtime sh --role builder >/dev/full 2>"$SCRATCH/e"; code=$?
for i in $(seq 100); do [ "$(status a)" = queued ] && break; sleep 0.1; done
[ $code = 75 ] && [ "$(status a)" = queued ] || wrong "exit $code, $(status a)"
right "given back"
