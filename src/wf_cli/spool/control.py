"""Level-triggered requests to workers: a request holds as long as its file is in ``control/``.

``pause.json`` and ``pause.<runtime>.json`` stop claims; ``cooldown.<runtime>.json`` too, for the time that its
provider named (`Cooldown`); ``drain.<owner>.json`` ends one session after its jobs; ``fresh.<job>.a<n>.json``
tells attempt n to start without its agent's earlier session.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

from wf_cli import clock as clocks
from wf_cli import fsio, ids
from wf_cli.clock import Clock
from wf_cli.contract import text
from wf_cli.contract.token import is_word
from wf_cli.frozen import frozen
from wf_cli.spool import elapsed
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import Trouble

#: The last time that can be shown (year 2286). A request beyond it holds until it is withdrawn.
_LATEST_MS = 10**13 - 1
#: Seconds for which a look at ``control/`` counts where each one is a round trip.
_RECENT_S = 1.0
#: Seconds after which the end of a request is so far that a person may not have meant it.
FAR = 30 * 86400.0
_LIMIT = 65536


@frozen
class Stop:
    """A request that stops claims now. ``until_ms`` is its end by this host's wall clock, for people."""

    kind: str  # pause, cooldown
    runtime: str | None
    reason: str
    until_ms: int | None
    #: Seconds that the request was made for; None until it is withdrawn.
    seconds: float | None = None

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
        end = ""
        if self.seconds is not None and self.seconds > FAR:
            only = f" --runtime {self.runtime}" if self.runtime else ""
            end = f" (that is {self.seconds / 86400:.0f} days; `wf resume{only}` ends it)"
        return f"{scope} is {what}{until}{end}{f': {self.reason}' if self.reason else ''}"


def request(
    spool: Spool, name: str, clock: Clock, *, reason: str = "", seconds: float | None = None, **facts: Any
) -> None:
    """Write the request ``name`` (``pause``, ``cooldown.opencode``, ...), for ``seconds`` or until withdrawn.

    ``facts`` are kept beside it for whoever writes it the next time.
    """
    value: dict[str, Any] = {**facts, "at": clocks.iso(clock.now_ms()), "reason": reason}
    if seconds is not None:
        # ``until_ms`` is for older versions of wf, which compare it with their own wall clock.
        until_ms = clock.now_ms() + math.ceil(seconds * 1000)
        value |= {"seconds": seconds, "id": ids.nonce(), **elapsed.stamp(clock), "until_ms": until_ms}
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


@frozen
class Cooldown:
    """The cool-down of a runtime that was requested last. ``left_s`` is below 0 once it is over. ``round`` counts
    those in a row for which the provider named no time."""

    left_s: float
    round: int


def cooldown(spool: Spool, runtime: str, clock: Clock) -> Cooldown | None:
    """The request in the file, even when its time is over; None without a file, or when it is damaged."""
    try:
        data, info = fsio.read_with_info(spool.path("control", f"cooldown.{runtime}.json"), _LIMIT)
        value = json.loads(data)
        seconds, this_round = _seconds(value), int(value.get("round", 1))
        if seconds is None or not 0 < this_round < 10**6:
            return None
        return Cooldown(seconds - (elapsed.age_s(spool, value, info, clock) or 0.0), this_round)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _seconds(value: Mapping[str, Any]) -> float | None:
    """How long the request holds; None for one that holds until it is withdrawn."""
    seconds = value.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _LATEST_MS / 1000:
        return None
    return float(seconds)


@frozen
class _Watched:
    """A timed request since this process saw it first: when its time is over by the process's own clock, and by the
    wall clock at that moment."""

    over: float
    until_ms: int | None


class Requests:
    """The requests that hold now.

    A timed one holds for its duration. How much of it had passed when this process saw it first is told by
    `wf_cli.spool.elapsed`; from then on the process's own monotonic clock counts. So no wall clock decides.
    """

    def __init__(self, spool: Spool, clock: Clock):
        self._spool = spool
        self._clock = clock
        self._watched: dict[tuple[str, bytes], _Watched] = {}
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
        found: list[Stop] = []
        began, names = self._clock.monotonic(), self._spool.names("control")
        self._seen = began, frozenset(names)
        watched, self._watched = self._watched, {}  # What is gone is forgotten.
        for name in sorted(names):
            kind, _, rest = name.removesuffix(".json").partition(".")
            if kind not in ("pause", "cooldown") or not name.endswith(".json") or (rest and not is_word(rest)):
                continue  # `wf spool verify` names a name that no wf gives.
            stop = self._read(name, kind, rest or None, watched)
            if stop is not None:
                found.append(stop)
        return found

    def stop_for(self, *runtimes: str) -> Stop | None:
        """Why one of ``runtimes``, the first that has a reason, claims nothing now; None when each of them may."""
        stops = self.stops()
        return next((s for runtime in runtimes for s in stops if s.runtime in (None, runtime)), None)

    def _read(
        self, name: str, kind: str, runtime: str | None, watched: Mapping[tuple[str, bytes], _Watched]
    ) -> Stop | None:
        path = self._spool.path("control", name)
        try:
            data, info = fsio.read_with_info(path, _LIMIT)
            value = json.loads(data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            # A request that cannot be read still asks to stop, because that is the safe reading.
            trouble = Trouble.of(path, error if isinstance(error, OSError) else ValueError("it is damaged"))
            value = {"reason": f"{trouble.path}: {trouble.what}; `wf resume` withdraws it"}
        value = value if isinstance(value, dict) else {}
        reason, seconds = text.line(str(value.get("reason", "")), 500), _seconds(value)
        if seconds is None:
            return Stop(kind, runtime, reason, None)
        known = watched.get((name, data)) or self._watch(value, info, seconds)
        self._watched[name, data] = known
        return Stop(kind, runtime, reason, known.until_ms, seconds) if self._clock.monotonic() < known.over else None

    def _watch(self, value: Mapping[str, Any], info: os.stat_result, seconds: float) -> _Watched:
        left_s = seconds - (elapsed.age_s(self._spool, value, info, self._clock) or 0.0)
        until_ms = self._clock.now_ms() + round(left_s * 1000)
        return _Watched(self._clock.monotonic() + left_s, until_ms if 0 <= until_ms <= _LATEST_MS else None)
