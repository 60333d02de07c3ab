# An agent runs `git stash -u`: its job waits without a loss, says what brings the plan back, and goes on by itself.
. ./lib.sh; agent "[ -e \$S/stashed ] || { touch \$S/stashed; echo x >>app.txt; git stash -u -q; }; wf todo implemented 01 T1 --test=true --output=ok; wf finish-code 01; true"
repo "$SCRATCH/r"; epic; start; until_true said "code-plan-coder: released" || wrong "not released: $(status code)"
[ "$(status code)" = queued ] || wrong "$(status code)"; [ "$(attempts code)" = "1 0" ] || wrong "attempts and burned: $(attempts code)"
wf explain e01-p01-i0-code | grep -q "git stash pop" || wrong "explain: $(wf explain e01-p01-i0-code)"
wf spool ls | grep -q "not in the checkout" || wrong "ls: $(wf spool ls)"; wf dispatch | grep -q "plan 01: .*not in the checkout" || wrong "dispatch: $(wf dispatch)"
git stash pop -q >/dev/null; until_true is_phase completed || wrong "it does not go on: $(wf spool ls)"; stop; right "waited, and went on"
