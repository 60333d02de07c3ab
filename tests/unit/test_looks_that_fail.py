"""A look that fails is no answer: an error of the system is never read as "gone", "none" or "not there"."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import make_spool, request, run_one, spool_queue
from support.stand_ins import stand_in
from support.views import beat, write_session
from wf_cli import fsio, proc
from wf_cli.config import places
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.editor import sign_of_life
from wf_cli.errors import SpoolError
from wf_cli.spool import layout, scan, session
from wf_cli.spool.layout import Spool
from wf_cli.spool.liveness import Observer, Verdict
from wf_cli.workflow import changes

OWNER = "w-box-1"


@contextmanager
def trouble(monkeypatch: pytest.MonkeyPatch, *calls: str, under: Path, code: int = errno.EIO) -> Iterator[None]:
    """The calls of ``os`` fail for every path that is ``under`` or lies below it."""

    def failing(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: object, *args: object, **options: object) -> object:
            if not isinstance(path, int) and (os.fspath(path) + "/").startswith(f"{under}/"):  # type: ignore[call-overload]
                raise OSError(code, os.strerror(code), str(path))
            return real(path, *args, **options)

        return call

    with monkeypatch.context() as patch:
        for name in calls:
            patch.setattr(os, name, stand_in(name, failing(getattr(os, name))))
        yield


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process can open nothing more (EMFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    taken = []
    try:
        while True:
            try:
                taken.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


def test_a_process_that_cannot_be_looked_at_is_not_proven_dead(spool: Spool) -> None:
    """Without a descriptor to look with, every editor of the host counted as gone, and every session as dead."""
    write_session(spool, OWNER)
    record = session.read(spool, OWNER)
    assert record is not None
    assert record.on_this_host
    with no_descriptor_left():
        assert not record.proven_dead
        assert not proc.gone(os.getpid(), proc.start_token(os.getpid()))
    assert not record.proven_dead


def test_a_process_that_proc_does_not_show_is_not_proven_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc may be mounted with hidepid, which hides the processes of other users."""
    start = proc.start_token(os.getpid())
    real = open

    def hidden(path: object, *args: object, **options: object) -> object:
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, "hidden", str(path))
        return real(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(proc, "_table", proc._ProcFs())
    monkeypatch.setattr("builtins.open", hidden)
    assert not proc.gone(os.getpid(), start)
    assert not proc.alive(os.getpid(), start), "it is not identified either, so nothing is sent to it"


def test_what_is_dead_is_proven_dead() -> None:
    from support.views import dead_pid

    pid, start = dead_pid()
    assert proc.gone(pid, start)
    assert proc.gone(pid, None)
    assert proc.gone(os.getpid(), "another start")
    assert not proc.gone(os.getpid(), None)


def test_the_id_of_the_boot_has_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one names the same boot otherwise, and then no death on this host can be proven."""
    proc.boot_id.cache_clear()
    with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
        proc.boot_id()
    assert proc.boot_id() == proc.boot_id()


def test_a_lease_does_not_expire_while_its_duration_cannot_be_read(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session of another host with a lease of ten minutes was given up after the default of 30 s."""
    write_session(spool, OWNER, host="far", boot_id="another", lease_seconds=600.0)
    beat(spool, OWNER)
    clock = FakeClock()
    observer = Observer(spool, clock)
    with trouble(monkeypatch, "open", under=spool.path("sessions", f"{OWNER}.json")):
        for _ in range(12):
            assert observer.verdict(OWNER) is Verdict.UNKNOWN
            clock.advance(5)
    assert observer.verdict(OWNER) is not Verdict.EXPIRED


def test_the_end_of_an_attempt_waits_for_what_its_session_knows(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next attempt would start without the agent's session and without the baseline of its checkout."""
    queue = spool_queue(spool)
    queue.enqueue(request("x"))
    token = run_one(queue, OWNER)
    write_session(spool, OWNER, token)
    with (
        trouble(monkeypatch, "open", under=spool.path("sessions", f"{OWNER}.json")),
        pytest.raises(OSError, match="x"),
    ):
        queue.end(token, Ending(End.LOST), by="r-box-1")
    assert queue.end(token, Ending(End.LOST), by="r-box-1").outcome.session_id == "ses_1"


def test_a_configuration_that_cannot_be_looked_for_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults would hold then: another spool, no budget, the mode off."""
    (tmp_path / "wf.config.yaml").write_text("version: 1\n")
    with trouble(monkeypatch, "lstat", "stat", under=tmp_path), pytest.raises(OSError, match="Input/output"):
        places.find(tmp_path)
    assert places.find(tmp_path) == tmp_path / "wf.config.yaml"


def test_a_spool_that_cannot_be_looked_for_is_not_missing(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans with live jobs would be open to everyone."""
    with trouble(monkeypatch, "lstat", "stat", "open", under=spool.root):
        with pytest.raises(OSError, match="Input/output"):
            layout.exists(spool.root)
        with pytest.raises(OSError, match="Input/output"), spool.fence("x"):
            pass
        with pytest.raises(SpoolError, match="Input/output"):
            layout.open_spool(spool.root)
        with pytest.raises(OSError, match="Input/output"):
            scan.any_reserved(spool, ["x"])
    assert layout.exists(spool.root)


def test_a_sign_of_life_is_not_removed_because_its_lease_cannot_be_seen(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(spool, OWNER)
    spool.path("control", f"editor.{OWNER}.json").write_text("{}")
    with trouble(monkeypatch, "lstat", "stat", under=spool.folder("leases")), pytest.raises(OSError, match="Input"):
        sign_of_life.bury(spool)
    assert fsio.exists(spool.path("control", f"editor.{OWNER}.json"))


def test_a_checkout_that_cannot_be_read_has_not_been_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An I/O error counted as a change, and so as work."""
    (tmp_path / "a.py").write_text("a")
    before = changes.baseline(tmp_path, [])
    assert before is not None
    assert changes.changed(tmp_path, [], before) is False
    for call in ("lstat", "scandir"):
        with trouble(monkeypatch, call, under=tmp_path if call == "scandir" else tmp_path / "a.py"):
            assert changes.changed(tmp_path, [], before) is None
