"""The environment in which the real OpenCode knows one model, that of a scripted server, and asks no other host."""

from __future__ import annotations

import json
from typing import Any

MODEL = "scripted/scripted"


def environment(url: str, key: str, **config: Any) -> dict[str, str]:
    """``url`` is that of the server's API, ``key`` what OpenCode sends there; ``config`` are more of its settings."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": url, "apiKey": key},
        "models": {
            "scripted": {"name": "Scripted", "tool_call": True, "limit": {"context": 128_000, "output": 8192}}
        },
    }
    content = {
        "model": MODEL,
        "small_model": MODEL,
        "enabled_providers": ["scripted"],
        "provider": {"scripted": provider},
        "snapshot": False,
        "lsp": False,
        **config,
    }
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(content),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER": "1",
    }
