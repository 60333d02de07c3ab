"""What a configuration's text means is kept, and counts for that text and for nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wf_cli.config import document, load, read_once
from wf_cli.errors import ConfigError

TEXT = "version: 1\nmode: distributed\nlease: {duration: 30s}\nepic: {max_iterations: 5}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "wf.config.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {"HOME": str(tmp_path / "home")}


def kept(environ: Mapping[str, str]) -> list[Path]:
    return sorted((Path(environ["HOME"]) / ".cache" / "wf" / "config").iterdir())


def same(one: document.Document, other: document.Document) -> bool:
    return (one.path, one.text, one.value, one.lines) == (other.path, other.text, other.value, other.lines)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "",
        "# nothing\n",
        "a: 1.5\nb: [1, {c: true}]\n\"d.e\": ~\nf: 'text'\n",
        "a: !!float nan\n",
        'ä: ö\n"\\ud83d": x\n',
        "a: " + "9" * 400 + "\n",
    ],
)
def test_the_second_look_says_what_the_first_said(file: Path, environ: Mapping[str, str], text: str) -> None:
    file.write_text(text)
    real = document.read(file)
    for _ in range(2):
        seen = read_once.document(file, environ)
        assert str(seen.value) == str(real.value)
        assert seen.lines == real.lines


def test_the_second_command_imports_no_yaml(file: Path, environ: Mapping[str, str]) -> None:
    code = (
        "import os, sys; from pathlib import Path; from wf_cli.config import load;"
        "print(load.load(Path(sys.argv[1]), os.environ).config.mode, 'yaml' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(file.parent)], env=environ, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert said == [["distributed", "True"], ["distributed", "False"]]


def test_a_text_of_the_same_length_and_time_is_another(file: Path, environ: Mapping[str, str]) -> None:
    read_once.document(file, environ)
    before = file.stat()
    file.write_text(TEXT.replace("version: 1", "version: 2"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_once.document(file, environ).value["version"] == 2


def spoiled(change: dict[str, Any]) -> Any:
    def spoil(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return spoil


LIE = {"value": {"mode": "command"}}


@pytest.mark.parametrize(
    "spoil",
    [
        spoiled({**LIE, "text": "another text with the same name\n"}),
        spoiled({**LIE, "reader": ["elsewhere", 1, 1]}),
        spoiled({"value": "no mapping"}),
        spoiled({"lines": [["a", "b"]]}),
        spoiled({"lines": 7}),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: (spoiled(LIE)(path), path.chmod(0o622)),
        lambda path: (path.rename(path.with_name("real")), path.symlink_to("real")),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_kept_file_that_does_not_fit_counts_for_nothing(file: Path, environ: Mapping[str, str], spoil: Any) -> None:
    real = read_once.document(file, environ)
    spoil(kept(environ)[0])
    assert same(read_once.document(file, environ), real)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_kept_file_of_another_user_counts_for_nothing(file: Path, environ: Mapping[str, str]) -> None:
    read_once.document(file, environ)
    spoiled(LIE)(kept(environ)[0])
    assert read_once.document(file, environ).value == LIE["value"], "so the lie is told when it is one's own"
    os.chown(kept(environ)[0], 4711, 4711)
    assert read_once.document(file, environ).value["mode"] == "distributed"


def test_what_is_broken_is_said_each_time_and_not_kept(file: Path, environ: Mapping[str, str]) -> None:
    file.write_text("a: [\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="not valid YAML"):
            read_once.document(file, environ)
    assert not (Path(environ["HOME"]) / ".cache").exists()


@pytest.mark.parametrize("home", ["", "relative", "/proc/nowhere", "/dev/null"])
def test_without_room_for_a_cache_the_file_is_read_each_time(file: Path, home: str) -> None:
    for _ in range(2):
        assert load.load(file.parent, {"HOME": home}).config.mode == "distributed"


def test_so_many_texts_are_kept_and_only_for_their_user(file: Path, environ: Mapping[str, str]) -> None:
    for n in range(read_once.MOST + 5):
        file.write_text(f"version: 1\n# {n}\n")
        read_once.document(file, environ)
    assert len(kept(environ)) == read_once.MOST
    assert {path.stat().st_mode & 0o777 for path in kept(environ)} == {0o600}
    assert kept(environ)[0].parent.stat().st_mode & 0o777 == 0o700


def test_an_edit_has_the_nodes_of_a_text_that_is_kept(file: Path, environ: Mapping[str, str]) -> None:
    read_once.document(file, environ)
    assert document.read(file).node is not None
