"""Names that a person gives and that do not exist: each is refused with the nearest one that does.

Roles are free, so one that nothing knows may be new. It is refused only when it is nearly the name of a known one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from wf_cli import ids
from wf_cli.contract import nearest
from wf_cli.contract.identity import matches_prefix
from wf_cli.errors import NotFound

if TYPE_CHECKING:
    from wf_cli.config.model import Config
    from wf_cli.contract.token import Placed
    from wf_cli.spool.layout import Spool
    from wf_cli.views.viewer import Criteria


def runtime(name: str, config: Config, spool: Spool | None = None, *, may_be_new: bool = False) -> str:
    """``name``, when it is a runtime of the configuration, or one of the jobs, workers and requests in ``spool``.

    One that ``may_be_new`` is refused only when it is nearly the name of a configured one. Raises NotFound.
    """
    if name in config.runtimes or (spool is not None and name in _in_spool(spool)):
        return name
    if may_be_new and not nearest.names(name, config.runtimes, cutoff=0.75, begun=False):
        return name
    hint = nearest.hint(name, config.runtimes, otherwise="configured")
    raise NotFound(f"there is no runtime {name!r}", hint=f"{hint}; add a new one under runtimes: in wf.config")


def role(name: str, config: Config, others: Iterable[str] = ()) -> str:
    """``name``, unless it is unknown and nearly the name of a role of the routing or of ``others``.

    Raises NotFound.
    """
    known = {*config.routing, *others}
    near = [] if name in known else nearest.names(name, known, cutoff=0.85, begun=False)
    if near:
        new = f"wf config set routing.{name}.runtime NAME"
        hint = f"did you mean {' or '.join(near)}? A new role is made by: {new}"
        raise NotFound(f"there is no role {name!r}", hint=hint)
    return name


def worker(name: str, known: Iterable[str]) -> str:
    """``name``, when it is one of ``known``: sessions, ``--id`` names, runtimes, ``all``. Raises NotFound."""
    every = set(known)
    if name not in every and ids.owner_prefix(name) not in every:
        hint = nearest.hint(name, every, otherwise="those who can be asked")
        raise NotFound(f"there is no worker {name!r}", hint=f"{hint}; see wf worker ls")
    return name


def selected(criteria: Criteria, placed: Iterable[Placed], config: Callable[[], Config], spool: Spool) -> None:
    """Raise NotFound for a runtime, role or owner of ``criteria``, which fit no job, that is nearly a known name."""
    if not (criteria.roles or criteria.runtimes or criteria.owners):
        return
    from wf_cli.spool import session

    tokens = [one.token for one in placed]
    for name in criteria.roles:
        role(name, config(), {token.pool.role for token in tokens})
    for name in criteria.runtimes - {token.pool.runtime for token in tokens}:
        runtime(name, config(), spool)
    owners = {*session.owners(spool), *(token.owner for token in tokens if token.owner is not None)}
    for name in criteria.owners - owners:
        near = nearest.names(name, owners, begun=False)
        if near and not any(matches_prefix(owner, name) for owner in owners):
            raise NotFound(f"there is no session {name!r}", hint=f"did you mean {' or '.join(near)}?")


def workers_of(spool: Spool, config: Config) -> set[str]:
    """What names workers: their sessions, the names that they were started with, runtimes, and ``all``."""
    from wf_cli.spool import session

    owners = session.owners(spool)
    records = [session.read(spool, owner) for owner in owners]
    # A session is named <name>-<host>-<8 hex>.
    begun = {
        record.owner[: -len(f"-{record.host}-12345678")]
        for record in records
        if record is not None and record.owner[:-9].endswith(f"-{record.host}")
    }
    return {*owners, *begun, *config.runtimes, *(record.runtime for record in records if record is not None), "all"}


def _in_spool(spool: Spool) -> set[str]:
    from wf_cli.contract.lifecycle import LIVE
    from wf_cli.spool import scan, session

    requests = (name.removesuffix(".json").partition(".")[2] for name in spool.names("control"))
    records = (session.read(spool, owner) for owner in session.owners(spool))
    jobs = (placed.token.pool.runtime for placed in scan.everything(spool, LIVE))
    return {*requests, *jobs, *(record.runtime for record in records if record is not None)}
