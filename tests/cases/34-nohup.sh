#!/bin/bash
# A worker under nohup does not hear SIGHUP.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
echo 'cat >/dev/null' >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null
nohup wf worker --runtime sh --watch >"$SCRATCH/log" 2>&1 & w=$!
for i in $(seq 200); do lies a done && break; sleep 0.1; done
kill -HUP $w; wf enqueue --role builder --key b >/dev/null
for i in $(seq 200); do lies b done && break; sleep 0.1; done
kill -TERM $w; wait $w
[ "$(status b)" = succeeded ] || wrong "$(status b)"; right "it went on"
