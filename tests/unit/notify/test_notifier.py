"""Events handed on: each once, with many processes at once; failures told once; never in the way of work."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from support import hooks
from support.projects import Cli
from support.spools import make_spool, problems
from support.wait import wait_until
from wf_cli.app import App
from wf_cli.clock import SystemClock
from wf_cli.config.model import Notify
from wf_cli.contract.event import Event
from wf_cli.eventlog.log import EventLog
from wf_cli.eventlog.read import Selection, read
from wf_cli.notify import notifier as notifiers
from wf_cli.notify import outbox
from wf_cli.notify.notifier import Notifier
from wf_cli.notify.outbox import Outbox
from wf_cli.spool import notified, retention
from wf_cli.spool.layout import Spool


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifiers, "POLL_S", 0.02)
    monkeypatch.setattr(notifiers, "BACKOFF_S", (0.01, 0.02))


class Yard:
    """A spool, a log that hands on, and notifiers."""

    def __init__(self, root: Path, *entries: Notify):
        self.root = root
        self.entries = entries
        self.spool: Spool = make_spool(root / "spool")
        self.said: list[str] = []
        kinds = frozenset(kind for entry in entries for kind in entry.on)
        box = Outbox(self.spool, lambda: kinds, self.said.append)
        self.events = EventLog(self.spool.folder("log"), "w-box-1", SystemClock(), hand_on=box.put)

    def notifier(self, owner: str = "n-box-1", **environ: str) -> Notifier:
        return Notifier(
            self.spool, self.entries, owner=owner, root=self.root, environ={"PATH": os.environ["PATH"], **environ},
            events=self.events, say=self.said.append, clock=SystemClock(),
        )  # fmt: skip

    def told(self) -> list[Event]:
        return read(self.spool.folder("log"), Selection(kinds=frozenset({"notify.failed"})))

    def waiting(self) -> list[str]:
        return outbox.waiting(self.spool)


def test_each_entry_gets_the_events_that_it_asked_for_once_and_the_outbox_is_empty_then(tmp_path: Path) -> None:
    yard = Yard(
        tmp_path,
        Notify(("job.dead", "epic.blocked"), (hooks.noting(tmp_path, "a"),)),
        Notify(("job.dead",), (hooks.noting(tmp_path, "b"),)),
    )
    with yard.notifier():
        for n in range(5):
            yard.events.emit("job.dead", job_id=f"j{n}", reason="x" * 10)
            yard.events.emit("job.succeeded", job_id=f"j{n}")
        yard.events.emit("epic.blocked", epic_id="01")
        wait_until(lambda: not yard.waiting(), what="the outbox to be empty")
    got = hooks.got(tmp_path, "a")
    assert [event.get("job_id") for event in got] == ["j0", "j1", "j2", "j3", "j4", None], "in order"
    assert len(hooks.got(tmp_path, "b")) == 5
    assert len({event["id"] for event in got}) == 6
    assert got[0]["event"] == "job.dead"
    assert problems(yard.spool) == []


def test_no_event_overtakes_one_that_found_the_courier_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier becomes free while the look goes on."""
    given: list[str] = []
    answers = [False, True]

    class Courier:
        def __init__(self, *_: object) -> None: ...

        @property
        def busy(self) -> bool:
            return answers.pop(0) if answers else False

        def give(self, event: outbox.Waiting) -> None:
            given.append(event.event.facts["job_id"])

    monkeypatch.setattr(notifiers, "_Courier", Courier)
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    for n in range(3):
        yard.events.emit("job.dead", job_id=f"j{n}")
    notifier = yard.notifier()
    for _ in range(2):
        notifier._look()
    assert given == ["j0", "j1", "j2"]


def _notify(root: Path, name: str, ready: Any, go: Any) -> None:
    spool = make_spool(root / "spool")
    entries = (Notify(("job.dead",), (str(root / "hook.py"),)),)
    events = EventLog(spool.folder("log"), name, SystemClock())
    notifiers.POLL_S = 0.001
    notifier = Notifier(
        spool, entries, owner=name, root=root, environ=os.environ, events=events, say=print, clock=SystemClock()
    )
    ready.release()
    go.wait(60)
    with notifier:
        wait_until(lambda: not outbox.waiting(spool), 60, "the outbox to be empty")


