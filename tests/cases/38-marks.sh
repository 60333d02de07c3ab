#!/bin/bash
# A byte order mark is read in states, lists, epics and plans; UTF-16 is refused with what helps.
HERE=$(cd "$(dirname "$0")" && pwd); . "$HERE/lib.sh"; bad=
echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; wf plan P >/dev/null; wf epic create E >/dev/null
printf '\xef\xbb\xbf- [ ] [T1] first\n' >plans/01-p/todo.md; wf todo list 01 | grep -q T1 || bad="$bad todo"
for f in plans/01-p/state.json epics/01-e/state.json .cursor/session/state.json; do
  printf '\xef\xbb\xbf' | cat - $f >"$SCRATCH/f" && cp "$SCRATCH/f" $f
done
wf context 01 >/dev/null 2>&1 || bad="$bad state"; wf epic status 01 >/dev/null 2>&1 || bad="$bad epic"
python3 -c 'open("plans/01-p/todo.md","wb").write("- [ ] [T1] a\n".encode("utf-16-le"))'
wf todo list 01 2>&1 | grep -q 'UTF-8' || bad="$bad utf16"
[ -n "$bad" ] && wrong "$bad"; right "read, or refused with what helps"
