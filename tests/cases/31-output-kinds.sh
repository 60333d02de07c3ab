#!/bin/bash
# Full, closed and left standard output, for each kind of command: at most one line, no traceback, 0 or 75.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf enqueue --role builder --key a >/dev/null
check() { # check NAME CODE: the command before ended with CODE
  case $2 in 0|75) ;; *) bad="$bad $1:exit-$2" ;; esac
  [ "$(wc -l <"$SCRATCH/e")" -le 1 ] || bad="$bad $1:$(head -1 "$SCRATCH/e")"
}
for words in '--help' 'models' 'spool ls --json' 'events -f --since 1h'; do
  timeout 20 wf $words >/dev/full 2>"$SCRATCH/e"; check "full:$words" $?
  timeout 20 wf $words 2>"$SCRATCH/e" >&-; check "closed:$words" $?
done
wf epic create Kept >/dev/full 2>/dev/null; [ -d epics/01-kept ] || bad="$bad epic-not-made"
[ -n "$bad" ] && wrong "$bad"; right "one line at most"
