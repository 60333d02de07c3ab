# A merge left conflict markers in a plan's state.json while its job waits: no attempt is burned, the file and the remedy are named, and the job goes on when a person has decided.
. ./lib.sh; agent "echo x >>app.txt; $DONE"; repo "$SCRATCH/r"; epic; s=$(ls plans/01-*/state.json); cp "$s" "$SCRATCH/before"
printf '<<<<<<< HEAD\n{"phase": "planning"}\n=======\n{"phase": "coding"}\n>>>>>>> other\n' >"$s"
start; until_true said "state.json" || wrong "not said"; [ "$(status plan-orch)" = queued ] && [ "$(attempts plan-orch)" = "0 0" ] || wrong "$(status plan-orch) $(attempts plan-orch)"
said "restore it from version control" || wrong "no remedy"; said crashed && wrong "it calls itself crashed"
wf spool ls | grep -q "$s" || wrong "ls: $(wf spool ls)"; wf explain e01-p01-i0-plan | grep -q "wf doctor" || wrong "explain: $(wf explain e01-p01-i0-plan)"
cp "$SCRATCH/before" "$s"; until_true is_phase completed || wrong "it does not go on: $(wf spool ls)"; stop; right "waited, and went on"
