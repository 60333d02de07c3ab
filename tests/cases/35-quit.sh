#!/bin/bash
# SIGQUIT gives the job back at once, and no agent stays.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
echo 'cat >/dev/null; echo $$ >"$WF_ROOT/pid"; exec sleep 600' >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null
wf worker --runtime sh --watch >"$SCRATCH/log" 2>&1 & w=$!
for i in $(seq 200); do [ -s pid ] && break; sleep 0.1; done
kill -QUIT $w; wait $w
burned=$(wf spool ls --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["jobs"][0]["burned"])')
[ "$(status a)" = queued ] && [ "$burned" = 0 ] || wrong "$(status a), burned $burned"
kill -0 "$(cat pid)" 2>/dev/null && wrong "the agent lives"; right "queued, burned 0"
