#!/bin/bash
# Half a surrogate pair in a key, a role, a key of the payload and a reason; NaN and huge numbers in --from.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"
n=0
for line in '{"role":"builder","key":"a\ud800"}' '{"role":"b\udc00","key":"b"}' '{"role":"builder","key":"c","payload":{"\ud800":1}}' '{"role":"builder","key":"d","payload":[NaN]}' "{\"role\":\"builder\",\"key\":\"e\",\"payload\":$(printf '9%.0s' $(seq 400))}"; do
  n=$((n + 1)); echo "$line" >"$SCRATCH/l"; wf enqueue --from "$SCRATCH/l" 2>"$SCRATCH/e" >/dev/null && bad="$bad $n:accepted"
  grep -q "$SCRATCH/l:1: " "$SCRATCH/e" || bad="$bad $n:no-place"
done
wf enqueue --role builder --key f >/dev/null; wf hold f --reason $'caf\xe9' >/dev/null || bad="$bad reason"
wf spool show f --json | python3 -c 'import json,sys; json.dumps(json.load(sys.stdin), ensure_ascii=False).encode()' 2>/dev/null || bad="$bad reason-printed"
[ -n "$bad" ] && wrong "$bad"; right "refused, with the place"
