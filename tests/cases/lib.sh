# Sourced by the cases: a scratch repository, a `command` runtime called sh, and agents as small scripts.
set -u
SCRATCH=$(mktemp -d); trap 'rm -rf "$SCRATCH"' EXIT
unset WF_ROOT WF_SPOOL WF_DISTRIBUTED WF_JOB_TOKEN
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.com
made() { # made DIR: a repository with wf in it, or a copy of CASES_REPOSITORY, which is one
  mkdir -p "$1" && cd "$1" || exit 1
  if [ -n "${CASES_REPOSITORY-}" ]; then cp -R "$CASES_REPOSITORY/." . && return; fi
  git init -q . && git commit -q --allow-empty -m start && wf set-model gpt-5.2 >/dev/null && wf init >/dev/null 2>&1
}
repo() { # repo DIR: the same with every role on $SCRATCH/agent.sh
  made "$1"; SPOOL=$PWD/.wf/spool
  cat >wf.config.yaml <<C
version: 1
mode: distributed
spool: {durability: none}
retry: {max_attempts: 3, backoff: {base: 50ms, factor: 2, cap: 100ms}}
timeouts: {${TIMEOUTS:-startup: 20s, stall: 20s, max_runtime: 40s}}
runtimes: {sh: {adapter: command, argv: [bash, "$SCRATCH/agent.sh"]}}
routing: {builder: {runtime: sh}, orchestrator: {runtime: sh}, plan-coder: {runtime: sh}, plan-reviewer: {runtime: sh}, plan-fixer: {runtime: sh}}
C
  echo base >app.txt && git add -A && git commit -qm base
}
epic() { # epic TEXT: epic 01 with this epic.md, running
  wf epic create E >/dev/null && printf "$1" >epics/01-e/epic.md && wf epic run 01 >"$SCRATCH/run.out" 2>&1
}
agent() { # agent CODER-COMMANDS: plans, codes by these commands, accepts all it finds; $d is the plan's folder, $S the scratch folder
  cat >"$SCRATCH/agent.sh" <<A
cat >/dev/null; cd "\$WF_ROOT"; d=\$(ls -d plans/01-*); S=$SCRATCH
case "\$WF_ROLE" in
orchestrator) echo "# Plan" >\$d/plan.md; cat "$SCRATCH/todo.md" >\$d/todo.md 2>/dev/null || printf -- '- [ ] [T1] write app\n' >\$d/todo.md ;;
plan-coder|plan-fixer) $1 ;;
plan-reviewer) printf '## T1\n\n- intent_match: pass\n- behavior_match: pass\n- test_adequacy: pass\n- risk: low\n- code_refs: app.txt:1\n' >>\$d/review.md; wf todo accept 01 T1; wf done 01 ;;
esac
A
}
DONE="wf todo implemented 01 T1 --test=true --output=ok; wf finish-code 01"
# Waits look at the names of tokens (docs/explanation/spool-protocol.md), because a `wf` for each look takes longer than
# the work that is waited for. What a case is about is asked of `wf`.
lies() { # lies JOB FOLDER...: a token whose job has JOB in its name lies in one of these folders of the spool
  local job=$1 folder; shift
  for folder; do compgen -G "$SPOOL/$folder/*.*$job*.*@*.json" >/dev/null && return 0; done; return 1
}
work() { # a worker, until no job is left; two minutes are a hang
  timeout 120 wf worker --runtime sh --watch >"$SCRATCH/worker.log" 2>&1 & local worker=$!
  local idle=0
  while kill -0 $worker 2>/dev/null && [ $idle -lt 5 ]; do
    sleep 0.2; if lies "" queued claimed running; then idle=0; else idle=$((idle + 1)); fi
  done
  kill $worker 2>/dev/null; wait $worker || true
}
status() { wf spool ls --json | python3 -c 'import json,sys; k=sys.argv[1]; print(next((j["status"] for j in json.load(sys.stdin)["jobs"] if k in j["job_id"]), "none"))' "$1"; }
phase() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["phase"])' "$1/state.json"; }
right() { echo "right: $*"; exit 0; }
wrong() { echo "WRONG: $*"; exit 1; }
