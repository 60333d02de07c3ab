#!/bin/bash
# `wf doctor` must see that this user cannot write the spool and the locks (files of root after one sudo). Needs root to set it up.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || right "skipped, it needs root and setpriv"
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null; chown -R 65534:65534 .wf plans epics 2>/dev/null
as() { setpriv --bounding-set=-dac_override,-dac_read_search,-fowner,-chown --inh-caps=-all "$@"; }
as wf enqueue --role builder --key b >/dev/null 2>&1 && right "skipped, it could write all the same"
as wf doctor >"$SCRATCH/out" 2>&1; grep -qiE '(error|warn).*(permission|write|owner)' "$SCRATCH/out" || wrong "doctor sees nothing: $(tail -1 "$SCRATCH/out")"
right "doctor says so"
