"""A person's file that is a symbolic link stays one: what wf changes is the file at its end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.projects import SECTION, Cli, make_epic, make_plan, make_session
from wf_cli import fsio
from wf_cli.assets import registrations
from wf_cli.errors import StateError

COMMANDS = [
    ("config", "set", "retry.max_attempts", "7"),
    ("config", "set", "auto-workers", "on"),
    ("config", "set", "distributed", "on"),
    ("config", "set", "distributed", "off"),
    ("set-model", "gpt-5.2"),
    ("todo", "implemented", "01", "T1", "--test", "make", "--output", "ok"),
    ("finish-code", "01"),
    ("review", "01"),
    ("todo", "accept", "01", "T1"),
    ("todo", "reject", "01", "T1", "--reason", "no"),
    ("fix", "01"),
    *((word, text) for text in ("one", "two") for word in ("log", "project")),
    ("plan", "renumber", "01-a"),
]


def project(root: Path) -> Path:
    root.mkdir()
    make_plan(root, todo="- [ ] [T1] first\n", evidence="# Evidence\n", review=f"# Review\n\n## T1\n{SECTION}\n")
    make_epic(root, "- nothing\n")
    make_session(root)
    (root / "wf.config.yaml").write_text("# mine\nversion: 1\nmode: command # why\nretry: {max_attempts: 3}\n")
    return root


MARK = b"\xef\xbb\xbf"
KEPT = [
    "wf.config.yaml",
    ".wf+runtime.json",
    ".cursor+session+state.json",
    *(f".wf+project-{name}" for name in ("brief.json", "brief.md", "memory.jsonl", "memory.md")),
    *(f"plans+01-a+{name}" for name in ("state.json", "todo.md", "evidence.md", "review.md")),
]


def files(root: Path) -> dict[str, Path]:
    """The files that keep what a person or a command said; not locks, and not copies made from something else."""
    found = [path for path in root.rglob("*") if path.is_file()]
    names = {path.relative_to(root).as_posix(): path for path in found}
    return {name: path for name, path in names.items() if "/locks/" not in name and "/agents/" not in name}


def test_every_file_that_a_command_changes_may_be_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(tmp_path / "project")
    away = tmp_path / "away"
    away.mkdir()
    changed = set()
    for words in COMMANDS:
        for name, path in files(root).items():  # Also those that the last command made.
            if not path.is_symlink():
                target = away / name.replace("/", "+")
                shutil.move(path, target)
                target.chmod(0o640)
                path.symlink_to(target)
        before = {path: path.read_bytes() for path in away.iterdir()}
        links = [path for path in files(root).values() if path.is_symlink()]
        wf = Cli(root, monkeypatch, capsys)
        code, _, err = wf(*words)
        assert code == 0, (words, err)
        assert [path for path in links if path.exists() and not path.is_symlink()] == [], words
        changed |= {path.name for path, data in before.items() if path.read_bytes() != data}
        assert {path.stat().st_mode & 0o777 for path in before} == {0o640}, words
    assert changed >= set(KEPT)


def test_every_file_that_a_command_changes_keeps_its_byte_order_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An editor on Windows wrote it, and would take a file without one for the system's own encoding."""
    root = project(tmp_path / "project")
    changed = set()
    for words in COMMANDS:
        for path in files(root).values():
            if not path.read_bytes().startswith(MARK):
                path.write_bytes(MARK + path.read_bytes())
        before = {name: path.read_bytes() for name, path in files(root).items()}
        code, _, err = Cli(root, monkeypatch, capsys)(*words)
        assert code == 0, (words, err)
        after = {name: path.read_bytes() for name, path in files(root).items()}
        assert [name for name in before if name in after and not after[name].startswith(MARK)] == [], words
        assert [name for name, data in after.items() if data.count(MARK) > 1] == [], words
        changed |= {name.replace("/", "+") for name, data in before.items() if after.get(name) != data}
    assert changed >= set(KEPT)


@pytest.mark.parametrize(
    ("old", "mark"), [(MARK + b"x", MARK), (MARK, MARK), (b"x", b""), (b"\xef\xbb", b""), (None, b"")]
)
def test_a_mark_is_kept_and_never_made(tmp_path: Path, old: bytes | None, mark: bytes) -> None:
    path = tmp_path / "a"
    if old is not None:
        path.write_bytes(old)
    fsio.write_through(path, "new")
    assert path.read_bytes() == mark + b"new"
    fsio.write_through(path, "\ufeffnew")
    assert path.read_bytes() == MARK + b"new"


def test_config_set_keeps_the_link_the_mode_and_the_line_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = tmp_path / "dotfiles" / "wf"
    real.parent.mkdir()
    real.write_bytes(b"version: 1\r\nmode: command # why\r\n")
    real.chmod(0o600)
    root = tmp_path / "project"
    root.mkdir()
    (root / "wf.config.yaml").symlink_to("../dotfiles/wf")
    assert Cli(root, monkeypatch, capsys)("config", "set", "mode", "distributed")[0] == 0
    assert os.readlink(root / "wf.config.yaml") == "../dotfiles/wf"
    assert real.read_bytes() == b"version: 1\r\nmode: distributed # why\r\n"
    assert real.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in real.parent.iterdir()] == ["wf"]


def test_an_editors_file_keeps_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "opencode.json"
    path.write_bytes(b'{\r\n  "a": 1\r\n}\r\n')
    registrations.register(tmp_path)
    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 3
    assert data.startswith(b'{\r\n  "a": 1,\r\n  "mcp": {\r\n')


def test_a_link_to_a_file_that_is_missing_makes_it(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    fsio.write_through(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").read_text() == "x"


@pytest.mark.parametrize(
    ("target", "why"), [("a", "in a circle"), ("no/such", "there is no folder"), ("fifo", "no regular file")]
)
def test_a_link_to_what_cannot_be_replaced_is_refused_and_named(tmp_path: Path, target: str, why: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a").symlink_to(target)
    with pytest.raises(StateError, match=f"a is a link to {target}, and .*{why}"):
        fsio.write_through(tmp_path / "a", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "fifo"]


def test_a_link_in_the_spool_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "record").symlink_to("precious")
    fsio.write_atomic(tmp_path / "record", "new")
    assert not (tmp_path / "record").is_symlink()
    assert (tmp_path / "precious").read_text() == "mine"
