"""`wf demo` as a user sees it."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from support.box import Box

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(autouse=True)
def started(box: Box) -> None:
    """The demo ends all that it started, which the installed `wf` has to show."""
    box.forks = False


@pytest.mark.stress
def test_the_demo_completes_its_epic_and_recovers_the_killed_workers_job(box: Box) -> None:
    done = box.wf("demo", "--json", "--keep", "scratch", deadline_s=150)
    assert done.code == 0, done.text
    document = done.document
    assert (document["ok"], document["end"], document["findings"]) == (True, "completed", [])
    assert {job["status"] for job in document["jobs"]} == {"succeeded"}
    assert document["recovered"] in {job["job_id"] for job in document["jobs"]}
    recovered = next(job for job in document["jobs"] if job["job_id"] == document["recovered"])
    assert [attempt["status"] for attempt in recovered["attempts"]] == ["lost", "succeeded"]
    assert any("-fix-" in job["job_id"] for job in document["jobs"]), "one plan is rejected once"
    assert document["commits"] > 3
    assert (box.root / "scratch" / "epics").is_dir()
    assert "kill -9" in done.err
    assert box.processes() == []


def test_ctrl_c_in_the_middle_of_the_demo_leaves_no_process_behind(box: Box) -> None:
    demo = box.start("demo", "--keep", "scratch")
    demo.says("running, attempt 1 by")
    assert len(box.processes()) > 3
    os.killpg(demo.pid, signal.SIGINT)  # what a terminal does
    done = demo.ended()
    assert done.code == 130, done.text
    assert "Traceback" not in done.err
    assert box.processes() == []


def test_a_second_ctrl_c_while_the_demo_ends_leaves_no_process_behind(box: Box) -> None:
    demo = box.start("demo", "--keep", "scratch")
    demo.says("running, attempt 1 by")
    os.killpg(demo.pid, signal.SIGINT)
    os.killpg(demo.pid, signal.SIGINT)
    demo.ended()
    assert "Traceback" not in demo.err
    box.await_empty()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
def test_a_demo_that_is_killed_takes_its_workers_and_agents_with_it(box: Box) -> None:
    demo = box.start("demo", "--keep", "scratch")
    demo.says("running, attempt 1 by")
    demo.kill()
    box.await_empty()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_demo_whose_terminal_is_closed_ends_its_workers(box: Box, number: int) -> None:
    demo = box.start("demo")
    demo.says("running, attempt 1 by")
    demo.signal(number)
    done = demo.ended()
    assert done.code == 130, done.text
    assert "Traceback" not in done.err
    assert box.processes() == []
    assert list(box.tmp.iterdir()) == [], "the scratch folder is gone too"


def test_the_demo_refuses_a_folder_that_is_not_empty(box: Box) -> None:
    (box.root / "scratch").mkdir()
    mine = box.root / "scratch" / "mine.txt"
    mine.write_text("keep me")
    done = box.wf("demo", "--json", "--keep", "scratch")
    assert done.code != 0
    assert done.document["ok"] is False
    assert "not empty" in done.document["message"]
    assert [p.name for p in (box.root / "scratch").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("words", [("--plans", "0"), ("--plans", "x"), ("--runtime", "cursor"), ("--frobnicate",)])
def test_bad_options_of_the_demo_are_told_before_anything_is_made(box: Box, words: tuple[str, ...]) -> None:
    done = box.wf("demo", "--keep", "scratch", *words)
    assert done.code == 2, done.text
    assert not (box.root / "scratch").exists()


def test_the_demo_without_git_says_so(box: Box) -> None:
    empty = box.home / "bin"
    empty.mkdir()
    done = box.wf("demo", "--keep", "scratch", env={"PATH": str(empty)})
    assert done.code == 1, done.text
    assert "git" in done.err
    assert "Traceback" not in done.err
