#!/bin/bash
# `wf doctor` names conflict markers with file, line and a command; an example in a code fence is text.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf plan P >/dev/null
m() { printf '<<<<<<< HEAD\n%s\n=======\n%s\n>>>>>>> x\n' "$1" "$2"; }
{ echo '# Plan'; echo '```'; m a b; echo '```'; } >plans/01-p/plan.md
wf doctor --no-call 2>&1 | grep -q '<<<<' && bad="$bad fence"
m '{"phase": "coding"}' '{}' >plans/01-p/state.json; m 'mode: command' 'mode: distributed' >wf.config.yaml
wf doctor --no-call >"$SCRATCH/out" 2>&1 && bad="$bad exit-0"
for f in plans/01-p/state.json:1 wf.config.yaml:1; do grep -A1 "$f: a merge left" "$SCRATCH/out" | grep -q 'remedy: ' || bad="$bad $f"; done
[ -n "$bad" ] && wrong "$bad"; right "named"
