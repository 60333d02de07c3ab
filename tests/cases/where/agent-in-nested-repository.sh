# The same in a repository of its own below the checkout.
. ./lib.sh; agent "mkdir -p lib; cd lib; git init -q .; echo x >>app.txt; $DONE"
repo "$SCRATCH/r"; epic; work code
clean_below lib; [ "$(status code)" = succeeded ] || wrong "the coder's job is $(status code)"; right "succeeded"
