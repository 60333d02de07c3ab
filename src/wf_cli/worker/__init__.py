"""A worker: one session, N slots, each ``claim -> validate -> start -> run agent -> check -> commit``.

    settings    the settings and the equipment of a worker
    loop        the main loop: claims, beats, does its rounds, drains
    execute     one attempt with an agent, in a thread of its own
    usage       tokens and cost that an agent reported

Session, claim, opening and end of an attempt are in `wf_cli.attempt`, because an editor's agents use them too.

The worker knows plans only through `Steps`; it never imports the workflow.
"""
