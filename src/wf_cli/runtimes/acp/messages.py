"""The parts of ACP's messages that a turn reads (agentclientprotocol.com/protocol/schema, version 1).

An agent is not trusted: each part is checked where it is read. A message that lacks what it cannot do without is
`Malformed`. What is merely of another shape than the protocol says counts as not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from wf_cli.frozen import frozen
from wf_cli.runtimes.jsonlines import obj, text

PROTOCOL_VERSION = 1
#: How a turn may end.
STOP_REASONS = frozenset({"end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"})


class Malformed(ValueError):
    """A message is not what the protocol says. The text names the part."""


def items(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in the list ``value``."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def needed(value: Any, key: str) -> str:
    """The text ``key`` of an object, which has to be there."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str):
        raise Malformed(f"{key} is missing" if found is None else f"{key} is no text")
    return found


def amount(value: Any) -> int:
    """A number of tokens; 0 when none is told."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


@frozen
class Hello:
    """The answer to ``initialize``."""

    version: int
    #: Name and version of the agent, if it told them.
    agent: str | None
    #: The ids of the ways to log in.
    logins: tuple[str, ...]
    resumes: bool
    loads: bool

    @classmethod
    def of(cls, result: Any) -> Hello:
        version = obj(result).get("protocolVersion")
        if not isinstance(version, int) or isinstance(version, bool):
            raise Malformed("protocolVersion is no whole number")
        info, can = obj(result, "agentInfo"), obj(result, "agentCapabilities")
        return cls(
            version,
            f"{text(info['name'])} {text(info.get('version'))}" if text(info.get("name")) else None,
            tuple(text(offer.get("id")) for offer in items(obj(result).get("authMethods"))),
            resumes=isinstance(obj(can, "sessionCapabilities").get("resume"), dict),
            loads=can.get("loadSession") is True,
        )


@frozen
class Choice:
    """An option of a session, one of several values."""

    id: str
    category: str | None
    current: str | None
    values: tuple[str, ...]

    @classmethod
    def of(cls, option: Mapping[str, Any]) -> Choice:
        values = []
        for item in items(option.get("options")):
            inner = items(item["options"]) if "group" in item else iter((item,))
            values += [value["value"] for value in inner if isinstance(value.get("value"), str)]
        return cls(
            needed(option, "id"),
            text(option.get("category")) or None,
            text(option.get("currentValue")) or None,
            tuple(values),
        )


#: The lists of a session that are older than its options: category -> the field, its list, the id of an item, and the
#: current one; and the call that chooses. Gemini and pi have no options of these categories.
_LISTS: Mapping[str, tuple[str, str, str, str]] = {
    "model": ("models", "availableModels", "modelId", "currentModelId"),
    "mode": ("modes", "availableModes", "id", "currentModeId"),
}


@frozen
class Offers:
    """What can be chosen in a session: its options, and the lists of models and modes beside them."""

    choices: tuple[Choice, ...] = ()
    #: By category; their ids are empty.
    lists: Mapping[str, Choice] = field(default_factory=dict)

    @classmethod
    def of(cls, result: Any) -> Offers:
        options = [o for o in items(obj(result).get("configOptions")) if o.get("type") == "select"]
        lists = {}
        for category, (name, available, key, current) in _LISTS.items():
            told = obj(result).get(name)
            if isinstance(told, dict):
                values = tuple(value for item in items(told.get(available)) if (value := text(item.get(key))))
                lists[category] = Choice("", category, text(told.get(current)) or None, values)
        return cls(tuple(Choice.of(option) for option in options), lists)

    def of_category(self, category: str) -> tuple[Choice, ...]:
        """What offers values of ``category``, the one to be used first.

        An option has that category, or, where the agent tells no categories, that name.
        """
        options = [c for c in self.choices if c.category == category] or [c for c in self.choices if c.id == category]
        listed = self.lists.get(category)
        return (*options[:1], *(() if listed is None else (listed,)))


@frozen
class Ended:
    """The answer to ``session/prompt``."""

    stop_reason: str
    #: Tokens that were read and written; None when none are told.
    tokens: tuple[int, int] | None

    @classmethod
    def of(cls, result: Any) -> Ended:
        reason = needed(result, "stopReason")
        if reason not in STOP_REASONS:
            raise Malformed(f"stopReason is {reason[:100]!r}")
        usage = obj(result).get("usage")
        if not isinstance(usage, dict):
            # Gemini CLI tells the sums of the turn here. A turn without a request has none that count.
            quota = obj(result, "_meta", "quota", "token_count")
            told = (amount(quota.get("input_tokens")), amount(quota.get("output_tokens")))
            return cls(reason, told if any(told) else None)
        # Tokens of the cache count as read, as elsewhere.
        read = sum(amount(usage.get(key)) for key in ("inputTokens", "cachedReadTokens", "cachedWriteTokens"))
        written = sum(amount(usage.get(key)) for key in ("outputTokens", "thoughtTokens"))
        return cls(reason, (read, written))
