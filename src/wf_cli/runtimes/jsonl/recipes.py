"""The rules for the output of programs that many people have. Data only, in the form of wf.config (`jsonl.rules`).

Seen with Claude Code 2.1.197 and Codex 0.171.0, both driven with a scripted model (tests/agents).

Claude Code prints an error that it met as an ``assistant`` line, too, which has an ``error`` then. Its ``result``
line is the verdict, and the exit code agrees with it.

Codex says ``error`` for what it tries again as well; only the wording tells the two apart. After a provider's answer
"429, try again in seven minutes" it waits in silence for as long. Its tokens are those of the whole thread (`codex`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CLAUDE_TOOLS = ("name", "input.command", "input.file_path", "input.pattern", "input.url")

RECIPES: Mapping[str, Mapping[str, Any]] = {
    # claude -p --verbose --output-format stream-json
    "claude": {
        "session": "session_id",
        "text": {"when": {"type": "assistant", "error": None}, "at": "message.content.*.text"},
        "tool": {"when": {"type": "assistant"}, "at": [f"message.content.*.{name}" for name in _CLAUDE_TOOLS]},
        "usage": {
            "when": {"type": "result"},
            "tokens_in": [
                "usage.input_tokens",
                "usage.cache_creation_input_tokens",
                "usage.cache_read_input_tokens",
            ],
            "tokens_out": "usage.output_tokens",
            "cost_usd": "total_cost_usd",
        },
        "retry": {
            "when": {"type": "system", "subtype": "api_retry"},
            "message": "error",
            "name": "error",
            "status": "error_status",
        },
        "error": {
            "when": {"type": "result", "is_error": True},
            "message": ["errors.*", "result", "subtype"],
            "status": "api_error_status",
        },
        "result": {"when": {"type": "result"}, "at": "result"},
    },
    # codex exec --json -
    "codex": {
        "session": "thread_id",
        "text": {"when": {"type": "item.completed", "item.type": "agent_message"}, "at": "item.text"},
        "tool": {
            "when": {"type": "item.started"},
            "at": ["item.type", "item.command", "item.server", "item.tool", "item.query", "item.changes.*.path"],
        },
        "usage": {
            "when": {"type": "turn.completed"},
            "tokens_in": "usage.input_tokens",
            "tokens_out": "usage.output_tokens",
        },
        "retry": {"when": {"type": "error", "message": "Reconnecting*"}, "message": "message"},
        "error": {"when": {"type": ["turn.failed", "error"]}, "message": ["error.message", "message"]},
        "result": {"when": {"type": "turn.completed"}},
    },
}
