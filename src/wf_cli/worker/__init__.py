"""A worker: one session, N slots, each ``claim -> validate -> start -> run agent -> check -> commit``.

    settings    what a worker is told
    loop        the main loop: claims, beats, reaps, reconciles, drains
    execute     one attempt, in a thread of its own
    reaper      ending the attempts of dead sessions

The worker knows plans only through `Steps`; it never imports the workflow.
"""
