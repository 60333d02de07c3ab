# An agent that runs wf below the checkout means the project in WF_ROOT.
. ./lib.sh; agent "mkdir -p packages/web; cd packages/web; echo x >>app.txt; $DONE"
repo "$SCRATCH/r"; epic; work code
clean_below packages/web; [ "$(status code)" = succeeded ] || wrong "the coder's job is $(status code)"; right "succeeded"
