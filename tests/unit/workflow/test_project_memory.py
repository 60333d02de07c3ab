"""Brief, log and recap."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from wf_cli.errors import UsageError
from wf_cli.workflow import project_memory
from wf_cli.workflow.project import Project


def test_quirk_19_lines_nobody_understands_stay_in_the_log(tmp_path: Path) -> None:
    project = Project(tmp_path)
    memory = project_memory.memory_of(project)
    memory.directory.mkdir()
    known = '{"timestamp":"2021-01-02T03:04:05.000Z","summary":"old","mine":{"kept":true}}'
    memory.log_jsonl.write_text(f"not json\n{known}\n[1]\n")
    project_memory.add_entry(project, memory, "new")
    lines = memory.log_jsonl.read_text().splitlines()
    assert lines[:3] == ["not json", known, "[1]"]
    found = project_memory.recap(memory)
    assert [entry["summary"] for entry in found.entries] == ["new", "old"]
    assert found.total_entries == 2


def test_the_log_keeps_500_entries_and_every_foreign_line(tmp_path: Path) -> None:
    project = Project(tmp_path)
    memory = project_memory.memory_of(project)
    memory.directory.mkdir()
    rows = [json.dumps({"timestamp": "t", "summary": f"s{n}"}) for n in range(600)]
    memory.log_jsonl.write_text("\n".join(["foreign", *rows]) + "\n")
    project_memory.add_entry(project, memory, "new")
    lines = memory.log_jsonl.read_text().splitlines()
    assert len(lines) == 501
    assert lines[0] == "foreign"
    assert project_memory.recap(memory, 50).total_entries == 500
    assert memory.log_md.read_text().count("\n## ") == 100


def test_quirk_02_parallel_entries_are_all_kept(tmp_path: Path) -> None:
    project = Project(tmp_path)
    memory = project_memory.memory_of(project)
    threads = [threading.Thread(target=project_memory.add_entry, args=(project, memory, f"e{n}")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert project_memory.recap(memory, 50).total_entries == 12


@pytest.mark.parametrize(
    ("text", "name"),
    [("  Mobile App ", "mobile-app"), ("a/../b", "a-..-b"), ("---", None), ("", None), ("///", None), ("é", None)],
)
def test_scopes(text: str, name: str | None) -> None:
    assert project_memory.scope_name(text) == name


@pytest.mark.parametrize("text", [".", "..", " .. ", "/../"])
def test_quirk_27_a_scope_cannot_leave_its_folder(text: str) -> None:
    with pytest.raises(UsageError, match="no scope name"):
        project_memory.scope_name(text)


def test_a_brief_is_read_back_and_line_breaks_stay_out_of_its_markdown(tmp_path: Path) -> None:
    project = Project(tmp_path)
    memory = project_memory.memory_of(project, "App")
    project_memory.write_brief(project, memory, "  a\nb ", product=" ", users="u", constraints=["x\n- y"])
    found = project_memory.recap(memory).brief
    assert found is not None
    assert (found["summary"], found["users"], "product" in found) == ("a\nb", "u", False)
    assert memory.brief_md.read_text().splitlines()[3:] == [
        "- summary: a b",
        "- users: u",
        "- constraints:",
        "  - x - y",
    ]


@pytest.mark.parametrize("brief", ["{", "[]", "{}", '{"summary": " "}', '{"summary": 5}'])
def test_an_unreadable_brief_reads_as_none(tmp_path: Path, brief: str) -> None:
    memory = project_memory.memory_of(Project(tmp_path))
    memory.directory.mkdir()
    memory.brief_json.write_text(brief)
    assert project_memory.recap(memory).brief is None