def test_ten_workers_hand_each_event_on_once(tmp_path: Path) -> None:
    hooks.noting(tmp_path)
    yard = Yard(tmp_path, Notify(("job.dead",), ("x",)))
    for n in range(30):
        yard.events.emit("job.dead", job_id=f"j{n}")
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    workers = [context.Process(target=_notify, args=(tmp_path, f"n-box-{n}", ready, go)) for n in range(10)]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert ready.acquire(timeout=60)
    go.set()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert sorted(event["job_id"] for event in hooks.got(tmp_path)) == sorted(f"j{n}" for n in range(30))


def test_a_failure_is_tried_three_times_and_told_once_until_it_has_worked_again(tmp_path: Path) -> None:
    with hooks.serving("500 Oops") as server:
        yard = Yard(tmp_path, Notify(("job.dead",), url="env:HOOK"))
        with yard.notifier(HOOK=server.url), yard.notifier("n-box-2", HOOK=server.url):
            yard.events.emit("job.dead", job_id="a")
            yard.events.emit("job.dead", job_id="b")
            wait_until(lambda: len(server.requests) == 6, what="three tries of each")
            wait_until(yard.told, what="the failure to be told")
            server.answers = ["200 OK"]
            yard.events.emit("job.dead", job_id="c")
            wait_until(lambda: not notified.failing(yard.spool), what="the end of the failure")
            server.answers = ["500 Oops"]
            yard.events.emit("job.dead", job_id="d")
            wait_until(lambda: len(yard.told()) == 2, what="the next failure to be told")
    assert [event.facts["reason"] for event in yard.told()] == ["env:HOOK: the server said 500"] * 2
    (facts,) = notified.failing(yard.spool).values()
    assert facts["entry"] == "env:HOOK"
    everything = "".join(str(path.read_text()) for path in yard.spool.root.rglob("*") if path.is_file())
    assert "SECRET" not in everything + "".join(yard.said)


def test_an_entry_that_hangs_delays_no_other_and_not_the_end_of_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifiers, "PATIENCE_S", 0.2)
    with hooks.serving("hang") as server:
        yard = Yard(
            tmp_path,
            Notify(("job.dead",), url=server.url, timeout_s=600),
            Notify(("job.dead",), (hooks.noting(tmp_path),)),
        )
        with yard.notifier():
            for n in range(5):
                yard.events.emit("job.dead", job_id=f"j{n}")
            wait_until(lambda: len(hooks.got(tmp_path)) == 5, what="the other entry to get all")
        assert len(server.requests) == 1, "one at a time"
        assert len(yard.waiting()) == 4, "what this process did not claim waits for another one"


def test_what_was_told_at_the_very_end_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifiers, "POLL_S", 1000)
    monkeypatch.setattr(notifiers, "PATIENCE_S", 60)
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    with yard.notifier():
        for n in range(3):
            yard.events.emit("job.dead", job_id=f"j{n}")
    assert len(hooks.got(tmp_path)) == 3
    assert yard.waiting() == []


def test_what_a_killed_worker_had_claimed_is_not_sent_again(tmp_path: Path) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    yard.events.emit("job.dead", job_id="a")
    (name,) = yard.waiting()
    assert notified.first(yard.spool, notifiers._mark(name, notifiers.id_of(yard.entries[0])), by="killed-box-1")
    yard.events.emit("job.dead", job_id="b")
    with yard.notifier():
        wait_until(lambda: not yard.waiting(), what="the outbox to be empty")
    assert [event["job_id"] for event in hooks.got(tmp_path)] == ["b"]


def test_an_event_of_a_command_that_ended_waits_for_a_worker(tmp_path: Path) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    yard.events.emit("job.dead", job_id="a")
    assert len(yard.waiting()) == 1
    with yard.notifier():
        wait_until(lambda: hooks.got(tmp_path), what="the notification")


