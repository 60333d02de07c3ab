"""The models that a session can declare, and what each is trusted with."""

from __future__ import annotations

PLANNING = "planning"
CODING = "coding"
REVIEWING = "reviewing"
FIXING = "fixing"
COMPLETING = "completing"

#: Enabled models with their capabilities, in the order in which they are listed.
ENABLED: dict[str, tuple[str, ...]] = {
    "claude-4.5-opus": (PLANNING, REVIEWING, COMPLETING),
    "gpt-5.2": (PLANNING, CODING, REVIEWING, FIXING, COMPLETING),
    "gpt-5.3-codex": (PLANNING, CODING, REVIEWING, FIXING, COMPLETING),
    "claude-4.5-sonnet": (CODING, FIXING),
    "composer-1": (CODING, FIXING),
    "claude-4.5-haiku": (CODING, FIXING),
}

#: Models that wf knows and refuses until they are enabled.
DISABLED = frozenset(
    {
        "claude-4-sonnet", "claude-4-sonnet-1m", "claude-4.6-opus", "claude-4.6-opus-fast", "composer-1.5",
        "gemini-2.5-flash", "gemini-3-flash", "gemini-3-pro", "gemini-3-pro-image", "gpt-5", "gpt-5-fast",
        "gpt-5-mini", "gpt-5-codex", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.1-codex-mini",
        "gpt-5.2-codex", "grok-code",
    }
)  # fmt: skip
