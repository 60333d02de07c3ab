"""One attempt of a job, from the session that makes it to its one outcome. Two users: ``worker`` and ``editor``.

    steps       what plans say to attempts (a Protocol)
    claim       may a job be claimed now, and the checkout's slot for it
    opening     from the claim to the agent: validate, open the plan's phase, start
    briefing    what the agent is told
    budget      what a job and its epic may cost
    cooldown    what an attempt's end means for its pool
    reaper      ending the attempts of dead sessions

An attempt knows plans only through `steps.Steps`; nothing here imports the workflow, a worker or an editor.
"""
