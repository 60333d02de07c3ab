"""Plans to jobs and back: which job a plan waits for, and what a job does to its plan.

What a step *is* stands in `wf_cli.contract.step`, one row each. This package carries the rows out:

- `due`: phase, files and jobs of a plan to what is published, or why not. Pure. `checkout`: which plans are ahead.
- `dispatcher`: one reconcile at a time. `round` is one of them, and `look` what it has seen.
- `steps`: what a worker asks about its job: opening, prompt, baseline, check. `opening` decides.
- `prompts`: what an agent is told.
"""
