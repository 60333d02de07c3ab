"""A worker: one session, N slots, each ``claim -> validate -> start -> run agent -> check -> commit``.

    settings    what a worker is told
    loop        the main loop: claims, beats, does its rounds, drains
    execute     one attempt with an agent, in a thread of its own
    usage       what an agent told of what it used

Session, claim, opening and end of an attempt are in `wf_cli.attempt`, because an editor's agents are workers, too.

The worker knows plans only through `Steps`; it never imports the workflow.
"""
