# A coder that works in the submodule alone has worked, whether it commits or not.
. ./lib.sh; agent "echo x >>lib/app.txt; $DONE"; git init -q "$SCRATCH/lib"; git -C "$SCRATCH/lib" commit -q --allow-empty -m l
repo "$SCRATCH/r"; git -c protocol.file.allow=always submodule add -q "$SCRATCH/lib" lib && git commit -qm sub; epic; work code
[ "$(status code)" = succeeded ] || wrong "$(status code)"; said "cannot tell" && wrong "it cannot tell"; right "work"
