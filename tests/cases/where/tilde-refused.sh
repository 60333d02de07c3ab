# Other forms that only a shell expands are refused, with file, line, key and remedy, and make nothing.
. ./lib.sh; echo true >"$SCRATCH/agent.sh"; repo "$SCRATCH/r"; cp wf.config.yaml "$SCRATCH/config"
for dir in '~bob/spool' '$WORK/spool' '/data/${USER}/spool'; do
  sed "s|^spool:.*|spool: {dir: '$dir'}|" "$SCRATCH/config" >wf.config.yaml
  wf enqueue --role builder --key a >"$SCRATCH/out" 2>&1; rc=$?
  [ $rc = 2 ] && grep -q "wf.config.yaml:3: spool.dir: .*the whole path" "$SCRATCH/out" || wrong "$dir: exit $rc: $(cat "$SCRATCH/out")"
done
[ -z "$(git status --porcelain | grep -v wf.config)" ] || wrong "made: $(git status --porcelain)"; right "refused"
