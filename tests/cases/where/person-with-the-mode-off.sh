# With the mode off the working directory is the root, as it always was.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; sed -i 's/^mode: .*/mode: command/' wf.config.yaml; mkdir -p src
( cd src; wf set-model gpt-5.2 >/dev/null; wf plan Alpha >/dev/null )
[ -d src/plans/01-alpha ] || wrong "the plan is elsewhere"; [ -e plans ] && wrong "a plan in the project"
sed -i 's/^mode: .*/mode: distributed/' wf.config.yaml
( cd src; WF_DISTRIBUTED=0 wf plan Beta >/dev/null ); [ -d src/plans/02-beta ] || wrong "WF_DISTRIBUTED=0 is not the mode off"
right "the working directory"
