"""Agent CLIs behind one seam: a request becomes a process, its output becomes events and an end.

A runtime sees a request and returns a result. It never opens the queue. A result is the agent's claim about its
work, so the worker checks the plan afterwards (docs/explanation/attempts.md).

::

    base                    the seam: request, launch, reader, verdict, result
    registry                adapters by name
    opencode/, cursor/,     one adapter each, with the reader of what the agent prints
    jsonl/                  agents that print JSON lines, read by rules of wf.config
    presets/                Claude Code, Codex and Gemini CLI: their command lines
    scripted/, command
    acp/                    any agent that speaks the Agent Client Protocol; opencode and cursor use it, too
    protocol, program       which protocol the installed version is driven by; executable: where its file is
    process/                one agent's process, from its gate to its end
    failures/               error codes from what was said
    permissions             what agents may do
    shell/                  the commands of a line of shell, for permissions
"""
