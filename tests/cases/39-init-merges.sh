#!/bin/bash
# `wf init` adds one entry to the editors' files: line ends, indentation, mark and numbers stay; what it does not understand it names.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; rm -f opencode.json .cursor/mcp.json
printf '\xef\xbb\xbf{\r\n\t"n": 1.10,\r\n\t"mcp": {\r\n\t\t"x": {"a": [1, 2]}\r\n\t}\r\n}\r\n' >opencode.json
printf '{"mcpServers": {}, "n": 1e999}\n' >.cursor/mcp.json; cp .cursor/mcp.json "$SCRATCH/before"
wf init --mcp >"$SCRATCH/out" 2>&1
python3 - <<'P' || bad="$bad opencode.json"
import json
data = open("opencode.json", "rb").read()
assert data.startswith(b'\xef\xbb\xbf{\r\n\t"n": 1.10,\r\n\t"mcp": {\r\n\t\t"x": {"a": [1, 2]},\r\n\t\t"wf": {'), data
assert b"\n" not in data.replace(b"\r\n", b"") and "wf" in json.loads(data.decode("utf-8-sig"))["mcp"]
P
cmp -s .cursor/mcp.json "$SCRATCH/before" || bad="$bad changed"; grep -q '1e999' "$SCRATCH/out" || bad="$bad no-reason"
[ -n "$bad" ] && wrong "$bad"; right "one entry"
