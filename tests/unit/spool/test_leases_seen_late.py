"""A lease is looked at in two ways, because each file system keeps another of them in a cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.spools import make_spool
from support.stand_ins import stand_in
from wf_cli import fsio
from wf_cli.spool import lease, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import GONE, Observer, Verdict

OWNER = "w-box-1"
LEASE = 180.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """A shared spool with the session of another host."""
    spool = make_spool(tmp_path / "spool", topology="shared")
    record = session.this_process(OWNER, "opencode", LEASE, 0)
    session.SessionFile(spool, replace(record, boot_id="another-host"))
    lease.path_of(spool, OWNER).write_text("marker")
    return spool


def frozen(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, path: Path) -> None:
    """From now on this way to look at ``path`` answers from a cache: what it answered first."""
    real: Callable[..., Any] = getattr(module, name)
    first: list[Any] = []

    def cached(asked: Any, *rest: Any, **options: Any) -> Any:
        if Path(asked) != path:
            return real(asked, *rest, **options)
        if not first:
            first.append(real(asked, *rest, **options))
        return first[0]

    monkeypatch.setattr(module, name, cached)


def beats(spool: Spool, clock: FakeClock, observer: Observer) -> set[Verdict]:
    """The verdicts of two lease durations in which the owner beats every third of one."""
    path, found = lease.path_of(spool, OWNER), set()
    for n in range(24):
        clock.advance(LEASE / 12)
        if n % 4 == 0:
            os.utime(path, (10**9 + n, 10**9 + n))
        found.add(observer.verdict(OWNER))
    return found


@pytest.mark.parametrize(("module", "name"), [(fsio, "read_with_info"), (os, "lstat")], ids=["smb", "nfs"])
def test_a_beat_that_one_way_of_looking_does_not_see_is_a_sign_of_life(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    frozen(monkeypatch, module, name, lease.path_of(spool, OWNER))
    clock = FakeClock()
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    assert beats(spool, clock, observer) == {Verdict.ALIVE}


def test_a_lease_that_no_way_of_looking_sees_change_expires(spool: Spool) -> None:
    clock = FakeClock()
    observer = Observer(spool, clock)
    observer.verdict(OWNER)
    for _ in range(12):
        assert observer.verdict(OWNER) not in GONE
        clock.advance(LEASE / 12)
    assert observer.verdict(OWNER) is Verdict.EXPIRED


@pytest.mark.parametrize("hidden", ["open", "lookup"])
def test_a_lease_that_only_one_way_of_looking_finds_is_not_absent(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    """A cached "no such file" of one of them, as NFS keeps it for up to a minute."""
    path = lease.path_of(spool, OWNER)

    def missing(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(asked: Any, *rest: Any, **options: Any) -> Any:
            if Path(asked) == path:
                raise FileNotFoundError(2, "cached", str(path))
            return real(asked, *rest, **options)

        return look

    clock = FakeClock()
    with monkeypatch.context() as patched:
        if hidden == "open":
            patched.setattr(fsio, "open_regular", missing(fsio.open_regular))
            patched.setattr(os, "listdir", stand_in("listdir", lambda _path: []))
        else:
            patched.setattr(os, "lstat", stand_in("lstat", missing(os.lstat)))
        observer = Observer(spool, clock)
        for _ in range(30):
            assert observer.verdict(OWNER) is not Verdict.ABSENT
            os.utime(path, (clock.monotonic(), clock.monotonic()))
            clock.advance(LEASE / 12)


def test_the_age_of_a_beat_is_that_of_the_fresher_look(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lease.path_of(spool, OWNER)
    os.utime(path, (100, 100))
    for module, name in ((fsio, "read_with_info"), (os, "lstat")):
        with monkeypatch.context() as patched:
            frozen(patched, module, name, path)
            assert lease.beat_age_s(spool, OWNER, 160_000) == 60.0
            os.utime(path, (150, 150))
            assert lease.beat_age_s(spool, OWNER, 160_000) == 10.0
            os.utime(path, (100, 100))
