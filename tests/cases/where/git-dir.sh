# A worker started where git has set GIT_DIR must not send its agents' commits elsewhere.
. ./lib.sh; agent "echo x >>app.txt; git add app.txt; git commit -qm agentwork; $DONE"
repo "$SCRATCH/r"; git init -q "$SCRATCH/other"; git -C "$SCRATCH/other" commit -q --allow-empty -m other; epic
export GIT_DIR=$SCRATCH/other/.git; start; unset GIT_DIR; until_true ended code; stop
git -C "$SCRATCH/other" log --format=%s | grep -q agentwork && wrong "the commit went to the other repository"
git log --format=%s | grep -q agentwork || wrong "the commit is nowhere: $(status code)"; [ "$(status code)" = succeeded ] || wrong "$(status code)"
right "the commit is in the checkout"
