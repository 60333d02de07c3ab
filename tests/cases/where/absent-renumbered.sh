# The folder has another number now: told apart from one that was stashed.
. ./lib.sh; agent "true"; repo "$SCRATCH/r"; epic; mv plans/01-plan-1-alpha plans/07-plan-1-alpha
wf worker --runtime sh >"$SCRATCH/worker.log" 2>&1; [ "$(status plan-orch)" = queued ] || wrong "$(status plan-orch)"
wf explain e01-p01-i0-plan | grep -q "plans/07-plan-1-alpha .*renumbered" || wrong "explain: $(wf explain e01-p01-i0-plan)"; right "told"
