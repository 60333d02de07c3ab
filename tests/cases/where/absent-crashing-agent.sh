# The agent takes its plan away and crashes, three times over: nothing is burned.
. ./lib.sh; agent "git stash -u -q; exit 1"; repo "$SCRATCH/r"; epic; start
for n in 1 2 3; do
  until_true sh -c "[ \$(grep -c 'code-plan-coder: released' '$SCRATCH/worker.log') = $n ]" || wrong "not released: $(status code)"
  git stash pop -q >/dev/null
done
until_true sh -c "[ \$(grep -c 'code-plan-coder: released' '$SCRATCH/worker.log') = 4 ]"; stop
set -- $(attempts code); [ "$2" = 0 ] && [ "$(status code)" = queued ] || wrong "$(status code), attempts and burned: $*"; right "nothing burned"
