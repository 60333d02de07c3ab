"""Agent CLIs behind one seam: a request becomes a process, its output becomes events and an end.

A runtime sees a request and returns a result. It never opens the queue, and what it returns about the
work is a claim: the worker checks the plan (DESIGN sections 7 and 8).

::

    base                    the seam: request, launch, reader, verdict, result
    registry                adapters by name
    opencode, cursor,       one adapter each, with the readers of what they print (*_events)
    command, scripted
    acp/                    any agent that speaks the Agent Client Protocol; opencode and cursor use it, too
    protocol, program       ACP or print, by the installed version
    process/                one agent's process, from its gate to its end
    failures/               error codes from what was said
    permissions, prompts    what agents may do, and what they are told
"""
