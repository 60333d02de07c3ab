"""What the finders of conditions look at. Each part is read once, when it is first asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wf_cli.contract.lifecycle import LIVE, Status
from wf_cli.contract.token import Placed, Pool, is_word
from wf_cli.spool import scan
from wf_cli.spool.control import Stop
from wf_cli.views.sessions import SessionView, sessions
from wf_cli.views.viewer import Viewer

if TYPE_CHECKING:
    from wf_cli.config.model import Config
    from wf_cli.planjobs.round import DispatchSettings
    from wf_cli.workflow.project import Project


class Means(Protocol):
    """What a look may need of the project beside the spool; `wf_cli.app.App` has it."""

    @property
    def config(self) -> Config:
        """The configuration; raises ConfigError."""

    @property
    def distributed(self) -> bool:
        """Whether epics become jobs."""

    def agent_environment(self) -> Mapping[str, str]:
        """The environment that agents get."""

    def project(self) -> Project:
        """The project, to be read."""

    def dispatch_settings(self) -> DispatchSettings:
        """The configuration of dispatching."""


class Sight:
    """One look. ``placed`` are the jobs that it is about; without them the live ones are listed."""

    def __init__(
        self, viewer: Viewer, root: Path, means: Callable[[], Means], placed: Iterable[Placed] | None = None
    ):
        """``means`` is called only when something needs it, because most looks need no configuration."""
        self.viewer = viewer
        self.root = root
        self._means = means
        self._placed = None if placed is None else list(placed)

    @cached_property
    def means(self) -> Means:
        """The rest of the project."""
        return self._means()

    @cached_property
    def placed(self) -> list[Placed]:
        """The jobs that the look is about. A job may be among them twice when it has two tokens."""
        if self._placed is not None:
            return self._placed
        return scan.everything(self.viewer.spool, LIVE)

    @cached_property
    def waiting(self) -> Counter[Pool]:
        """How many jobs are queued in each pool."""
        return Counter(p.token.pool for p in self.placed if p.status is Status.QUEUED)

    @cached_property
    def stops(self) -> list[Stop]:
        """The pauses and cool-downs that hold."""
        return self.viewer.requests.stops()

    @cached_property
    def drains(self) -> frozenset[str]:
        """Who was asked to drain: sessions, ``--id`` names, runtimes, ``all``."""
        names = (name.removesuffix(".json") for name in self.viewer.spool.names("control"))
        asked = (name.removeprefix("drain.") for name in names if name.startswith("drain."))
        return frozenset(name for name in asked if is_word(name))  # `wf spool verify` names what no wf asks.

    @cached_property
    def sessions(self) -> list[SessionView]:
        """The sessions that have a lease or jobs."""
        return list(sessions(self.viewer))

    def served(self, pool: Pool) -> list[SessionView]:
        """The sessions that may claim from ``pool``: they run, are not known to be gone, and do not drain."""
        return [view for view in self.sessions if serves(view, pool) and not self.is_draining(view)]

    def is_draining(self, view: SessionView) -> bool:
        """Whether a session was asked to take no more jobs."""
        runtime = view.record.runtime if view.record is not None else ""
        return view.state == "draining" or not self.drains.isdisjoint((view.owner, runtime, "all"))

    def has_worker(self, pool: Pool) -> bool:
        """Whether a session that beats takes jobs of ``pool``. Of one on another host no more can be told from here,
        and it may well have a program or a configuration that this host lacks."""
        return any(not is_silent(view) for view in self.served(pool))


def serves(view: SessionView, pool: Pool) -> bool:
    """Whether a session takes jobs of ``pool``, unless it is known to be gone."""
    record = view.record
    return (
        record is not None
        and view.state not in ("gone", "stalled", "unreadable")
        and record.runtime == pool.runtime
        and record.state == "running"
        and pool.role in record.roles
    )


def is_silent(view: SessionView) -> bool:
    """Whether a session has not beaten its lease for its whole duration, by the clocks of this host and the disk.

    No decision about ownership follows from that, because two clocks are compared.
    """
    age, record = view.heartbeat_age_s, view.record
    return age is not None and record is not None and age > record.lease_seconds
