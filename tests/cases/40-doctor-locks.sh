#!/bin/bash
# `wf doctor` tries to write: a folder, a lock and a plan that this user may not write are errors with a command.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=
[ "$(id -u)" != 0 ] || command -v setpriv >/dev/null || right "skipped, it needs setpriv"
as() { if [ "$(id -u)" = 0 ]; then setpriv --bounding-set=-dac_override,-dac_read_search,-fowner --inh-caps=-all "$@"; else "$@"; fi; }
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null; wf plan P >/dev/null
for place in .wf/spool/log .wf/locks plans/01-p/state.json; do
  chmod a-w $place; as wf doctor --no-call >"$SCRATCH/out" 2>&1 && bad="$bad $place:exit-0"; chmod u+w $place
  grep -A1 "^error .*$place" "$SCRATCH/out" | grep -q 'remedy: chmod' || bad="$bad $place"
done
[ -n "$bad" ] && wrong "$bad"; right "named, with the command"
