# The same with a repository that is no submodule.
. ./lib.sh; agent "$DONE"; repo "$SCRATCH/r"; git init -q nested; git -C nested commit -q --allow-empty -m n; epic; work code
[ "$(status code)" = failed ] && said no_change || wrong "$(status code)"; right "no_change"
