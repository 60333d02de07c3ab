"""One attempt of a job, from the session that makes it to its one outcome. Two users: ``worker`` and ``editor``.

    session     the lease that makes attempts: repairs first, then the lease, and the beat beside long work
    rounds      the duties that a session repeats; each has its own try
    reaper      ending the attempts of dead sessions
    claim       a job is taken: what is looked at before the rename and again after it
    predecessors  no job is claimed while an agent of its earlier attempts may live
    opening     from the claim to the agent: validate, open the plan's phase, start
    steps       what an attempt asks of its plan (a Protocol)
    briefing    the prompt and the environment of the agent
    standing    whether the attempt still holds its token; a look that fails is repeated
    budget      what a job and its epic may cost
    end         how an attempt ends
    kept        how an attempt ends whose agent had finished before its worker died
    cooldown    how long the pool waits after an attempt that its provider refused
    refusals    agents that ended at once without work: the pool's fault, or the job's
    trouble     an error of this host in one line
    outage      errors that may pass: they are waited for, and said once
    lasting     troubles that stay: said when they begin, and when they are over

An attempt knows plans only through `steps.Steps`; nothing here imports the workflow, a worker or an editor.
"""
