# An older branch is checked out while a job waits: the plan's folder is there, in the state of before its planner. The job waits, goes on, and is cancelled by a person only.
. ./lib.sh; agent "echo x >>app.txt; $DONE"; repo "$SCRATCH/r"; epic; git add -A; git commit -qm before; git branch old; b=$(git symbolic-ref --short HEAD)
wf worker --runtime sh --once >"$SCRATCH/worker.log" 2>&1; wf dispatch >/dev/null; [ "$(status plan-coder)" = queued ] || wrong "$(wf spool ls)"; git add -A; git commit -qm after; git checkout -q old
wf worker --runtime sh >>"$SCRATCH/worker.log" 2>&1; [ "$(status plan-coder)" = queued ] && [ "$(attempts plan-coder)" = "0 0" ] || wrong "$(status plan-coder) $(attempts plan-coder)"
said "behind in this checkout" || wrong "not said"; wf spool ls | grep -q "behind in the checkout" || wrong "ls: $(wf spool ls)"
wf explain e01-p01-i0-code | grep -q "git checkout $b" || wrong "explain: $(wf explain e01-p01-i0-code)"
git checkout -q "$b" || wrong "git: $(git status)"; work plan-reviewer; [ "$(phase)" = completed ] || wrong "it does not go on: $(wf spool ls)"; right "waited for its branch, and went on"
