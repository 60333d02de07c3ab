"""The spool and its workers, looked at without changing anything."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from wf_cli.clock import Clock
from wf_cli.config.model import Config
from wf_cli.doctor.check import Check, error, ok, warn, with_command
from wf_cli.errors import SpoolError
from wf_cli.spool import layout, place, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.watch import Watcher
from wf_cli.views import conditions
from wf_cli.views.conditions import Sight
from wf_cli.views.conditions.plans import in_turn
from wf_cli.views.viewer import Viewer

#: Bytes of free space below which jobs may fail soon, and below which they will.
LOW_SPACE, NO_SPACE = 1024**3, 100 * 1024**2

#: The name of the check of a condition; ``workers`` for the rest.
_CHECKS = {
    "not_paused": "claims",
    "not_cooling_down": "claims",
    "not_draining": "claims",
    "disk_room": "disk",
    "disk_writable": "disk",
    "not_held": "jobs",
    "one_token": "jobs",
    "plan_goes_on": "plans",
    "epic_not_paused": "plans",
    "program": "workers",
    "variable": "workers",
    "notified": "notify",
}

_ELSEWHERE, _SHARE = place.ELSEWHERE, place.SHARE


def look(
    root: Path, config: Config, clock: Clock, sight_of: Callable[[Viewer], Sight], *, named: bool = False
) -> Iterator[Check]:
    """Everything about the spool at ``root``. Without one there is nothing to say but where it would be.

    Raises SpoolMissing when there is none although the command line has ``named`` it.
    """
    yield space(root)
    if not layout.exists(root) and not named:
        yield _to_come(root, config)
        return
    spool = layout.open_spool(root)
    yield _version(spool, config)
    yield from _findings(spool, clock)
    yield _wake_ups(spool)
    viewer = Viewer(spool, clock)
    sight = sight_of(viewer)
    yield from _sessions(sight)
    yield from _conditions(sight)
    yield from _turns(sight)


def _to_come(root: Path, config: Config) -> Check:
    """May the first job make a spool here? A warning only, because the distributed mode may not be wanted at all."""
    try:
        place.assert_fit(root, config.spool.topology)
    except SpoolError as failure:
        remedy = with_command(failure.hint, _ELSEWHERE)
        return warn("spool", f"none yet, and none can be made: {failure.message}", remedy)
    return ok("spool", f"none at {root}; the first job makes it")


def space(root: Path) -> Check:
    """Is there room for jobs and transcripts?"""
    folder = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < NO_SPACE:
        return error(
            "disk", text, "wf spool gc --older 1d, or make room otherwise: workers claim nothing on a full disk"
        )
    if free < LOW_SPACE:
        return warn("disk", text, "wf spool gc puts old jobs and transcripts away")
    return ok("disk", text)


def _version(spool: Spool, config: Config) -> Check:
    facts = spool.version
    text = f"{spool.root}: topology {facts.topology}, durability {facts.durability}"
    if facts.topology != config.spool.topology:
        what = "it changes the spool, too" if facts.topology == "local" else "a spool keeps its own"
        return warn("spool", f"{text}; wf.config says topology {config.spool.topology}", f"{_SHARE}: {what}")
    return ok("spool", text)


def _findings(spool: Spool, clock: Clock) -> Iterator[Check]:
    found = verify.verify(spool, clock)
    kinds = Counter(finding.kind for finding in found)
    if not kinds:
        yield ok("spool-files", "as they should be")
        return
    text = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    text = f"{text}; the first: {found[0].path}"
    if spool.version.topology != "local" and kinds.keys() <= verify.DOUBTFUL:
        yield warn("spool-files", f"{text}; a listing can be old", "wf spool verify looks until it is sure")
        return
    make = error if any(finding.severity == "error" for finding in found) else warn
    yield make("spool-files", text, "wf spool verify --fix repairs what is safe")


def _wake_ups(spool: Spool) -> Check:
    """Can a worker of this user be woken by what happens in the spool? Without it, it looks there often."""
    watcher = Watcher(spool, lambda _folder, _name: None, lambda _line: None)
    try:
        if watcher.lack is None:
            return ok("wake-ups", "a worker here is woken by new jobs")
        remedy = with_command(watcher.lack.remedy, "wf doctor --fs-probe")
        return warn("wake-ups", f"{watcher.lack.what}; workers look there often instead", remedy)
    finally:
        watcher.close()


def _conditions(sight: Sight) -> Iterator[Check]:
    """What keeps jobs from being worked on, as `wf spool ls` and `wf explain` tell it."""
    for condition in conditions.of_project(sight):
        make = error if condition.grave else warn
        yield make(
            _CHECKS.get(condition.name, "workers"), condition.text, with_command(condition.command, "wf worker ls")
        )


def _turns(sight: Sight) -> Iterator[Check]:
    """Which plans wait for which."""
    for condition in in_turn(sight):
        yield ok("plans", condition.text)


def _sessions(sight: Sight) -> Iterator[Check]:
    """How many sessions are alive, and those that cannot be looked at."""
    for view in sight.sessions:
        if view.trouble is not None:
            text = f"session {view.owner} cannot be looked at: {view.trouble.path}: {view.trouble.what}"
            remedy = with_command(view.trouble.remedy, f"ls -l {view.trouble.path}")
            yield error("workers", f"{text}; nobody but its user can tell that it died", remedy)
    states = Counter(view.state for view in sight.sessions)
    yield ok("workers", ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none")
