#!/bin/bash
# Without standard error, a warning does not end up in the JSON document.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null
wf enqueue --role builder --key a --payload 1 --json 2>&- | python3 -c 'import json,sys; json.load(sys.stdin)' 2>/dev/null || wrong "no JSON"
right "one document"
