# The same for the job that splits an epic: conflict markers in the epic's state.json.
. ./lib.sh; repo "$SCRATCH/r"; wf epic create E >/dev/null && printf '# Epic: E\n\nSome text.\n' >epics/01-e/epic.md && wf epic run 01 >/dev/null 2>&1
s=epics/01-e/state.json; cp "$s" "$SCRATCH/before"; printf '<<<<<<< HEAD\n{}\n=======\n{"a": 1}\n>>>>>>> other\n' >"$s"
echo "echo '[{\"title\": \"Alpha\", \"goal\": \"Do alpha.\"}]' | wf epic plans set 01 --from -" >"$SCRATCH/agent.sh"
start; until_true said "state.json" || wrong "not said"; [ "$(status split)" = queued ] && [ "$(attempts split)" = "0 0" ] || wrong "$(status split) $(attempts split)"
cp "$SCRATCH/before" "$s"; until_true ended split || wrong "it does not go on: $(wf spool ls)"; stop; [ "$(status split)" = succeeded ] || wrong "$(status split)"; right "waited, and went on"
