"""What a worker says, as JSON and in a file that is rotated under it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.box import Box
from support.running import HANG, Running
from support.wait import wait_until
from wf_cli.contract.lifecycle import Status


def objects(text: str) -> list[dict[str, Any]]:
    """The lines, each of which is one JSON object with the four keys."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(set(line) == {"ts", "level", "owner", "message"} for line in found)
    return found


def work(box: Box, *keys: str) -> None:
    """Jobs that end in one attempt: those called ``bad...`` fail."""
    box.shell('case "$1" in bad*) exit 1;; esac', retry={"max_attempts": 1})
    box.enqueue(*keys)


def watching(box: Box, *options: str) -> Running:
    """A worker that stays; what it says is not where `Box.worker` looks for its session."""
    return box.start("worker", "--runtime", "shell", "--watch", *options)


def test_each_line_is_one_json_object_with_its_session_and_level(box: Box) -> None:
    work(box, "good", "bad")
    worker = watching(box, "--log-format", "json")
    box.await_status("good", Status.SUCCEEDED)
    box.await_status("bad", Status.FAILED)
    done = worker.stop()
    assert done.code == 0, done.text
    found = objects(done.err)
    said = {line["message"]: line["level"] for line in found}
    (record,) = [box.spool.path("sessions", name) for name in box.spool.names("sessions") if name.endswith(".json")]
    assert {line["owner"] for line in found if line["message"].startswith(("good", "bad"))} == {record.stem}
    assert said["good: succeeded"] == "info"
    assert [level for message, level in said.items() if message.startswith("bad: failed")] == ["warning"]


def test_the_error_that_ends_the_command_is_one_object_too(box: Box) -> None:
    work(box, "good")
    box.ok("pause")
    done = box.wf("worker", "--runtime", "shell", "--log-format", "json")
    last = objects(done.err)[-1]
    assert (done.code, last["level"]) == (75, "error")
    assert "wf resume" in last["message"]


def test_a_file_is_appended_to_and_a_rotated_one_made_anew(box: Box) -> None:
    work(box, "one")
    file, old = box.root / "logs" / "worker.log", box.root / "logs" / "worker.log.1"
    file.parent.mkdir()
    file.write_text("before\n")
    worker = watching(box, "--log-file", str(file))
    box.await_status("one", Status.SUCCEEDED)
    wait_until(lambda: "one: succeeded" in file.read_text(), HANG, "the line of the first job")
    file.rename(old)
    box.enqueue("two")
    box.await_status("two", Status.SUCCEEDED)
    done = worker.stop()
    assert (done.code, done.err) == (0, "")
    assert old.read_text().startswith("before\n")
    assert "two: succeeded" in file.read_text()
    assert "one: succeeded" not in file.read_text()
    assert "two: succeeded" not in old.read_text()


def test_a_file_that_cannot_be_written_any_more_hands_its_lines_to_stderr_and_the_work_goes_on(box: Box) -> None:
    work(box, "one")
    folder = box.root / "logs"
    folder.mkdir()
    worker = watching(box, "--log-file", "logs/worker.log", "--log-format", "json")
    box.await_status("one", Status.SUCCEEDED)
    folder.rename(box.root / "gone")
    box.enqueue("two")
    box.await_status("two", Status.SUCCEEDED)
    wait_until(lambda: "two: succeeded" in worker.err, HANG, "the line on stderr")
    folder.mkdir()
    box.enqueue("three")
    box.await_status("three", Status.SUCCEEDED)
    done = worker.stop()
    assert done.code == 0, done.text
    assert done.err.count("error: --log-file") == 1
    assert any(line["message"] == "three: succeeded" for line in objects((folder / "worker.log").read_text()))


@pytest.mark.parametrize("kind", ["folder", "fifo", "no folder", "second name"])
def test_what_is_no_file_to_append_to_is_a_usage_error_at_once(box: Box, kind: str) -> None:
    work(box, "one")
    file: Path = box.root / "log"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "second name":
        (box.root / "other").write_text("")
        os.link(box.root / "other", file)
    else:
        file = box.root / "nowhere" / "log"
    done = box.wf("worker", "--runtime", "shell", "--log-file", str(file))
    assert (done.code, done.out) == (2, "")
    assert f"--log-file {file}" in done.err
    assert box.status("one") is Status.QUEUED


def test_a_format_that_does_not_exist_is_told(box: Box) -> None:
    work(box, "one")
    done = box.wf("worker", "--runtime", "shell", "--log-format", "xml")
    assert (done.code, done.out) == (2, "")
    assert "text, json" in done.err


def test_dispatch_that_watches_says_the_same_way_what_it_publishes(project: Box) -> None:
    project.plan_agents()
    epic = project.epic("One")
    project.ok("epic", "run", epic, env={"WF_DISTRIBUTED": "0"})  # Makes the plans, and leaves their jobs to others.
    assert project.wf("dispatch", "--log-format", "json").code == 2, "it is for --watch"
    dispatch = project.start("dispatch", "--watch", "--log-format", "json")
    wait_until(lambda: "published" in dispatch.err, HANG, "a line")
    dispatch.stop()
    assert {line["owner"] for line in objects(dispatch.err)} == {None}
    assert dispatch.out == ""
