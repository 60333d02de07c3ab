# A hook of a linked worktree runs the worker. What an agent commits into a repository of its own lands there.
. ./lib.sh; agent "git init -q nested; cd nested; echo x >app.txt; git add app.txt; git commit -qm agentwork; $DONE"
repo "$SCRATCH/main"; git worktree add -q "$SCRATCH/wt" -b side; cd "$SCRATCH/wt"; SPOOL=$PWD/.wf/spool; wf set-model gpt-5.2 >/dev/null 2>&1; epic
cat >"$SCRATCH/main/.git/hooks/post-commit" <<H
#!/bin/bash
mkdir "$SCRATCH/once" 2>/dev/null || exit 0
env | grep ^GIT_DIR= >"$SCRATCH/hook"; timeout 100 wf worker --runtime sh >>"$SCRATCH/worker.log" 2>&1
H
chmod +x "$SCRATCH/main/.git/hooks/post-commit"; git add -A; git commit -qm run; work code
[ -s "$SCRATCH/hook" ] || wrong "the hook has no GIT_DIR, so this shows nothing"
git log --all --format=%s | grep -q agentwork && wrong "the commit went to the project's repository"
git -C nested log --format=%s | grep -q agentwork || wrong "the commit is nowhere: $(status code)"; [ "$(status code)" = succeeded ] || wrong "$(status code)"; right "where the agent was"
