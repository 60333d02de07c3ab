"""Masks the secrets of an agent's environment in everything that the agent prints.

Known values are replaced wherever they appear, in transcripts, events and messages. Matches of the configured
patterns are replaced line by line. A secret that neither finds (a key read from a file, a value in another encoding)
stays, so a transcript is a private file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wf_cli import proc

MASK = "[redacted]"
_MASK = MASK.encode()
#: Characters that a value needs to count, because a shorter one ("1", "true") would blank out half of the text.
SHORTEST = 6
#: Bytes of one line that wait for its end, where there are patterns. A longer line is matched in pieces.
LINE_LIMIT = 64 << 10
#: Levels of a JSON value that are kept.
DEPTH_LIMIT = 50

_SECRET_NAME = re.compile(r"(?:^|_)(?:API_?)?(?:KEY|TOKEN|SECRET|CREDENTIALS?)$|PASSWORD|PASSWD", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"key$|token$|secret$|password|authorization", re.IGNORECASE)


def secret_values(environment: Mapping[str, str], names: frozenset[str] = frozenset()) -> set[str]:
    """The values of ``names``, of variables named like ``*_KEY *_TOKEN *_SECRET *PASSWORD*``, and such fields of JSON
    values.

    The attempt's mark is not among them. Its variable has such a name, but it stands in every log on purpose.
    """
    found: set[str] = set()
    for name, value in environment.items():
        if name == proc.MARK_VARIABLE:
            continue
        if name in names or _SECRET_NAME.search(name):
            found.add(value)
        elif value.lstrip().startswith("{"):  # OPENCODE_CONFIG_CONTENT and the like
            try:
                found.update(_secret_fields(json.loads(value)))
            except (ValueError, RecursionError):
                continue
    return {value for value in found if len(value) >= SHORTEST}


def _secret_fields(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _secret_fields(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _secret_fields(item, name)
    elif isinstance(value, str) and _SECRET_FIELD.search(name) and not value.startswith("{env:"):
        yield value


class Redactor:
    """Replaces a set of values, and what the regular expressions ``patterns`` (of `re`, valid ones) match."""

    def __init__(self, secrets: set[str], patterns: Sequence[str] = ()):
        # They are applied one after the other, because in a joined pattern the flags and groups of one hold for all.
        self._patterns = [re.compile(pattern) for pattern in patterns]
        # Each value is sought as it is and as JSON spells it, because agents print JSON. The longest comes first, so
        # that a value that contains another one is replaced as a whole.
        spellings = {form for value in secrets for form in (value, json.dumps(value)[1:-1])}
        texts = sorted(spellings, key=len, reverse=True)
        self._in_text = re.compile("|".join(map(re.escape, texts)) or "(?!)")
        self._secrets = [text.encode("utf-8", "surrogateescape") for text in texts]
        self._in_bytes = re.compile(b"|".join(map(re.escape, self._secrets)) or b"(?!)")

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        return _masked(self._patterns, self._in_text.sub(MASK, text))

    def value(self, value: Any, depth: int = DEPTH_LIMIT) -> Any:
        """A JSON value without secrets in its strings. Parts nested more deeply than ``depth`` are left out."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict | list | tuple) and not depth:
            return "…"
        if isinstance(value, dict):
            return {key: self.value(item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.value(item, depth - 1) for item in value)
        return value

    def stream(self) -> RedactedStream:
        """For one stream of bytes that comes in pieces."""
        return RedactedStream(self._secrets, self._in_bytes, self._patterns)


def _masked(patterns: Sequence[re.Pattern[str]], text: str) -> str:
    for pattern in patterns:
        text = pattern.sub(MASK, text)
    return text


class RedactedStream:
    """Bytes pass through, delayed only while they may be the beginning of a secret; with patterns, by whole lines."""

    def __init__(self, secrets: list[bytes], pattern: re.Pattern[bytes], patterns: Sequence[re.Pattern[str]] = ()):
        self._secrets = secrets
        self._pattern = pattern
        self._patterns = patterns
        self._held = b""
        self._line = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes that can be written now."""
        data = self._without_values(data)
        return self._whole_lines(data) if self._patterns else data

    def end(self) -> bytes:
        """The bytes that were held back."""
        held, self._held = self._pattern.sub(_MASK, self._held), b""
        line, self._line = self._line + held, b""
        return self._masked_lines(line)

    def _whole_lines(self, data: bytes) -> bytes:
        data = self._line + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > LINE_LIMIT:  # Cut at a blank if there is one, because secrets rarely have any.
            end = data.rfind(b" ", end) + 1 or len(data)
        self._line = data[end:]
        return self._masked_lines(data[:end])

    def _masked_lines(self, data: bytes) -> bytes:
        if not self._patterns or not data:
            return data
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        clean = "\n".join(_masked(self._patterns, line) for line in lines)
        return clean.encode("utf-8", "surrogateescape")

    def _without_values(self, data: bytes) -> bytes:
        data = self._held + data
        out = []
        done = 0
        while True:
            found = self._pattern.search(data, done)
            open_end = self._open_end(data, done)
            # A whole secret that may still grow into a longer one waits like the beginning of one.
            if found is None or open_end <= found.start():
                out.append(data[done:open_end])
                self._held = data[open_end:]
                return b"".join(out)
            out += data[done : found.start()], _MASK
            done = found.end()

    def _open_end(self, data: bytes, begin: int) -> int:
        """Where the longest end of ``data`` starts that begins a secret without being all of it."""
        first = len(data)
        for secret in self._secrets:
            for start in range(max(begin, len(data) - len(secret) + 1), first):
                if secret.startswith(data[start:]):
                    first = start
                    break
        return first
