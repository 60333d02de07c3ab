"""Level-triggered requests to workers: a request holds as long as its file is in ``control/``.

``pause.json`` and ``pause.<runtime>.json`` stop claims; ``cooldown.<runtime>.json`` too, until the time that its
provider named (`Cooldown`); ``drain.<owner>.json`` ends one session after its jobs; ``fresh.<job>.a<n>.json``
tells attempt n to start without its agent's earlier session.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from wf_cli import clock as clocks
from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.contract import text
from wf_cli.contract.token import is_word
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import Trouble

#: The last time that can be shown (year 2286). A request beyond it holds until it is withdrawn.
_LATEST_MS = 10**13 - 1
#: Seconds for which a look at ``control/`` counts where each one is a round trip.
_RECENT_S = 1.0


@dataclass(frozen=True, slots=True)
class Stop:
    """A request that keeps workers from claiming now."""

    kind: str  # pause, cooldown
    runtime: str | None
    reason: str
    until_ms: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "runtime": self.runtime,
            "until": clocks.iso(self.until_ms) if self.until_ms else None,
            "reason": self.reason or None,
            "text": self.text(),
        }

    def text(self) -> str:
        """For people."""
        scope = f"runtime {self.runtime}" if self.runtime else "the spool"
        until = f" until {clocks.iso(self.until_ms)}" if self.until_ms else ""
        what = "paused" if self.kind == "pause" else "cooling down"
        return f"{scope} is {what}{until}{f': {self.reason}' if self.reason else ''}"


def request(
    spool: Spool, name: str, clock: Clock, *, reason: str = "", seconds: float | None = None, **facts: Any
) -> None:
    """Write the request ``name`` (``pause``, ``cooldown.opencode``, ...), for ``seconds`` or until withdrawn.

    ``facts`` are kept beside it for whoever writes it the next time.
    """
    value: dict[str, Any] = {**facts, "at": clocks.iso(clock.now_ms()), "reason": reason}
    if seconds is not None:
        value |= {"seconds": seconds, "until_ms": clock.now_ms() + math.ceil(seconds * 1000)}
    spool.replace("control", f"{name}.json", json.dumps(value))


def withdraw(spool: Spool, name: str) -> bool:
    """Take the request back; False when there was none."""
    if not fsio.listed(spool.folder("control"), f"{name}.json"):
        return False
    fsio.unlink_quietly(spool.path("control", f"{name}.json"))
    return True


def has(spool: Spool, name: str) -> bool:
    """Whether the request stands (its content does not matter)."""
    return fsio.listed(spool.folder("control"), f"{name}.json")


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The cool-down of a runtime that was requested last. ``round`` counts those in a row for which the provider
    named no time."""

    until_ms: int
    round: int


def cooldown(spool: Spool, runtime: str) -> Cooldown | None:
    """The request in the file, even when its time is over; None without a file, or when it is damaged."""
    try:
        value = json.loads(fsio.read_regular(spool.path("control", f"cooldown.{runtime}.json"), 65536))
        found = Cooldown(int(value["until_ms"]), int(value.get("round", 1)))
        return found if 0 <= found.until_ms <= _LATEST_MS and 0 < found.round < 10**6 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


class Requests:
    """The requests that hold now. A timed one ends by the wall clock, or after its duration under watch."""

    def __init__(self, spool: Spool, clock: Clock):
        self._spool = spool
        self._clock = clock
        self._first: dict[tuple[str, str], float] = {}
        #: What the last look saw, and when it was begun.
        self._seen: tuple[float, frozenset[str]] | None = None

    def recent(self) -> frozenset[str] | None:
        """The names that the last look saw, if that was made just now and a look is a round trip; else None."""
        if self._spool.version.topology == "local" or self._seen is None:
            return None
        at, names = self._seen
        return names if self._clock.monotonic() - at < _RECENT_S else None

    def stops(self) -> list[Stop]:
        """Every pause and cool-down that holds now."""
        found = []
        began, names = self._clock.monotonic(), self._spool.names("control")
        self._seen = began, frozenset(names)
        for name in sorted(names):
            kind, _, rest = name.removesuffix(".json").partition(".")
            if kind not in ("pause", "cooldown") or not name.endswith(".json") or (rest and not is_word(rest)):
                continue  # `wf spool verify` names a name that no wf gives.
            stop = self._read(name, kind, rest or None)
            if stop is not None:
                found.append(stop)
        return found

    def stop_for(self, runtime: str) -> Stop | None:
        """Why ``runtime`` claims nothing now, or None."""
        return next((s for s in self.stops() if s.runtime in (None, runtime)), None)

    def _read(self, name: str, kind: str, runtime: str | None) -> Stop | None:
        path = self._spool.path("control", name)
        try:
            value = json.loads(fsio.read_regular(path, 65536))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            # A request that cannot be read still asks to stop, because that is the safe reading.
            trouble = Trouble.of(path, error if isinstance(error, OSError) else ValueError("it is damaged"))
            value = {"reason": f"{trouble.path}: {trouble.what}; `wf resume` withdraws it"}
        value = value if isinstance(value, dict) else {}
        until, seconds = value.get("until_ms"), value.get("seconds")
        if isinstance(until, int) and isinstance(seconds, int | float) and 0 <= until <= _LATEST_MS:
            key = (name, str(until))
            first = self._first.setdefault(key, self._clock.monotonic())
            if self._clock.now_ms() >= until or self._clock.monotonic() - first >= seconds:
                return None
        else:
            until = None
        return Stop(kind, runtime, text.line(str(value.get("reason", "")), 500), until)
