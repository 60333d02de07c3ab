# Sourced by the scripts beside it, after the library of all cases: a home of their own, real waits, longer limits.
TIMEOUTS="startup: 60s, stall: 60s, max_runtime: 120s"
. ../lib.sh
SCRATCH=$(cd "$SCRATCH" && pwd -P)
export GIT_CONFIG_NOSYSTEM=1 HOME=$SCRATCH/home; mkdir -p "$HOME"
epic() { # epic 01 with the plan 01-plan-1-alpha, running
  wf epic create E >/dev/null && printf '# Epic: E\n\n## Scope\n\n- Plan 1: Alpha\n' >epics/01-e/epic.md && wf epic run 01 >"$SCRATCH/run.out" 2>&1
}
DONE="wf todo implemented 01 T1 --test=true --output=ok && wf finish-code 01"
status() { wf spool ls --json 2>/dev/null | python3 -c 'import json,sys; k=sys.argv[1]; print(next((j["status"] for j in json.load(sys.stdin)["jobs"] if k in j["job_id"]), "none"))' "$1"; }
attempts() { wf spool ls --json 2>/dev/null | python3 -c 'import json,sys; k=sys.argv[1]; print(*next(([j["attempt"], j["burned"]] for j in json.load(sys.stdin)["jobs"] if k in j["job_id"]), ()))' "$1"; }
phase() { sed -n 's/.*"phase": *"\([a-z_]*\)".*/\1/p' plans/01-*/state.json 2>/dev/null | grep . || echo gone; }
until_true() { # until_true COMMAND...: wait for it; a minute is a hang
  for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1
}
start() { # a worker in the background, with the environment given before `start`
  wf worker --runtime sh --watch >>"$SCRATCH/worker.log" 2>&1 & WORKER=$!
}
stop() { kill "$WORKER" 2>/dev/null; wait "$WORKER" 2>/dev/null; }
ended() { lies "$1" done dead held; } # ended JOB: it is not queued, claimed or running
is_phase() { [ "$(phase)" = "$1" ]; }
said() { grep -q -- "$1" "$SCRATCH/worker.log"; }
work() { # work JOB: a worker until that job has ended
  start; until_true ended "$1"; stop
}
clean_below() { # clean_below DIR: wf made nothing there
  for name in .wf .cursor .opencode plans epics; do [ -e "$1/$name" ] && { echo "WRONG: $1/$name"; exit 1; }; done
}
wrong() { echo "WRONG: $*"; [ -e "$SCRATCH/worker.log" ] && tail -20 "$SCRATCH/worker.log"; exit 1; }
