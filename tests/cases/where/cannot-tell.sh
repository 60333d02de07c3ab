# Where git cannot look into it, the job counts, and worker and outcome say that it was not checked.
. ./lib.sh; agent "echo broken >nested/.git/index; $DONE"; repo "$SCRATCH/r"; git init -q nested; git -C nested commit -q --allow-empty -m n; epic; work code
[ "$(status code)" = succeeded ] || wrong "$(status code)"; said "cannot tell" || wrong "the worker does not say it"
wf spool show e01-p01-i0-code --json | grep -q "cannot tell" || wrong "the outcome does not say it"; right "said"
