"""Is a session alive? Proven on the same host, or observed on one's own monotonic clock (invariant 6).

An observer compares a lease only with what it saw before itself. No decision computes ``now - mtime``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from wf_cli import fsio, ids
from wf_cli.clock import Clock
from wf_cli.contract.token import is_word
from wf_cli.spool import judgement, lease, session, shortest_lease
from wf_cli.spool.judgement import Judgement
from wf_cli.spool.layout import Spool


class Verdict(StrEnum):
    """What is known about a session."""

    ALIVE = "alive"
    #: Its process is proven to be gone: on this host and boot, its pid is free or belongs to another process.
    DEAD = "dead"
    #: Its lease was seen unchanged for its whole duration.
    EXPIRED = "expired"
    #: It has no lease file (on a network file system: for a whole duration).
    ABSENT = "absent"
    #: Neither is proven. A one-shot command cannot see the expiry of a lease on another host.
    UNKNOWN = "unknown"
    #: Its name stands for another node (`ids.remote_parts`). It has no lease here, and that says nothing: only the
    #: node's word or an operator ends its attempts.
    REMOTE = "remote"


#: Verdicts under which a reaper may end a session's attempts.
GONE = frozenset({Verdict.DEAD, Verdict.EXPIRED, Verdict.ABSENT})


#: Share of a lease's duration. A longer gap between two looks starts the watch again.
GAP_SHARE = 0.5
#: Seconds. A shorter gap counts as an ordinary delay, however short the lease (`lease.SHORTEST_SECONDS`).
SHORTEST_GAP = 1.0


#: A session whose record cannot be read counts as gone after so many leases of the usual duration.
UNREADABLE_LEASES = 4


@dataclass(slots=True)
class _Watch:
    seen: tuple[object, ...]
    since: float
    looked: float


def known_gone(spool: Spool, owner: str) -> str:
    """The evidence that ``owner`` is gone, as far as files tell without a watch; empty when they do not tell.

    They do when a verdict on it is published, its process is proven dead, it ended in an orderly way, or it has left
    neither a record nor a lease. A remote owner never is. OSError when the disk does not tell.
    """
    if ids.remote_parts(owner) is not None:
        return ""
    published = judgement.standing(spool, owner) if is_word(owner) else None
    if published is not None:
        return published.evidence
    record = session.load(spool, owner)
    if record is not None:
        return "its process is gone" if record.proven_dead else "it has ended" if record.state == "stopped" else ""
    traces = ((spool.folder("sessions"), f"{owner}.json"), (spool.folder("leases"), f"{owner}.lease"))
    return "" if any(fsio.listed(folder, name) for folder, name in traces) else "it has left no trace"


class Observer:
    """Watches leases over time. A fresh one knows only what can be proven. Not thread-safe.

    To see a lease expire, look more often than every half of its duration. A longer gap between two looks means that
    the observer itself was suspended, so its watch starts again.
    """

    def __init__(self, spool: Spool, clock: Clock, default_seconds: float | None = None):
        self._spool = spool
        self._clock = clock
        self._default = default_seconds or lease.DEFAULT_SECONDS.get(spool.version.topology, 180.0)
        self._shared = spool.version.topology != "local"
        # The owner's host may see the spool more freshly than this one, and an older wf took any duration.
        self._shortest = max(0.1, shortest_lease.seconds(spool))
        self._watches: dict[str, _Watch] = {}

    def verdict(self, owner: str) -> Verdict:
        """What is known of ``owner`` now. A published verdict stands, so it needs no watch of one's own.

        Of a remote owner the name tells, before any file, a published verdict included.
        """
        if ids.remote_parts(owner) is not None:
            return Verdict.REMOTE
        try:
            published = judgement.standing(self._spool, owner)
            if published is not None:
                return Verdict(published.rule) if published.rule in GONE else Verdict.EXPIRED
            record, readable = session.load(self._spool, owner), True
        except OSError:
            record, readable = None, False
        if record is not None and record.proven_dead:
            return Verdict.DEAD
        seconds = max(record.lease_seconds if record is not None else self._default, self._shortest)
        if not readable:
            # How long its lease lasts is not known. The file may stay unreadable (`patience`): the watch ends late.
            seconds *= UNREADABLE_LEASES
        at_once = readable and not self._shared
        seen = self._read(owner)
        if seen is None:
            self._watches.pop(owner, None)  # The lease could not be read, so the watch starts again.
            return Verdict.UNKNOWN
        now = self._clock.monotonic()
        watch = self._watches.get(owner)
        if watch is not None and now - watch.looked > max(seconds * GAP_SHARE, SHORTEST_GAP):
            watch = None
        if watch is None or watch.seen != seen:
            first = watch is None
            self._watches[owner] = _Watch(seen, now, now)
            if seen == ():
                return Verdict.ABSENT if at_once else Verdict.UNKNOWN
            on_host = record is not None and record.on_this_host
            return Verdict.ALIVE if on_host or not first else Verdict.UNKNOWN
        watch.looked = now
        unchanged = now - watch.since
        if seen == ():
            return Verdict.ABSENT if at_once or unchanged >= seconds else Verdict.UNKNOWN
        if unchanged >= seconds:
            return Verdict.EXPIRED
        return Verdict.ALIVE if readable else Verdict.UNKNOWN

    def publish(self, owner: str, verdict: Verdict, *, by: str) -> Judgement:
        """Publish ``verdict``, one of `GONE`, before it is used; the one that stands. OSError as link says."""
        standing = judgement.standing(self._spool, owner)
        if standing is not None:
            return standing
        watched = self.unchanged_s(owner) if verdict is not Verdict.DEAD else None
        host, now_ms = ids.host_label(), self._clock.now_ms()
        return judgement.publish(
            self._spool, judgement.judge(owner, str(verdict), watched, by=by, host=host, now_ms=now_ms)
        )

    def forget(self, owner: str) -> None:
        """Drop the watch of a session that was reaped; its id is never used again."""
        self._watches.pop(owner, None)

    def unchanged_s(self, owner: str) -> float | None:
        """Seconds this observer has seen the lease unchanged; None when it never looked."""
        watch = self._watches.get(owner)
        return None if watch is None else self._clock.monotonic() - watch.since

    def _read(self, owner: str) -> tuple[object, ...] | None:
        """What the lease looks like; () when there is none; None when that cannot be told.

        It is looked at in two ways, and a change in either is a sign of life. Opening it makes NFS ask the server,
        where a lookup alone may be answered from a cache. On SMB the lookup is fresh, because a file that
        is opened again and again stays open behind the scenes and shows its old self.
        """
        path = lease.path_of(self._spool, owner)
        try:
            named = _facts(fsio.facts(path))
        except FileNotFoundError:
            named = ()
        except OSError:
            return None
        try:
            content, info = fsio.read_with_info(path, lease.SIZE_LIMIT)
        except FileNotFoundError:
            try:
                return () if not named and not fsio.listed(path.parent, path.name) else None
            except OSError:
                return None
        except (OSError, ValueError):
            return None
        return (content, *_facts(info), *named)


def _facts(info: os.stat_result) -> tuple[int, ...]:
    return (info.st_mtime_ns, info.st_ino)
