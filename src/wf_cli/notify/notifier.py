"""Hands waiting events on, beside the work of a worker, a dispatcher or whoever follows an epic.

One thread looks at the outbox. Each entry of ``notify`` has a *courier*, a thread that hands on one event at a time,
so an address that hangs delays no other entry. An event is claimed for an entry only when its courier is free, so a
process that is killed loses one notification for each entry at most.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from wf_cli.clock import Clock, iso
from wf_cli.config.model import Notify
from wf_cli.contract.event import EventSink
from wf_cli.errors import WfError
from wf_cli.notify import delivery, outbox
from wf_cli.notify.outbox import Waiting
from wf_cli.spool import notified
from wf_cli.spool.layout import Spool

#: Seconds between two looks at the outbox. On a shared spool each look asks the server, so there it takes longer.
POLL_S = 1.0
_SHARED_POLLS = 5
#: Seconds before the second and the third try. There is no fourth one.
BACKOFF_S = (1.0, 5.0)
#: Seconds after which an event that nobody could hand on is news no more.
TOO_OLD_S = 3600.0
#: Seconds that the end of a process waits for what is still to be handed on.
PATIENCE_S = 5.0


def id_of(entry: Notify) -> str:
    """What identifies an entry in the names of marks: the same in each process with this entry."""
    where = ["run", *entry.run] if entry.url is None else ["url", entry.url]
    return hashlib.sha256(json.dumps([sorted(entry.on), where]).encode()).hexdigest()[:12]


def failing_mark(entry: Notify) -> str:
    """The name of the mark that says that an entry fails."""
    return f"{notified.FAILING}-{id_of(entry)}"


@dataclass(slots=True)
class _Seen:
    """A file of the outbox: its event (None for what is none), when it was made by this host's wall clock, and which
    entries have yet to get it, as far as this process knows."""

    event: Waiting | None
    made_ms: float | None
    open: set[str]


class Notifier:
    """Hands on while its block runs, and for a few seconds at the end of it what is waiting then.

    ``say`` gets a line when an entry begins to fail. No method raises for what goes wrong outside.
    """

    def __init__(
        self,
        spool: Spool,
        entries: Sequence[Notify],
        *,
        owner: str,
        root: Path,
        environ: Mapping[str, str],
        events: EventSink,
        say: Callable[[str], None],
        clock: Clock,
    ):
        self.spool = spool
        self.owner = owner
        self.root = root
        self.environ = environ
        self.stopping = threading.Event()
        self._entries = {id_of(entry): entry for entry in entries}
        self._events = events
        self._say = say
        self._clock = clock
        self._couriers: dict[str, _Courier] = {}
        self._said: set[str] = set()
        self._seen: dict[str, _Seen] = {}
        self._thread = threading.Thread(target=self._loop, name="wf-notify", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._thread.join(PATIENCE_S)

    # -- looking

    def _loop(self) -> None:
        polls = _SHARED_POLLS if self.spool.version.topology == "shared" else 1
        while not self.stopping.wait(POLL_S * polls):
            self._try_look()
        # What the work has told last is handed on, too. A try is not repeated now.
        while self._try_look() or any(courier.busy for courier in self._couriers.values()):
            threading.Event().wait(0.02)

    def _try_look(self) -> bool:
        """Whether something was given to a courier."""
        try:
            return self._look()
        except (OSError, WfError) as error:  # A disk that fails is said by those whose work it is.
            self._say_once(f"cannot look for notifications: {error}")
            return False

    def _look(self) -> bool:
        names = outbox.waiting(self.spool)
        self._seen = {name: self._seen[name] if name in self._seen else self._first_sight(name) for name in names}
        given = False
        behind: set[str] = set()  # Entries that did not get an older event just now. None overtakes it.
        for name, seen in self._seen.items():
            for key in sorted(seen.open - behind):
                if self._give(key, name, seen):
                    given = True
                elif key in seen.open:
                    behind.add(key)
            if not seen.open and seen.event is not None:
                outbox.remove(self.spool, name)  # Each entry has it, or no entry wants it any more.
            elif self._is_too_old(name, seen):
                self._say_once(f"an event was not handed on within an hour and is left out now: {name}")
                outbox.remove(self.spool, name)
        return given

    def _is_too_old(self, name: str, seen: _Seen) -> bool:
        """By this host's wall clock first, which asks nobody. It may stand wrong, so the file system decides."""
        if seen.made_ms is None or self._clock.now_ms() - seen.made_ms <= TOO_OLD_S * 1000:
            return False
        age_s = outbox.age_s(self.spool, name, self._clock)
        seen.made_ms = self._clock.now_ms() - age_s * 1000
        return age_s > TOO_OLD_S

    def _first_sight(self, name: str) -> _Seen:
        event = outbox.read(self.spool, name)
        wanted = {key for key, entry in self._entries.items() if event is not None and event.event.event in entry.on}
        return _Seen(event, outbox.made_ms(self.spool, name), wanted)

    def _give(self, key: str, name: str, seen: _Seen) -> bool:
        """Claim the event for an entry and hand it to its courier, when that is free; whether that was done.

        While the courier is busy the disk is not asked, because many events may wait for it.
        """
        entry = self._entries[key]
        courier = self._couriers.get(key)
        if courier is None:
            courier = self._couriers[key] = _Courier(self, key, entry)
        if courier.busy or seen.event is None:
            return False
        if notified.is_marked(self.spool, _mark(name, key)):
            seen.open.discard(key)
            return False
        missing = delivery.obstacle(entry, self.root, self.environ)
        if missing is not None:  # Another host may have the program, or the variable.
            self.failed(entry, missing)
            return False
        mine = notified.first(self.spool, _mark(name, key), by=self.owner)
        seen.open.discard(key)
        if mine:
            courier.give(seen.event)
        return mine

    # -- results

    def failed(self, entry: Notify, why: str) -> None:
        """Tell that an entry fails: once, whoever notices, until it has worked again."""
        place, at = entry.place, iso(self._clock.now_ms())
        self._say_once(f"notify: {place}: {why}")
        with contextlib.suppress(OSError, WfError):
            if notified.first(self.spool, failing_mark(entry), by=self.owner, entry=place, why=why, at=at):
                self._events.emit("notify.failed", owner=self.owner, reason=f"{place}: {why}")

    def worked(self, entry: Notify) -> None:
        """An entry has worked, so its next failure is told again."""
        with contextlib.suppress(OSError, WfError):
            if notified.is_marked(self.spool, failing_mark(entry)):
                notified.forget(self.spool, failing_mark(entry))
                self._said.clear()

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            with contextlib.suppress(Exception):  # The terminal may be gone; the work goes on without it.
                self._say(line)


