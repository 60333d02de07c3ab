# The same with every other variable that sends git elsewhere, one worker for all of them.
. ./lib.sh; agent "env | grep -E '^GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|PREFIX|NAMESPACE)=' >\$S/seen; echo x >>app.txt; git add app.txt; git commit -qm agentwork; $DONE"
repo "$SCRATCH/r"; git init -q "$SCRATCH/other"; git -C "$SCRATCH/other" commit -q --allow-empty -m other; epic; o=$SCRATCH/other
GIT_DIR=$o/.git GIT_WORK_TREE=$o GIT_INDEX_FILE=$o/index GIT_COMMON_DIR=$o/.git GIT_OBJECT_DIRECTORY=$o/objects GIT_ALTERNATE_OBJECT_DIRECTORIES=$o/.git/objects GIT_PREFIX=src/ GIT_NAMESPACE=n \
  wf worker --runtime sh --watch >>"$SCRATCH/worker.log" 2>&1 & WORKER=$!
until_true ended code; stop
[ -s "$SCRATCH/seen" ] && wrong "the agent has $(cat "$SCRATCH/seen")"; git log --format=%s | grep -q agentwork || wrong "no commit: $(status code)"
[ "$(status code)" = succeeded ] || wrong "$(status code)"; right "none of them reaches an agent"
