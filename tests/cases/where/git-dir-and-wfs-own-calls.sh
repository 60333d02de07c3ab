# wf's own calls of git, in `wf doctor`, mean the checkout.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; git init -q --bare "$SCRATCH/other"
wf enqueue --role builder --key a >/dev/null; git add -f .wf/spool; git commit -qm spool
GIT_DIR=$SCRATCH/other wf doctor --no-call --json 2>/dev/null | grep -q "are tracked" || wrong "doctor looked at the other repository"; right "the checkout"
