"""A worker: one session, N slots, each ``claim -> validate -> start -> run agent -> check -> commit``.

    settings    what a worker is told
    loop        the main loop: claims, beats, reaps, reconciles, drains
    entrance    may a job be claimed now, and the checkout's slot for it
    opening     from the claim to the agent: validate, open the plan's phase, start
    execute     one attempt, in a thread of its own
    closing     what an attempt's end means for its pool
    reaper      ending the attempts of dead sessions

The worker knows plans only through `Steps`; it never imports the workflow.
"""
