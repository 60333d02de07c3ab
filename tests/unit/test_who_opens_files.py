"""No module but fsio, locks and proc opens a path of the spool: the check that `make check` runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support import check_opens


def test_no_module_opens_files_by_itself() -> None:
    assert check_opens.problems() == []


@pytest.mark.parametrize(
    "code",
    [
        "open(path)", "with open(path, 'ab') as file: pass", "os.open(path, os.O_RDONLY)", "io.open(path)",
        "path.open()", "path.open('a', encoding='utf-8')", "path.open(mode='rb')", "path.read_text()",
        "(folder / name).read_bytes()", "Path(name).read_text()", "path.write_text('x')", "path.write_bytes(b'x')",
        "path.touch()", "path.mkdir(exist_ok=True)", "os.mkdir(path)", "os.makedirs(path)", "shutil.copyfile(a, b)",
        "from os import open as quick",
    ],
)  # fmt: skip
def test_every_way_to_open_a_path_is_found(code: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(code)
    assert [line for line in check_opens.problems(tmp_path) if "module.py:1:" in line]


@pytest.mark.parametrize(
    "code",
    ["os.stat(path)", "os.rename(a, b)", "os.listdir(folder)", "path.exists()", "path.is_dir()", "path.stat()",
     "spool.folder('tmp').iterdir()", "path.unlink()"],
)  # fmt: skip
def test_every_way_to_reach_a_name_of_a_spool_by_its_path_is_found(code: str, tmp_path: Path) -> None:
    for package in ("spool", "assets"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "module.py").write_text(code)
    found = [line for line in check_opens.problems(tmp_path) if "module.py:1:" in line]
    assert len(found) == 1
    assert "spool/module.py" in found[0], "elsewhere a path may go through links"


@pytest.mark.parametrize("code", ["fsio.open_regular(path)", "Gate.open(launch, root=root)", "files.read_text(path)"])
def test_what_only_sounds_so_is_left_alone(code: str) -> None:
    assert list(check_opens.openings(ast.parse(code))) == []


def test_what_is_allowed_for_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "schema.py").write_text("")
    assert any("ALLOWED names schema.py" in line for line in check_opens.problems(tmp_path))
