"""Pauses, cool-downs, drain requests, and pools whose jobs no worker takes."""

from __future__ import annotations

from collections.abc import Iterator

from wf_cli.contract import nearest
from wf_cli.contract.identity import target_of
from wf_cli.contract.token import Pool
from wf_cli.spool.control import Stop
from wf_cli.views.conditions.condition import Condition, Scope
from wf_cli.views.conditions.sight import Sight, is_silent

#: How a person logs an agent program in, by its adapter.
LOGIN = {"cursor": "cursor-agent login", "opencode": "opencode auth login"}


def stops(sight: Sight) -> Iterator[Condition]:
    """Pauses and cool-downs. `wf resume` ends each of them."""
    for stop in sorted(sight.stops, key=lambda stop: stop.kind != "pause"):
        name = "not_paused" if stop.kind == "pause" else "not_cooling_down"
        yield Condition(name, False, stop.text(), _way_out(stop, sight), Scope(runtime=stop.runtime))


def _way_out(stop: Stop, sight: Sight) -> str:
    command = f"wf resume --runtime {stop.runtime}" if stop.runtime else "wf resume"
    if stop.kind != "cooldown" or not stop.reason.startswith("auth"):
        return command
    # The provider would refuse the next agent again, unless somebody logs in first.
    configured = sight.means.config.runtimes.get(stop.runtime or "")
    login = LOGIN.get(configured.adapter) if configured is not None else None
    return f"{login} && {command}" if login else command


def drains(sight: Sight) -> Iterator[Condition]:
    """Standing requests to leave. A worker that starts under one leaves at once.

    The request of a session that exists ends with the session, so it is left out.
    """
    known = {view.owner for view in sight.sessions}
    for name in sorted(sight.drains - known):
        whose = "all workers" if name == "all" else f"workers of {name}"
        text = f"{whose} were asked to drain: they leave at once"
        scope = Scope() if name == "all" else Scope(runtime=name)
        yield Condition("not_draining", False, text, f"wf worker undrain {name}", scope)


def unknown_runtimes(sight: Sight) -> Iterator[Condition]:
    """Runtimes that jobs wait for and wf.config does not have, unless a worker of another project serves them."""
    for runtime in sorted({pool.runtime for pool in sight.waiting if not sight.has_worker(pool)}):
        if runtime in sight.means.config.runtimes:
            continue
        jobs = [p.token for p in sight.placed if p.token.owner is None and p.token.pool.runtime == runtime]
        # The dispatcher gives the jobs of plans to the runtime that their role is routed to.
        of_plans = bool(jobs) and all(target_of(token.job_id) is not None for token in jobs)
        hint = nearest.hint(runtime, sight.means.config.runtimes, otherwise="configured are")
        text = f"there is no runtime {runtime!r} in wf.config, and {len(jobs)} job(s) wait for it; {hint}"
        command = "wf dispatch" if of_plans else "wf config check"
        yield Condition("runtime_configured", False, text, command, Scope(runtime=runtime), grave=True)


def unserved(sight: Sight) -> Iterator[Condition]:
    """Pools with queued jobs that no worker takes, by role, because a worker may serve some roles of its runtime."""
    for pool in sorted(sight.waiting, key=str):
        if not sight.served(pool):
            yield Condition(
                "worker", False, f"no worker takes {pool} ({sight.waiting[pool]} job(s) wait)", start(pool),
                Scope(runtime=pool.runtime, role=pool.role),
            )  # fmt: skip


def start(pool: Pool) -> str:
    """The command that starts a worker of ``pool`` which stays."""
    return f"wf worker {pool.role} --runtime {pool.runtime} --watch"


def worker(sight: Sight, pool: Pool) -> Condition | None:
    """Which workers take jobs of ``pool``; None when no worker does."""
    serving = sight.served(pool)
    if not serving:
        return None
    proven = [view for view in serving if view.state == "alive" and not is_silent(view)]
    names = ", ".join(view.owner for view in proven or serving)
    unsure = "" if proven else " (whether it lives cannot be told from here)"
    return Condition("worker", True if proven else None, f"{names} takes {pool}{unsure}")