def test_a_host_without_the_variable_leaves_the_event_to_another_one(tmp_path: Path) -> None:
    with hooks.serving("200 OK") as server:
        yard = Yard(tmp_path, Notify(("job.dead",), url="env:HOOK"))
        yard.events.emit("job.dead", job_id="a")
        with yard.notifier():
            wait_until(yard.told, what="the trouble to be told")
            assert len(yard.waiting()) == 1
        with yard.notifier("n-box-2", HOOK=server.url):
            wait_until(lambda: not yard.waiting(), what="the notification")
        assert len(server.requests) == 1
        assert notified.failing(yard.spool) == {}


def test_what_nobody_could_hand_on_for_an_hour_is_left_out_and_said(tmp_path: Path) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), url="env:HOOK"))
    yard.events.emit("job.dead", job_id="a")
    long_ago = time.time() - notifiers.TOO_OLD_S - 5
    os.utime(yard.spool.path("outbox", yard.waiting()[0]), (long_ago, long_ago))
    with yard.notifier():
        wait_until(lambda: not yard.waiting(), what="the event to be left out")
    assert any("was not handed on within an hour" in line for line in yard.said)


def test_a_host_whose_clock_is_ahead_leaves_out_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), url="env:HOOK"))
    yard.events.emit("job.dead", job_id="a")
    now_ms = SystemClock.now_ms
    monkeypatch.setattr(SystemClock, "now_ms", lambda clock: now_ms(clock) + 2 * 3_600_000)
    with yard.notifier():
        wait_until(yard.told, what="the entry to fail, because its variable is not set")
    assert len(yard.waiting()) == 1
    assert not any("left out" in line for line in yard.said)


def test_a_flood_is_bounded_and_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST", 3)
    yard = Yard(tmp_path, Notify(("job.dead",), ("x",)))
    for n in range(10):
        yard.events.emit("job.dead", job_id=f"j{n}")
    assert len(yard.waiting()) == 3
    assert len(yard.said) == 1
    assert len(read(yard.spool.folder("log"))) == 10


def test_nothing_about_the_outbox_stops_an_event_from_being_recorded(tmp_path: Path) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), ("x",)))
    yard.spool.folder("outbox").rmdir()
    yard.spool.folder("outbox").symlink_to(tmp_path)
    yard.events.emit("job.dead", job_id="a")
    assert len(read(yard.spool.folder("log"))) == 1
    assert len(yard.said) == 1
    yard.spool.folder("outbox").unlink()
    yard.events.emit("job.dead", job_id="b", reason="y" * 200_000)
    (name,) = yard.waiting()
    waits = outbox.read(yard.spool, name)
    assert waits is not None
    assert len(waits.event.facts["reason"]) == 1000


def test_hostile_files_in_the_outbox_are_passed_over(tmp_path: Path) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    folder = yard.spool.folder("outbox")
    os.mkfifo(folder / "0000000000001-a.json")
    (folder / "0000000000002-b.json").write_text("{" * 1000)
    (folder / "0000000000003-c.json").symlink_to("/etc/passwd")
    (folder / "0000000000004-d.json").mkdir()
    evil = {"ts": "2026-01-01T00:00:00Z", "event": "job.dead", "reason": "$(touch /x)\x1b[2J\n\u202e", "run": ["x"]}
    (folder / "0000000000005-e.json").write_text(json.dumps(evil))
    with yard.notifier():
        wait_until(lambda: hooks.got(tmp_path), what="the one that can be read")
    (event,) = hooks.got(tmp_path)
    assert event["reason"] == "$(touch /x)\\x1b[2J \\u202e"
    assert "run" not in event


def test_a_failing_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    yard.events.emit("job.dead", job_id="a")

    def fails(*_: Any, **__: Any) -> bool:
        raise OSError(5, "Input/output error")

    with yard.notifier():
        with monkeypatch.context() as patched:
            patched.setattr(notified, "first", fails)
            wait_until(lambda: yard.said, what="the trouble to be said")
        wait_until(lambda: hooks.got(tmp_path), what="the notification")


def test_gc_removes_old_marks(tmp_path: Path) -> None:
    yard = Yard(tmp_path, Notify(("job.dead",), (hooks.noting(tmp_path),)))
    yard.events.emit("job.dead", job_id="a")
    with yard.notifier():
        wait_until(lambda: not yard.waiting(), what="the notification")
    assert len(yard.spool.names("notified")) == 1
    retention.clean(yard.spool, before_ms=10**15)
    assert yard.spool.names("notified") == []


