#!/bin/bash
# A title without one Latin letter is in what a coder asks for: `wf context`, as text and as JSON.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"
wf plan "重试政策" >/dev/null 2>&1 || right "refused"
wf context 01 | grep -q '重试政策' || wrong "not in wf context: $(wf context 01 | head -3)"
wf context 01 --json | python3 -c 'import json,sys; sys.exit("重试政策" not in json.dumps(json.load(sys.stdin), ensure_ascii=False))' || wrong "not in its JSON"
right "kept in wf context"
