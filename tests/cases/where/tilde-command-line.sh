# A shell does not expand --spool=~/x, nor a quoted word; neither does the environment of a service.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"
wf enqueue --role builder --key a --spool=~/one >/dev/null || wrong "refused"; [ -d "$HOME/one/queued" ] || wrong "no spool in HOME/one"
wf enqueue --role builder --key a --spool '$HOME/two' >/dev/null || wrong "refused"; [ -d "$HOME/two/queued" ] || wrong "no spool in HOME/two"
WF_SPOOL='~/three' wf enqueue --role builder --key a >/dev/null || wrong "refused"; [ -d "$HOME/three/queued" ] || wrong "no spool in HOME/three"
wf spool ls --spool '~bob/x' >/dev/null 2>&1 && wrong "~bob is accepted"
[ -e "./~" ] || [ -e './$HOME' ] && wrong "made in the checkout"; right "in HOME"
