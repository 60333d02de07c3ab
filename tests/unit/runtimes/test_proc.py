"""Processes: identity by pid and start time, families by parent and mark, ends that reach all of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.runs import Bench, new_mark, python
from support.wait import wait_until
from wf_cli import proc


@pytest.fixture(params=["procfs", "psutil"])
def _table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "procfs" and sys.platform != "linux":
        pytest.skip("there is no /proc here")
    monkeypatch.setattr(proc, "_table", proc._ProcFs() if request.param == "procfs" else proc._Psutil())


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("_table")
class TestIdentity:
    def test_a_running_process_is_alive_and_one_with_another_start_time_is_not(
        self, sleeper: subprocess.Popen[bytes]
    ) -> None:
        start = proc.start_token(sleeper.pid)
        assert start is not None
        assert proc.alive(sleeper.pid, start)
        assert not proc.alive(sleeper.pid, start + "1")

    def test_an_unknown_start_time_proves_no_death(self, sleeper: subprocess.Popen[bytes]) -> None:
        assert proc.alive(sleeper.pid, None)

    def test_a_zombie_is_dead(self) -> None:
        with subprocess.Popen(["true"]) as process:
            start = proc.start_token(process.pid)
            wait_until(lambda: not proc.alive(process.pid, start), what="the end of `true`")

    def test_a_gone_process_has_no_start_time(self) -> None:
        process = subprocess.Popen(["true"])
        process.wait()
        assert proc.start_token(process.pid) is None
        assert not proc.alive(process.pid, "1")

    def test_a_name_that_looks_like_a_state_is_read_as_a_name(self, bench: Bench) -> None:
        hostile = bench.root / "x) Z 1 (y"
        os.symlink("/bin/sleep", hostile)
        with subprocess.Popen([str(hostile), "600"]) as process:
            try:
                wait_until(lambda: proc.alive(process.pid, proc.start_token(process.pid)))
                assert process.pid in [ref.pid for ref in proc.descendants(os.getpid())]
            finally:
                process.kill()

    def test_marked_processes_are_found_by_the_whole_mark(self) -> None:
        mark = new_mark()
        environment = {**os.environ, proc.MARK_VARIABLE: mark}
        with subprocess.Popen(["sleep", "600"], env=environment, start_new_session=True) as process:
            wait_until(lambda: [ref.pid for ref in proc.marked(mark)] == [process.pid], what="the marked process")
            assert proc.marked(mark[:-1]) == []
            assert proc.kill_tree([], mark, grace_s=5).left == frozenset()
            assert process.wait() == -signal.SIGTERM


def test_the_boot_and_the_namespace_have_stable_names() -> None:
    assert proc.boot_id() == proc.boot_id() != ""
    assert proc.pid_namespace() == proc.pid_namespace() != ""


def test_no_signal_goes_to_a_process_that_only_has_the_pid(sleeper: subprocess.Popen[bytes]) -> None:
    assert not proc.send(proc.ProcessRef(sleeper.pid, "1"), signal.SIGKILL)
    assert sleeper.poll() is None


def test_no_signal_goes_to_the_caller_or_to_init() -> None:
    assert not proc.send(proc.this_process(), signal.SIGKILL)
    assert not proc.send(proc.ProcessRef(1, proc.start_token(1) or ""), 0)


def test_a_tree_that_ignores_sigterm_is_killed_with_its_orphans_that_carry_the_mark(bench: Bench) -> None:
    mark = new_mark()
    bench.marks.append(mark)
    ready = bench.root / "ready"
    # The grandchild is in a session of its own, and its parent is gone: no parent link, no group leads to it.
    code = f"""
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        open({str(ready)!r}, "w").close()
    time.sleep(600)
    """
    with subprocess.Popen(python(code), env={**os.environ, proc.MARK_VARIABLE: mark}) as process:
        wait_until(ready.exists, what="the grandchild")
        killed = proc.kill_tree([os.getpid()], mark, grace_s=0.1)
        assert killed.left == frozenset()
        assert len(killed.seen) >= 2
        assert process.wait() == -signal.SIGKILL
    assert proc.marked(mark) == []


def test_a_process_that_forks_while_it_is_killed_gains_nothing(bench: Bench) -> None:
    mark = new_mark()
    bench.marks.append(mark)
    code = """
    import os, signal, time
    signal.signal(signal.SIGTERM, lambda *_: os.fork())
    while True:
        time.sleep(60)
    """
    with subprocess.Popen(python(code), env={**os.environ, proc.MARK_VARIABLE: mark}):
        wait_until(lambda: proc.marked(mark))
        assert proc.kill_tree([], mark, grace_s=0.1).left == frozenset()
    assert proc.marked(mark) == []


def test_processes_of_another_user_are_given_up_without_the_wait_for_stuck_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reaper that waited for them did not beat its own lease meanwhile."""
    slept: list[float] = []
    with subprocess.Popen(python("import time; time.sleep(600)")) as process:
        try:
            with monkeypatch.context() as patch:
                patch.setattr(proc, "send", lambda _ref, _number: False)
                patch.setattr(proc.time, "sleep", slept.append)
                patch.setattr(proc.time, "monotonic", lambda: sum(slept))
                killed = proc.kill_tree([os.getpid()], grace_s=0.5)
            assert process.pid in [ref.pid for ref in killed.left]
            assert sum(slept) < 1.0
        finally:
            process.kill()
