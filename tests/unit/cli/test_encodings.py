"""Files that people write: a byte order mark is read, UTF-16 is refused with its path and what helps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.projects import Cli, make_epic, make_plan, make_session

#: What is read, and a command that reads it.
FILES = {
    "plans/01-a/state.json": ("context", "01"),
    "plans/01-a/todo.md": ("todo", "list", "01"),
    "plans/01-a/review.md": ("verify", "01"),
    "epics/01-big/state.json": ("epic", "status", "01"),
    "epics/01-big/epic.md": ("epic", "validate", "01"),
    ".cursor/session/state.json": ("models",),
    "wf.config.json": ("config", "check"),
    "plans.json": ("epic", "plans", "set", "01", "--from", "plans.json"),
    "jobs.jsonl": ("enqueue", "--from", "jobs.jsonl"),
}


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    make_session(tmp_path)
    make_plan(tmp_path)
    epic = make_epic(tmp_path)
    (epic / "state.json").write_text(json.dumps({"plan_ids": []}))
    (tmp_path / "wf.config.json").write_text('{"version": 1, "mode": "distributed"}')
    (tmp_path / "plans.json").write_text('[{"title": "A", "goal": "Be."}]')
    (tmp_path / "jobs.jsonl").write_text('{"role": "orchestrator", "key": "a"}\n')
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("name", FILES)
def test_a_byte_order_mark_changes_nothing(wf: Cli, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith((".json", ".jsonl", "epic.md")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    else:
        before = wf(*FILES[name])
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert wf(*FILES[name]) == before
    code, _, err = wf(*FILES[name])
    assert code == 0, err


def test_an_item_behind_a_byte_order_mark_counts(wf: Cli, tmp_path: Path) -> None:
    (tmp_path / "plans/01-a/todo.md").write_bytes(b"\xef\xbb\xbf- [ ] [T9] first line\n")
    assert "T9" in wf("todo", "list", "01")[1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
@pytest.mark.parametrize("name", FILES)
def test_utf_16_is_refused_with_its_path_and_what_helps(wf: Cli, tmp_path: Path, name: str, encoding: str) -> None:
    path = tmp_path / name
    path.write_bytes(path.read_text().encode(encoding))
    code, out, err = wf(*FILES[name])
    assert code != 0
    assert name in out + err
    assert "UTF-16" in out + err
    assert "save it as UTF-8" in out + err


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_utf_16_without_a_latin_letter_is_recognised_by_its_mark(
    wf: Cli, tmp_path: Path, mark: bytes, encoding: str
) -> None:
    """No byte of it is zero, as those of plain words are."""
    data = mark + "计划说明".encode(encoding)
    assert b"\0" not in data
    (tmp_path / "plans/01-a/todo.md").write_bytes(data)
    code, _, err = wf("todo", "list", "01")
    assert code != 0
    assert "UTF-16" in err


BAD = {"half": '"\\ud800"', "key": '{"\\udc00": 1}', "nan": "NaN", "infinity": "[-Infinity]", "float": "1e999",
       "int": "9" * 400, "digits": "9" * 5000, "twice": '{"a": {"b": 1, "b": 2}}'}  # fmt: skip


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
def test_what_could_not_be_printed_again_is_refused_with_file_and_line(wf: Cli, tmp_path: Path, value: str) -> None:
    (tmp_path / "jobs.jsonl").write_text(
        f'{{"role": "orchestrator", "key": "a"}}\n{{"role": "orchestrator", "key": "b", "payload": {value}}}\n'
    )
    code, _, err = wf("enqueue", "--from", "jobs.jsonl")
    assert code == 2
    assert "jobs.jsonl:2: " in err
    assert "hint: " in err
    code, _, _ = wf("enqueue", "--role", "orchestrator", "--key", "b", "--payload", value)
    assert code == 2
    assert "a" not in wf("spool", "ls")[1].split()


@pytest.mark.parametrize("field", ["role", "key"])
def test_half_a_surrogate_pair_in_a_name_is_refused(wf: Cli, tmp_path: Path, field: str) -> None:
    job = {"role": "orchestrator", "key": "a", field: "a\ud800"}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job))
    done = run(tmp_path, "enqueue", "--from", "jobs.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: jobs.jsonl:1: ")
    names = {"role": "orchestrator", "key": "a", field: "a\udcff"}
    done = run(tmp_path, "enqueue", "--role", names["role"], "--key", names["key"])
    assert (done.returncode, b"internal" in done.stderr) == (2, False)


def test_bytes_that_are_no_text_in_a_reason_do_not_end_up_in_json(wf: Cli, tmp_path: Path) -> None:
    assert wf("enqueue", "--role", "orchestrator", "--key", "a")[0] == 0
    for words in (("hold", "a"), ("release", "a"), ("pause",), ("worker", "drain", "all"), ("cancel", "a")):
        done = run(tmp_path, *words, "--reason", "caf\udce9")
        assert done.returncode == 0, (words, done.stderr)
    for words in (("events", "--json"), ("spool", "show", "a", "--json"), ("worker", "ls", "--json")):
        done = run(tmp_path, *words)
        assert done.returncode == 0, (words, done.stderr)
        for line in done.stdout.splitlines() if words[0] == "events" else [done.stdout]:
            json.dumps(json.loads(line), ensure_ascii=False).encode()  # Raises for half of a pair.


def run(root: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """A process, because only a process has arguments that are no text."""
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "wf_cli", *words]
    return subprocess.run(command, cwd=root, env=environ, capture_output=True, timeout=60, check=False)
