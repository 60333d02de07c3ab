# The plan is away before its job is claimed (git clean): the worker says so once, and claims nothing.
. ./lib.sh; agent "echo x >>app.txt; $DONE"; repo "$SCRATCH/r"; epic; mkdir "$SCRATCH/away"; mv plans "$SCRATCH/away/"
start; until_true said "not in the checkout" || wrong "not said"; [ "$(status plan-orch)" = queued ] && [ "$(attempts plan-orch)" = "0 0" ] || wrong "$(status plan-orch) $(attempts plan-orch)"
[ "$(grep -c "not in the checkout" "$SCRATCH/worker.log")" = 1 ] || wrong "said again and again"
wf explain e01-p01-i0-plan | grep -q "no stash, branch or commit" || wrong "explain: $(wf explain e01-p01-i0-plan)"
mv "$SCRATCH/away/plans" .; until_true is_phase completed || wrong "it does not go on: $(wf spool ls)"; stop; right "waited, and went on"
