#!/bin/bash
# The workers of `epic run --follow --auto-workers` leave when the follower's terminal is closed.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"
agent 'echo new >app.txt; '"$DONE"; repo "$SCRATCH/r"
wf epic create E >/dev/null && printf '# E\n\n## Goal\n\nG.\n\n## Scope\n\n- Plan 1: write app\n' >epics/01-e/epic.md
wf pause >/dev/null 2>&1; wf epic run 01 --follow --auto-workers >"$SCRATCH/log" 2>&1 & f=$!
alive() { wf worker ls --json | python3 -c 'import json,sys; print(sum(w["state"] == "alive" for w in json.load(sys.stdin)["workers"]))'; }
for i in $(seq 200); do [ "$(alive)" -gt 0 ] && break; sleep 0.1; done
kill -HUP $f; wait $f 2>/dev/null
for i in $(seq 200); do [ "$(alive)" = 0 ] && break; sleep 0.1; done
left=$(alive); wf worker drain all >/dev/null
[ "$left" = 0 ] || wrong "$left workers stay"; right "they left"
