# The same with $HOME, in a path of the spool and in an agent's command.
. ./lib.sh; repo "$SCRATCH/r"; echo 'touch "$HOME/ran"' >"$HOME/agent.sh"
sed -i -e 's|^spool:.*|spool: {dir: "$HOME/wf-spool"}|' -e 's|^runtimes:.*|runtimes: {sh: {adapter: command, argv: [bash, ~/agent.sh]}}|' wf.config.yaml
wf enqueue --role builder --key a >/dev/null || wrong "refused"; wf worker --runtime sh >"$SCRATCH/worker.log" 2>&1
[ -e '$HOME' ] && wrong 'a folder "$HOME"'; [ -d "$HOME/wf-spool/queued" ] || wrong "no spool in HOME"; [ -e "$HOME/ran" ] || wrong "the agent did not run"; right "in HOME"
