"""A command that meets one bad job or file does the rest and says so; a bad value is refused where it comes in."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.projects import Cli
from support.spools import run_one
from support.stand_ins import stand_in
from support.views import make_late
from wf_cli.app import App
from wf_cli.clock import SystemClock
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending, ending_of
from wf_cli.contract.token import NUMBER_LIMIT, Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control, late
from wf_cli.spool.layout import Spool

POOL = Pool("linter", "shell")


class Jobs(Cli):
    @property
    def queue(self) -> SpoolQueue:
        app = App(self.root, os.environ)
        return app.queue(app.create_spool())

    @property
    def spool(self) -> Spool:
        return self.queue.spool

    def enqueue(self, key: str, *options: str) -> None:
        self.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", key, *options)

    def die(self, key: str) -> None:
        self.enqueue(key, "--max-attempts", "1", "--priority", "0")
        ending = Ending(End.FAILED, failure=Failure("invalid_spec", "no"))
        self.queue.end(run_one(self.queue, "w-box-1", POOL), ending, by="w-box-1")


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jobs:
    for name in [name for name in os.environ if name.startswith("WF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    return Jobs(tmp_path, monkeypatch, capsys)


def unreadable(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    real = os.open

    def refuse(path, flags, *rest, **more):  # type: ignore[no-untyped-def]
        if part in os.fspath(path) and not flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", stand_in("open", refuse))


def use_up(spool: Spool, folder: str, job_id: str) -> None:
    """As foreign hands do: the attempt number is the last that a name can say."""
    (name,) = [name for name in os.listdir(spool.folder(folder)) if f".{job_id}." in name]
    far = name.replace(".a1b", f".a{NUMBER_LIMIT - 1}b")
    os.rename(spool.path(folder, name), spool.path(folder, far))


def test_one_job_that_cannot_be_retried_keeps_no_other_from_it(wf: Jobs) -> None:
    for key in ("a", "b", "c"):
        wf.die(key)
    use_up(wf.spool, "dead", "a")
    document = wf.json("retry", "--all")
    assert document["retried"] == ["b", "c"]
    assert [refused["job_id"] for refused in document["refused"]] == ["a"]
    assert "used up" in document["refused"][0]["why"]


def test_a_command_whose_only_job_gives_an_error_ends_with_that_error(
    wf: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wf.die("a")
    real = Spool.fence
    monkeypatch.setattr(Spool, "fence", lambda self, job_id, timeout=0.03: real(self, job_id, timeout=timeout))
    held, free = threading.Event(), threading.Event()

    def work() -> None:
        with wf.spool.fence("a"):
            held.set()
            free.wait(60)

    other = threading.Thread(target=work)
    other.start()
    held.wait(60)
    try:
        code, out, _ = wf("retry", "a", "--json")
    finally:
        free.set()
        other.join()
    document = json.loads(out)
    assert (code, document["error"]) == (75, "LOCK_BUSY")
    assert document["refused"][0]["job_id"] == "a"


def test_a_job_is_shown_without_the_outcome_that_cannot_be_read(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    wf.die("a")
    unreadable(monkeypatch, "outcomes/a.")
    document = wf.json("spool", "show", "a")
    assert (document["status"], document["attempts"]) == ("failed", [])
    assert document["problem"].endswith("outcomes/a.a1.json: Input/output error")


def test_late_results_are_listed_beside_one_that_cannot_be_read(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("a", "b"):
        wf.enqueue(key, "--priority", "0")
        make_late(wf.queue, run_one(wf.queue, "w-box-1", POOL))
        wf.json("hold", key)
    unreadable(monkeypatch, "outcomes/a.a1.w-box-1")
    assert [(one["job_id"], one["status"]) for one in wf.json("late", "ls")["late"]] == [
        ("a", "unreadable"),
        ("b", "succeeded"),
    ]


def test_a_late_result_that_is_applied_between_listing_and_look_is_left_out(
    wf: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wf.enqueue("a")
    make_late(wf.queue, run_one(wf.queue, "w-box-1", POOL))
    kept = late.listing(wf.spool)
    wf.json("late", "apply", "a")
    monkeypatch.setattr(late, "listing", lambda _spool: kept)
    assert wf.json("late", "ls")["late"] == []
    assert wf("late", "show", "a")[0] == 3


def test_a_job_is_not_found_although_another_enqueue_cannot_be_carried_on(
    wf: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    wf.enqueue("a")
    (name,) = os.listdir(wf.spool.folder("queued"))
    os.rename(wf.spool.path("queued", name), wf.spool.path("tmp", f"{name}.{'0' * 16}"))
    unreadable(monkeypatch, "/tmp/5.")
    code, out, err = wf("spool", "show", "b", "--json")
    assert (code, json.loads(out)["error"]) == (3, "JOB_NOT_FOUND")
    assert "warning: " in err
    assert "Input/output error" in err


# -- doors


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("enqueue", "--role", "r", "--runtime", "shell", "--key", "caf\udce9"), "surrogate pair"),
        (("enqueue", "--role", "r", "--runtime", "shell", "--key", "a", "--payload", '{"n": [1e999]}'), "too large"),
        (("enqueue", "--role", "r", "--runtime", "shell", "--key", "a", "--max-attempts", "1000000"), "999999"),
        (("job", "finish", "a.a1.w-box-1", "--result", '{"n": NaN}'), "not JSON"),
        (("job", "finish", "a.a1.w-box-1", "--result", '{"n": 1, "n": 2}'), "stands twice"),
        (("pause", "--for", "999999999d"), "too long"),
    ],
)
def test_what_a_later_step_could_not_use_is_refused_where_it_comes_in(
    wf: Jobs, words: tuple[str, ...], why: str
) -> None:
    wf.enqueue("first")
    code, out, _ = wf(*words, "--json")
    assert code == 2
    assert why in json.loads(out)["message"]
    assert [row["job_id"] for row in wf.json("spool", "ls")["jobs"]] == ["first"]


def test_a_line_of_many_jobs_is_refused_with_its_place(wf: Jobs) -> None:
    lines = ['{"role": "linter", "key": "a"}', '{"role": "linter", "key": "b", "payload": [1e999]}']
    (wf.root / "jobs.jsonl").write_text("\n".join(lines))
    code, out, _ = wf("enqueue", "--runtime", "shell", "--from", "jobs.jsonl", "--json")
    assert code == 2
    assert json.loads(out)["message"].startswith("jobs.jsonl:2: ")


def test_rates_reach_no_further_than_a_year(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of a delayed job has only so many digits; the last of many would be refused."""
    for key in ("a", "b"):
        wf.die(key)
    waits: list[float] = []
    monkeypatch.setattr(SpoolQueue, "retry", lambda *_a, delay_s, **_o: bool(waits.append(delay_s)) or True)
    monkeypatch.setattr("wf_cli.cli.jobs.dead._gap_s", lambda _rate: 1e12)
    wf.json("dead", "redrive", "--all", "--rate", "1/d")
    assert waits == [0.0, 366 * 86400.0]