# -- through the commands


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path, monkeypatch, capsys)


def configure(root: Path, entries: str) -> None:
    (root / "wf.config.yaml").write_text(
        "mode: distributed\nspool: {durability: none}\n"
        "runtimes: {shell: {adapter: command, argv: ['false']}}\n"
        "routing: {builder: {runtime: shell, retry: {max_attempts: 1}}}\n" + entries
    )


def test_a_worker_hands_on_that_a_job_is_dead_also_when_it_ends_right_then(wf: Cli) -> None:
    hook = hooks.noting(wf.root)
    configure(wf.root, f"notify: [{{on: [job.dead], run: [{hook}]}}]\n")
    assert wf("enqueue", "--role", "builder", "--key", "one")[0] == 0
    assert wf("worker", "--runtime", "shell")[0] == 0
    (event,) = hooks.got(wf.root)
    assert (event["event"], event["job_id"]) == ("job.dead", "one")


def test_without_entries_nothing_is_put_anywhere(wf: Cli) -> None:
    configure(wf.root, "")
    assert wf("enqueue", "--role", "builder", "--key", "one")[0] == 0
    assert wf("worker", "--runtime", "shell")[0] == 0
    spool = App(wf.root, {}).open_spool()
    assert spool.names("outbox") == []
    assert spool.names("notified") == []


def test_notify_test_says_the_result_of_every_entry(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = hooks.noting(wf.root)
    with hooks.serving("200 OK") as server:
        monkeypatch.setenv("TEAM_HOOK", server.url)
        monkeypatch.delenv("NO_HOOK", raising=False)
        configure(
            wf.root,
            f"notify:\n  - {{on: [job.dead], run: [{hook}]}}\n  - {{on: [epic.blocked], url: 'env:TEAM_HOOK'}}\n",
        )
        got = wf.json("notify", "test")
        assert [entry["sent"] for entry in got["entries"]] == [True, True]
        (event,) = hooks.got(wf.root)
        assert (event["event"], event["test"]) == ("job.dead", True)
        assert json.loads(server.requests[0][1])["event"] == "epic.blocked"
        configure(
            wf.root,
            f"notify:\n  - {{on: [job.dead], run: [{hook}]}}\n  - {{on: [job.dead], url: 'env:NO_HOOK'}}\n"
            f"  - {{on: [job.dead], url: '{server.url}'}}\n",
        )
        server.answers = ["301 Moved\r\nLocation: /x"]
        code, out, err = wf("notify", "test")
    assert code == 1
    assert [line.split()[0] for line in out.splitlines()] == ["sent", "failed", "failed"]
    assert "the variable NO_HOOK is not set" in out
    assert "redirects are not followed" in out
    assert "SECRET" not in out + err
    assert "2 of 3 failed" in err
    assert not (wf.root / ".wf" / "spool").exists(), "no spool is needed, and none is made"


def test_notify_test_without_entries_says_so(wf: Cli) -> None:
    code, out, _ = wf("notify", "test")
    assert (code, out) == (0, "wf.config has no notify entries\n")


def test_doctor_names_what_is_missing_and_what_fails(wf: Cli) -> None:
    configure(wf.root, "notify: [{on: [job.dead], run: [./none.sh]}]\n")
    assert wf("enqueue", "--role", "builder", "--key", "one")[0] == 0
    assert wf("worker", "--runtime", "shell")[0] == 0
    _, out, _ = wf("doctor", "--no-call", "--json")
    found = [check for check in json.loads(out)["checks"] if check["name"] == "notify"]
    assert {check["status"] for check in found} == {"warn"}
    assert any("there is no program ./none.sh" in check["detail"] and "since" in check["detail"] for check in found)
    assert all(check["remedy"].startswith("wf notify test") for check in found)
    hooks.program(wf.root, "exit 0", "none.sh")
    assert wf("notify", "test")[0] == 0
    _, out, _ = wf("doctor", "--no-call", "--json")
    assert [c["status"] for c in json.loads(out)["checks"] if c["name"] == "notify"] == ["ok"]
