# spool.dir: ~/wf-spool means the home folder; no folder called "~" is made.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; sed -i 's|^spool:.*|spool: {dir: ~/wf-spool}|' wf.config.yaml
wf enqueue --role builder --key a >/dev/null || wrong "refused"; [ -e "./~" ] && wrong 'a folder "~"'
[ -d "$HOME/wf-spool/queued" ] || wrong "no spool in HOME"; right "in HOME"