def test_looking_at_jobs_does_not_load_jsonschema(wf: Jobs) -> None:
    """It costs more than all that these commands do; only a refused record has it explain why."""
    wf.die("a")
    script = """if True:
        import sys
        from wf_cli.cli.main import main
        try:
            main()
        finally:
            print("jsonschema" in sys.modules, file=sys.stderr)
    """
    for words in (["spool", "ls"], ["spool", "show", "a"], ["late", "ls"], ["explain", "a"]):
        command = [sys.executable, "-c", script, *words]
        done = subprocess.run(command, cwd=wf.root, capture_output=True, text=True, timeout=60, check=True)
        assert done.stderr.splitlines()[-1] == "False", words


def test_resume_withdraws_what_it_may_and_makes_jobs_ready(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    wf.enqueue("a")
    ending = ending_of(Failure("rate_limited", "later"))
    wf.queue.end(run_one(wf.queue, "w-box-1", POOL), ending, by="w-box-1")
    wf.json("pause")
    wf.json("pause", "--runtime", "shell")
    wf.spool.path("control", "pause.opencode.json").mkdir()
    code, _, err = wf("resume")
    assert code == 0
    assert "pause.opencode.json" in err
    assert os.listdir(wf.spool.folder("control")) == ["pause.opencode.json"]
    assert wf.json("spool", "ls")["jobs"][0]["ready_at"] is None


def test_a_pause_that_cannot_be_read_holds_and_says_what_to_do(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    wf.enqueue("a")
    wf.json("pause", "--for", "1h")
    unreadable(monkeypatch, "control/pause.json")
    clock = SystemClock()
    stop = control.Requests(wf.spool, clock).stop_for("shell")
    assert stop is not None
    assert stop.text().endswith("control/pause.json: Input/output error; `wf resume` withdraws it")
    wf.json("resume")
    assert control.Requests(wf.spool, clock).stop_for("shell") is None
