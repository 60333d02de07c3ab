# Whatever a person runs below the checkout happens to the project, and makes nothing below.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; mkdir -p src; cd src
wf plan Alpha >/dev/null || wrong "wf plan"; wf epic create E >/dev/null || wrong "wf epic create"
wf context 01 --json >/dev/null || wrong "wf context"; wf epic list --json | grep -q '"01"' || wrong "wf epic list"
wf enqueue --role builder --key a >/dev/null || wrong "wf enqueue"; wf dispatch >/dev/null || wrong "wf dispatch"
wf config set retry.max_attempts 4 >/dev/null || wrong "wf config set"; wf init >/dev/null 2>&1 || wrong "wf init"
wf worker --runtime sh >/dev/null 2>&1 || wrong "wf worker"
clean_below .; [ -e wf.config.yaml ] && wrong "a wf.config below"; cd ..
[ -d plans/01-alpha ] && [ -d epics/01-e ] && grep -q "max_attempts: 4" wf.config.yaml && [ "$(status a)" = succeeded ] || wrong "the project lacks something"
right "the project has all of it"
