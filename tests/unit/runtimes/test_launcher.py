"""The launcher: no agent before the gate, nothing of an attempt after its worker, its agent or itself."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.runs import Bench, new_mark, python, request_for, shell, slot_is_free
from support.wait import wait_until
from wf_cli import locks, proc
from wf_cli.clock import SystemClock
from wf_cli.runtimes.base import CannotStart, Launch, Limits, RuntimeMissing
from wf_cli.runtimes.process.gate import Gate
from wf_cli.runtimes.process.strays import kill_attempt
from wf_cli.runtimes.process.supervise import AgentRun

# A tree as agents make them: a child in its own session, deaf to SIGTERM, whose parent has gone.
STUBBORN = python(
    """
    import os, signal, time
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork():
            os._exit(0)
        open("stray", "w").close()
        time.sleep(600)
    time.sleep(600)
    """
)


def test_there_is_no_agent_before_go(bench: Bench) -> None:
    mark = new_mark()
    with AgentRun(shell(("touch", "started")), request_for(bench.root, mark), clock=SystemClock()) as run:
        ref = run.spawn()
        assert proc.alive(*ref)
        assert proc.descendants(ref.pid) == []
        assert proc.marked(mark) == []
        assert not (bench.root / "started").exists()
        run.go()
        assert run.wait().verdict.failure is None
    assert (bench.root / "started").exists()
    assert not proc.alive(*ref)


def test_an_abandoned_gate_never_starts_an_agent(bench: Bench) -> None:
    run = AgentRun(shell(("touch", "started")), request_for(bench.root, new_mark()), clock=SystemClock())
    ref = run.spawn()
    run.abandon()
    run.abandon()
    assert not proc.alive(*ref)
    assert not (bench.root / "started").exists()


def test_a_worker_that_dies_before_go_starts_no_agent(bench: Bench) -> None:
    with bench.worker(("touch", "started"), gate=False) as (worker, launcher, _):
        worker.kill()
        wait_until(lambda: not proc.alive(*launcher), what="the end of the launcher")
    assert not (bench.root / "started").exists()


def test_the_tree_of_a_killed_worker_dies_and_then_frees_its_slot(bench: Bench) -> None:
    slot = bench.root / "opencode.0.slot"
    with bench.worker(STUBBORN, slot=str(slot)) as (worker, launcher, mark):
        wait_until((bench.root / "stray").exists, what="the stray")
        assert not slot_is_free(slot)
        os.kill(launcher.pid, signal.SIGSTOP)
        worker.kill()
        worker.wait()
        # The worker's own share is closed now; the launcher's is what keeps the slot.
        assert not slot_is_free(slot)
        assert len(proc.marked(mark)) == 2
        os.kill(launcher.pid, signal.SIGCONT)
        wait_until(lambda: slot_is_free(slot), what="the slot")
        assert proc.marked(mark) == []
        wait_until(lambda: not proc.alive(*launcher), what="the end of the launcher")


def test_what_a_killed_launcher_left_is_ended_from_its_record(bench: Bench) -> None:
    with bench.worker(STUBBORN) as (worker, launcher, mark):
        wait_until((bench.root / "stray").exists, what="the stray")
        worker.send_signal(signal.SIGSTOP)  # a paused worker, whose token a reaper takes away
        os.kill(launcher.pid, signal.SIGKILL)
        wait_until(lambda: len(proc.marked(mark)) == 1, what="the agent itself, which dies with its launcher")
        assert kill_attempt(*launcher, mark) == 1
        assert proc.marked(mark) == []
        assert kill_attempt(*launcher, mark) == 0


def test_a_reaper_ends_a_launcher_that_still_lives(bench: Bench) -> None:
    with bench.worker(STUBBORN) as (worker, launcher, mark):
        wait_until((bench.root / "stray").exists, what="the stray")
        worker.send_signal(signal.SIGSTOP)
        assert kill_attempt(*launcher, mark) >= 2
        assert proc.marked(mark) == []
        # It was sent SIGKILL, and a process needs a moment to end.
        wait_until(lambda: not proc.alive(*launcher), what="the end of the launcher")


def test_a_worker_notices_that_its_launcher_was_killed(bench: Bench) -> None:
    mark = new_mark()
    with AgentRun(shell(STUBBORN), request_for(bench.root, mark), clock=SystemClock()) as run:
        ref = run.spawn()
        run.go()

        def kill_it() -> None:
            if (bench.root / "stray").exists() and proc.alive(*ref):
                os.kill(ref.pid, signal.SIGKILL)

        result = run.wait(kill_it)
    assert result.verdict.failure is not None
    assert result.verdict.failure.code == "crashed"
    assert "launcher" in result.verdict.failure.message
    assert proc.marked(mark) == []


def test_a_sigterm_to_the_launcher_ends_the_attempt_and_ctrl_c_does_not(bench: Bench) -> None:
    mark = new_mark()
    with AgentRun(shell(STUBBORN), request_for(bench.root, mark), clock=SystemClock()) as run:
        ref = run.spawn()
        run.go()

        def signals() -> None:
            if (bench.root / "stray").exists():
                for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                    proc.send(ref, number)

        result = run.wait(signals)
    assert result.exit.code == -signal.SIGTERM
    assert proc.marked(mark) == []


def test_signals_the_launcher_ignores_are_not_ignored_in_the_agent(bench: Bench) -> None:
    code = "import signal; print([signal.getsignal(n) == signal.SIG_IGN for n in (1, 2, 15, 17)])"
    assert bench.run(python(code)).result.verdict.summary == "[False, False, False, False]"


def test_the_slot_is_held_while_the_tree_lives_and_its_descriptor_stays_out_of_the_agent(bench: Bench) -> None:
    path = bench.root / "a.0.slot"
    slot = locks.try_slot(path)
    assert slot is not None
    code = "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')][3:])"
    with AgentRun(shell(python(code)), request_for(bench.root, new_mark()), clock=SystemClock(), slot=slot) as run:
        run.spawn()
        slot.close()
        assert not slot_is_free(path)
        run.go()
        summary = run.wait().verdict.summary
    assert slot_is_free(path)
    assert str(path) not in summary
    assert "pipe" not in summary


def test_what_outlives_the_agent_is_ended_and_counted(bench: Bench) -> None:
    code = "(setsid sleep 600 &); echo bye"
    outcome = bench.run(("sh", "-c", code))
    assert outcome.result.verdict.failure is None
    assert outcome.result.survivors == 1


def test_a_missing_program_is_found_before_and_behind_the_gate(bench: Bench, tmp_path: Path) -> None:
    run = AgentRun(shell(("no-such-agent",)), request_for(bench.root, new_mark()), clock=SystemClock())
    with pytest.raises(RuntimeMissing, match="no-such-agent") as missing:
        run.spawn()
    assert missing.value.failure().code == "runtime_missing"
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    assert bench.run((str(broken),)).code == "runtime_missing"


def test_a_checkout_that_is_gone_is_a_fault_of_this_host(bench: Bench) -> None:
    outcome = bench.run(python("pass"), limits=request_for(bench.root, "m").limits)
    assert outcome.code is None
    gone = request_for(bench.root / "gone", new_mark())
    with AgentRun(shell(python("pass")), gone, clock=SystemClock()) as run:
        run.spawn()
        run.go()
        failure = run.wait().verdict.failure
    assert failure is not None
    assert failure.code == "spawn_failed"


def test_an_argument_no_system_takes_is_a_failed_spawn(bench: Bench) -> None:
    assert bench.run((*python("pass"), "a\0b")).code == "spawn_failed"


def test_a_launcher_that_cannot_be_started_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wf_cli.runtimes.process.gate._BOOT", "raise SystemExit('no memory')")
    with pytest.raises(CannotStart, match="ended"):
        Gate.open(Launch(["true"], {}), root=bench.root, mark=new_mark(), grace_s=5.0)


def test_many_runs_leave_no_descriptor_open(bench: Bench) -> None:
    bench.run(("true",))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        bench.run(("true",))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_environment_is_in_no_command_line(bench: Bench) -> None:
    mark = new_mark()
    request = request_for(bench.root, mark, environment={"X_API_KEY": "sesame-open"})
    with AgentRun(shell(("sleep", "600")), request, clock=SystemClock()) as run:
        ref = run.spawn()
        shown = subprocess.run(["cat", f"/proc/{ref.pid}/cmdline"], capture_output=True, check=True).stdout
        assert b"sesame" not in shown
        assert mark.encode() in shown


def test_what_an_agent_leaves_running_gets_no_more_than_the_grace(bench: Bench) -> None:
    """With none it gets no SIGTERM at all."""
    child = "trap 'echo > told; exit' TERM; echo > ready; while :; do sleep 0.05; done"
    outcome = bench.run(
        ("sh", "-c", f"sh -c '{child.replace(chr(39), chr(34))}' & while [ ! -e ready ]; do sleep 0.02; done"),
        limits=Limits(grace_s=0.0),
    )
    assert outcome.code is None
    assert outcome.result.survivors
    assert not (bench.root / "told").exists()


class TestAskFirst:
    """A stop that the agent gets alone at first, so that it can end its own children."""

    POLITE = python(
        """
        import signal, subprocess, sys
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        def stop(*_):
            open("alone", "w").write(str(child.poll()))
            child.kill()
            child.wait()  # Until then it is a process that the launcher has to end.
            sys.exit(7)
        signal.signal(signal.SIGTERM, stop)
        open("ready", "w").close()
        while True:
            signal.pause()
        """
    )

    def test_its_children_are_its_own_business_within_the_grace(self, bench: Bench) -> None:
        report = self._stopped(bench, self.POLITE, grace=10)
        assert (bench.root / "alone").read_text() == "None"  # the child had got no signal
        assert report == (7, 0)

    def test_after_the_grace_all_is_ended_at_once(self, bench: Bench) -> None:
        deaf = python("import signal, time; signal.signal(15, signal.SIG_IGN); open('ready', 'w'); time.sleep(600)")
        assert self._stopped(bench, deaf, grace=0.3)[0] == -signal.SIGKILL

    def test_a_worker_that_dies_meanwhile_cuts_it_short(self, bench: Bench) -> None:
        deaf = python("import signal, time; signal.signal(15, signal.SIG_IGN); open('ready', 'w'); time.sleep(600)")
        mark = new_mark()
        bench.marks.append(mark)
        gate = self._open(bench, deaf, mark)
        gate.stop(60)
        gate.close()
        assert proc.marked(mark) == []

    def _open(self, bench: Bench, argv: tuple[str, ...], mark: str) -> Gate:
        launch = Launch(argv, {"PATH": os.environ["PATH"]}, ask_first=True)
        gate = Gate.open(launch, root=bench.root, mark=mark, grace_s=5.0)
        gate.go()
        wait_until((bench.root / "ready").exists)
        return gate

    def _stopped(self, bench: Bench, argv: tuple[str, ...], grace: float) -> tuple[int | None, int]:
        mark = new_mark()
        bench.marks.append(mark)
        gate = self._open(bench, argv, mark)
        gate.stop(grace)
        report = None
        while report is None:
            report = gate.hear()
        gate.close()
        assert proc.marked(mark) == []
        return report.code, report.survivors


class TestKeptExits:
    """What the launcher writes of its agent's exit."""

    def test_an_exit_is_there_before_the_worker_can_hear_of_it(self, bench: Bench) -> None:
        for number in range(20):
            gate = self._open(bench, python("raise SystemExit(3)"), f"exit{number}")
            assert self._heard(gate) == 3
            kept = json.loads((bench.root / f"exit{number}").read_text())
            gate.close()
            assert kept == {"mark": "m", "proves": "success", "pid": gate.ref.pid, "code": 3, "by_itself": True}
        assert list(bench.root.glob("part*")) == []

    def test_an_agent_that_a_signal_ended_has_none(self, bench: Bench) -> None:
        gate = self._open(bench, python("import os; os.kill(os.getpid(), 9)"))
        assert self._heard(gate) == -signal.SIGKILL
        gate.close()
        assert not (bench.root / "exit").exists()

    def test_an_agent_that_was_told_to_end_did_not_end_by_itself(self, bench: Bench) -> None:
        gate = self._open(bench, self._polite())
        wait_until((bench.root / "ready").exists)
        gate.close()  # Its worker is gone.
        assert json.loads((bench.root / "exit").read_text())["by_itself"] is False

    def test_an_agent_whose_worker_is_gone_is_told_to_end_once(self, bench: Bench) -> None:
        """Many programs take a second SIGTERM for "at once", and leave their work unsaved."""
        agent = """
            import signal, time
            signal.signal(signal.SIGTERM, lambda *_: open("told", "a").write("x"))
            open("ready", "w").close()
            while True:
                time.sleep(600)
            """
        gate = self._open(bench, python(agent))
        wait_until((bench.root / "ready").exists)
        gate.close()
        assert (bench.root / "told").read_text() == "x"

    def test_nor_did_one_that_a_reaper_ended(self, bench: Bench) -> None:
        gate = self._open(bench, self._polite())
        wait_until((bench.root / "ready").exists)
        assert kill_attempt(*gate.ref, bench.marks[-1]) == 2
        assert json.loads((bench.root / "exit").read_text())["by_itself"] is False
        gate.close()

    def test_a_worker_that_died_before_its_agent_ended_by_itself_loses_no_exit(self, bench: Bench) -> None:
        """The launcher stands still meanwhile, so it finds both at once."""
        gate = self._open(bench, python("open('ready', 'w'); import time; time.sleep(0.05)"))
        wait_until((bench.root / "ready").exists)
        os.kill(gate.ref.pid, signal.SIGSTOP)
        (agent,) = proc.descendants(gate.ref.pid)
        wait_until(lambda: not proc.alive(*agent), what="the end of the agent")
        os.close(gate._control)
        os.kill(gate.ref.pid, signal.SIGCONT)
        wait_until((bench.root / "exit").exists, what="the exit")
        assert json.loads((bench.root / "exit").read_text())["by_itself"] is True
        gate._control = os.open(os.devnull, os.O_WRONLY)
        gate.close()

    def test_a_disk_that_does_not_take_it_keeps_no_worker_from_hearing(self, bench: Bench) -> None:
        gate = self._open(bench, python("raise SystemExit(3)"), "gone/exit")
        assert self._heard(gate) == 3
        gate.close()

    def test_no_link_is_followed(self, bench: Bench) -> None:
        (bench.root / "part.exit").symlink_to(bench.root / "elsewhere")
        gate = self._open(bench, python("raise SystemExit(3)"))
        assert self._heard(gate) == 3
        gate.close()
        assert not (bench.root / "elsewhere").exists()

    def test_no_link_is_followed_in_the_place_of_a_folder(self, bench: Bench) -> None:
        """Whoever may write the spool would have this user's launcher write into any folder of this user."""
        (bench.root / "private").mkdir()
        (bench.root / "sessions").symlink_to(bench.root / "private")
        gate = self._open(bench, python("raise SystemExit(3)"), "sessions/exit")
        assert self._heard(gate) == 3
        gate.close()
        assert list((bench.root / "private").iterdir()) == []

    def test_others_may_read_it_on_a_shared_spool(self, bench: Bench) -> None:
        gate = self._open(bench, python("pass"), mode=0o660)
        self._heard(gate)
        gate.close()
        assert (bench.root / "exit").stat().st_mode & 0o777 == 0o660

    def _polite(self) -> tuple[str, ...]:
        """An agent that ends well when it is told to end."""
        return python(
            """
            import signal, sys, time
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            open("ready", "w").close()
            time.sleep(600)
            """
        )

    def _open(self, bench: Bench, argv: tuple[str, ...], name: str = "exit", mode: int | None = None) -> Gate:
        mark = new_mark()
        bench.marks.append(mark)
        launch = Launch(argv, {"PATH": os.environ["PATH"]}, exit_proves="success")
        path = bench.root / name
        part = path.parent / f"part.{path.name}"
        order: dict[str, Any] = {"root": str(bench.root), "part": str(part), "path": str(path), "mode": mode}
        gate = Gate.open(launch, root=bench.root, mark=mark, grace_s=5.0, keep={**order, "record": {"mark": "m"}})
        gate.go()
        return gate

    def _heard(self, gate: Gate) -> int | None:
        report = None
        while report is None:
            report = gate.hear()
        return report.code
