# In a repository with a submodule a coder that changes nothing does not pass checks.no_change.
. ./lib.sh; agent "$DONE"; git init -q "$SCRATCH/lib"; git -C "$SCRATCH/lib" commit -q --allow-empty -m l
repo "$SCRATCH/r"; git -c protocol.file.allow=always submodule add -q "$SCRATCH/lib" lib && git commit -qm sub; epic; work code
[ "$(status code)" = failed ] && said no_change || wrong "$(status code)"; right "no_change"
