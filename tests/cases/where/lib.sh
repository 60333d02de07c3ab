# Sourced by the scripts beside it: a scratch repository, a `command` runtime called sh, and agents as small scripts.
set -u
SCRATCH=$(mktemp -d); SCRATCH=$(cd "$SCRATCH" && pwd -P); trap 'rm -rf "$SCRATCH"' EXIT
unset WF_ROOT WF_SPOOL WF_DISTRIBUTED WF_JOB_TOKEN
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.com
export GIT_CONFIG_NOSYSTEM=1 HOME=$SCRATCH/home; mkdir -p "$HOME"
repo() { # repo DIR: a repository with wf in it, every role on $SCRATCH/agent.sh
  mkdir -p "$1" && cd "$1" && git init -q . && git commit -q --allow-empty -m start
  wf set-model gpt-5.2 >/dev/null && wf init >/dev/null 2>&1
  cat >wf.config.yaml <<C
version: 1
mode: distributed
spool: {durability: none}
retry: {max_attempts: 3, backoff: {base: 50ms, factor: 2, cap: 100ms}}
timeouts: {startup: 60s, stall: 60s, max_runtime: 120s}
runtimes: {sh: {adapter: command, argv: [bash, "$SCRATCH/agent.sh"]}}
routing: {builder: {runtime: sh}, orchestrator: {runtime: sh}, plan-coder: {runtime: sh}, plan-reviewer: {runtime: sh}, plan-fixer: {runtime: sh}}
C
  echo base >app.txt && git add -A && git commit -qm base
}
epic() { # epic 01 with the plan 01-plan-1-alpha, running
  wf epic create E >/dev/null && printf '# Epic: E\n\n## Scope\n\n- Plan 1: Alpha\n' >epics/01-e/epic.md && wf epic run 01 >"$SCRATCH/run.out" 2>&1
}
agent() { # agent CODER-COMMANDS: plans, codes by these commands, accepts all it finds; $d is the plan's folder
  cat >"$SCRATCH/agent.sh" <<A
cat >/dev/null; cd "\$WF_ROOT"; d=\$(ls -d plans/01-*); S=$SCRATCH
case "\$WF_ROLE" in
orchestrator) echo "# Plan" >\$d/plan.md; printf -- '- [ ] [T1] write app\n' >\$d/todo.md ;;
plan-coder|plan-fixer) $1 ;;
plan-reviewer) printf '## T1\n\n- intent_match: pass\n- behavior_match: pass\n- test_adequacy: pass\n- risk: low\n- code_refs: app.txt:1\n' >>\$d/review.md; wf todo accept 01 T1; wf done 01 ;;
esac
A
}
DONE="wf todo implemented 01 T1 --test=true --output=ok && wf finish-code 01"
status() { wf spool ls --json 2>/dev/null | python3 -c 'import json,sys; k=sys.argv[1]; print(next((j["status"] for j in json.load(sys.stdin)["jobs"] if k in j["job_id"]), "none"))' "$1"; }
attempts() { wf spool ls --json 2>/dev/null | python3 -c 'import json,sys; k=sys.argv[1]; print(*next(([j["attempt"], j["burned"]] for j in json.load(sys.stdin)["jobs"] if k in j["job_id"]), ()))' "$1"; }
phase() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["phase"])' plans/01-*/state.json 2>/dev/null || echo gone; }
until_true() { # until_true COMMAND...: wait for it; a minute is a hang
  for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; return 1
}
start() { # a worker in the background, with the environment given before `start`
  wf worker --runtime sh --watch >>"$SCRATCH/worker.log" 2>&1 & WORKER=$!
}
stop() { kill "$WORKER" 2>/dev/null; wait "$WORKER" 2>/dev/null; }
ended() { # ended JOB: it is not queued, claimed or running
  case $(status "$1") in succeeded|failed|cancelled|held) return 0 ;; esac; return 1
}
is_phase() { [ "$(phase)" = "$1" ]; }
said() { grep -q -- "$1" "$SCRATCH/worker.log"; }
work() { # work JOB: a worker until that job has ended
  start; until_true ended "$1"; stop
}
clean_below() { # clean_below DIR: wf made nothing there
  for name in .wf .cursor .opencode plans epics; do [ -e "$1/$name" ] && { echo "WRONG: $1/$name"; exit 1; }; done
}
right() { echo "right: $*"; exit 0; }
wrong() { echo "WRONG: $*"; [ -e "$SCRATCH/worker.log" ] && tail -20 "$SCRATCH/worker.log"; exit 1; }
