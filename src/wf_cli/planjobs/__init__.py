"""Plans to jobs and back: which job a plan waits for, and what a job does to its plan.

`wf_cli.contract.step` describes each step in one row. This package carries the rows out:

- `due`: from the phase, files and jobs of a plan to the job to publish, or the reason for none. Pure.
- `checkout`: the open plans that a plan has to wait for.
- `dispatcher`: runs one reconcile at a time. `round` is one reconcile, and `look` holds the files that it has read.
- `steps`: answers what a worker asks about its job (opening, prompt, baseline, check).
- `opening`: decides whether a job may start, and whether it counts as done.
- `absence`: a plan whose folder is not in the checkout just now; its jobs wait.
- `split`, `epic_steps`: the same for the step that splits an epic into plans. `job_steps` asks whichever is meant.
- `purpose`: what people wrote about a plan, for its agents.
- `prompts`: the text that an agent is given.
"""