class _Courier:
    """Hands events on to one entry, one at a time, in a thread of its own that starts with the first one."""

    def __init__(self, notifier: Notifier, key: str, entry: Notify):
        self.busy = False
        self._notifier = notifier
        self._key = key
        self._entry = entry
        self._work: queue.Queue[Waiting] = queue.Queue(maxsize=1)
        self._started = False

    def give(self, event: Waiting) -> None:
        """Only while it is not busy."""
        self.busy = True
        self._work.put(event)
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name=f"wf-notify-{self._key}", daemon=True).start()

    def _run(self) -> None:
        while True:
            event = self._work.get()
            try:
                self._hand_on(event)
            except Exception as error:  # noqa: BLE001 - the next event follows
                self._notifier.failed(self._entry, f"this is a bug in wf: {type(error).__name__}: {error}")
            finally:
                self.busy = False

    def _hand_on(self, waits: Waiting) -> None:
        notifier, entry = self._notifier, self._entry
        for pause in (*BACKOFF_S, None):
            result = delivery.deliver(
                entry,
                waits.body(),
                kind=waits.event.event,
                event_id=waits.id,
                root=notifier.root,
                environ=notifier.environ,
            )
            if result.ok:
                notifier.worked(entry)
                return
            if not result.again or pause is None or notifier.stopping.wait(pause):
                break
        notifier.failed(entry, result.said)


def _mark(name: str, key: str) -> str:
    return notified.name_of(notified.EVENT, "", name, key)
