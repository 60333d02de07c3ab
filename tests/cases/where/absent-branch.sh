# Another branch is checked out while the job waits. The branch is named; a person may cancel.
. ./lib.sh; agent "echo x >>app.txt; $DONE"; repo "$SCRATCH/r"; git branch bare; epic; git add -A; git commit -qm epic; b=$(git symbolic-ref --short HEAD); git checkout -q bare
wf worker --runtime sh >"$SCRATCH/worker.log" 2>&1; [ "$(status plan-orch)" = queued ] || wrong "$(status plan-orch)"
wf explain e01-p01-i0-plan | grep -q "git checkout $b" || wrong "explain: $(wf explain e01-p01-i0-plan)"
wf cancel e01-p01-i0-plan >/dev/null && [ "$(status plan-orch)" = cancelled ] || wrong "a person cannot cancel it"; right "waited for the branch"
