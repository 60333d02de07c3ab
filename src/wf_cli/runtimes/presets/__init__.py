"""Agent programs that need no more than a command line of their own: ``adapter: claude``, ``codex`` and ``gemini``.

Claude Code and Codex print JSON lines, which the rules of `runtimes.jsonl.recipes` read. Gemini CLI speaks ACP.
"""
