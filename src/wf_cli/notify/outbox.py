"""What waits to be handed on: ``outbox/<time>-<id>.json``, one event each.

Names sort by time and, for one process, by the order in which it emitted the events.

The file outlives the process that emitted the event. It is not synced, so a power cut may lose it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
from collections.abc import Callable, Container

from wf_cli import fsio, ids
from wf_cli.clock import Clock, parse_iso_ms
from wf_cli.contract import plain_json
from wf_cli.contract.event import Event
from wf_cli.eventlog.lines import parse_line
from wf_cli.frozen import frozen
from wf_cli.spool import elapsed
from wf_cli.spool.layout import Spool

FOLDER = "outbox"
#: Events that wait at most. More are not put in, because they would be read at every look, and a flood helps nobody.
MOST = 1000
#: Bytes of one event.
_LIMIT = 64 * 1024
#: Numbers of the events of this process.
_numbers = itertools.count()


@frozen
class Waiting:
    """One event that waits. ``id`` is the same whoever reads it, also after a restart."""

    name: str
    event: Event

    @property
    def id(self) -> str:
        return self.name.removesuffix(".json").partition("-")[2]

    def body(self) -> bytes:
        """The event as a program gets it on stdin and an address as the body: one JSON object."""
        return plain_json.dumps({**self.event.to_json(), "id": self.id}).encode() + b"\n"


class Outbox:
    """The way into the outbox. ``wanted`` gives the kinds of events that somebody asked for.

    ``say`` hears, once, that an event could not be put in.
    """

    def __init__(self, spool: Spool, wanted: Callable[[], Container[str]], say: Callable[[str], None]):
        self._spool = spool
        self._wanted = wanted
        self._say = say
        self._complained = False

    def put(self, event: Event) -> None:
        """Put an event in, if it is of a wanted kind. Never raises, because the event itself has happened."""
        try:
            if event.event in self._wanted():
                self._put(event)
        except Exception as error:  # noqa: BLE001 - a notification must not stop a transition
            self._complain(f"{event.event} is not handed on: {error}")

    def _put(self, event: Event) -> None:
        document = event.to_json()
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:24]
        name = f"{parse_iso_ms(event.ts) or 0:013d}-{next(_numbers) % 10**6:06d}-{digest}.json"
        if len(_names(self._spool)) >= MOST:
            self._complain(f"{MOST} events wait to be handed on, so {event.event} is left out; is a worker running?")
            return
        spool = self._spool
        part = spool.at("tmp", f"{ids.nonce()}.part")
        data = plain_json.dumps(document).encode()
        if len(data) >= _LIMIT:  # Nobody would read it.
            cut = {key: value[:1000] if isinstance(value, str) else value for key, value in document.items()}
            data = plain_json.dumps(cut).encode()
        fsio.write_new(part, data, durable=False, mode=spool.shared_mode)
        with fsio.discarding(part):
            spool.publish(part, FOLDER, name)

    def _complain(self, line: str) -> None:
        if not self._complained:
            self._complained = True
            with contextlib.suppress(OSError, ValueError):
                self._say(line)


def waiting(spool: Spool) -> list[str]:
    """The names in the outbox, the oldest event first. Raises OSError."""
    return [name for name in _names(spool) if name.endswith(".json")][:MOST]


def read(spool: Spool, name: str) -> Waiting | None:
    """The event under a name; None when it is gone, or is no event (invariant 7). Raises OSError."""
    try:
        event = parse_line(fsio.read_regular(spool.path(FOLDER, name), _LIMIT))
    except (FileNotFoundError, ValueError):
        return None
    return Waiting(name, event) if event is not None else None


def made_ms(spool: Spool, name: str) -> float | None:
    """When the file was made, by the clock of the file system; None when it is gone."""
    try:
        return fsio.facts(spool.path(FOLDER, name)).st_mtime * 1000
    except FileNotFoundError:
        return None


def age_s(spool: Spool, name: str, clock: Clock) -> float:
    """Seconds since the file was made, both by the clock of the file system; 0 when that cannot be told."""
    try:
        info = fsio.facts(spool.path(FOLDER, name))
    except FileNotFoundError:
        return 0.0
    return elapsed.age_s(spool, {}, info, clock) or 0.0


def remove(spool: Spool, name: str) -> None:
    """Take an event out, because it has been handed on. Raises OSError."""
    fsio.unlink_quietly(spool.path(FOLDER, name))


def _names(spool: Spool) -> list[str]:
    try:
        return sorted(fsio.names(spool.folder(FOLDER)))
    except FileNotFoundError:
        return []
