# The same where the shell's folder is gone meanwhile.
. ./lib.sh; agent "echo x >>app.txt; mkdir -p tmp; cd tmp; rmdir ../tmp; $DONE"
repo "$SCRATCH/r"; epic; work code
[ "$(status code)" = succeeded ] || wrong "the coder's job is $(status code)"; right "succeeded"
