"""Every remedy of `wf doctor` begins with a command, read from the source: the table of all findings."""

from __future__ import annotations

import ast
import errno
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import wf_cli.doctor
from support.spools import make_spool
from wf_cli.clock import SystemClock
from wf_cli.doctor.check import Check, guarded, names_a_command
from wf_cli.errors import ConfigError, FileTrouble, SpoolError, StateError, WfError
from wf_cli.spool import verify
from wf_cli.spool.findings import unreadable

FOLDER = Path(wf_cli.doctor.__file__).parent
MODULES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "check")
#: The functions that make a finding, and which of their arguments is the remedy.
MAKERS = {"warn": 2, "error": 2, "_wrong": 2, "Check": 3, "Binding": 2}


class Remedies(ast.NodeVisitor):
    """The texts that a module gives as remedies; what stands in braces is an X."""

    def __init__(self, path: Path):
        name = "wf_cli.doctor" if path.stem == "__init__" else f"wf_cli.doctor.{path.stem}"
        self._module = importlib.import_module(name)
        self._tree = ast.parse(path.read_text(encoding="utf-8"))
        self._inside: list[ast.FunctionDef] = []
        self.found: list[tuple[int, str]] = []
        self.visit(self._tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._inside.append(node)
        self.generic_visit(node)
        self._inside.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        is_maker = name in MAKERS and self._inside and self._inside[-1].name not in MAKERS
        if is_maker and len(node.args) > MAKERS[name]:
            remedy = node.args[MAKERS[name]]
            self.found += [(node.lineno, text) for text in self._texts(remedy)]
        self.generic_visit(node)

    def _texts(self, node: ast.expr) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield "".join(next(self._texts(part), "X") for part in parts)
            case ast.FormattedValue(value=ast.Name(id=name)) if hasattr(self._module, name):
                yield str(getattr(self._module, name))
            case ast.FormattedValue(value=ast.Call(func=ast.Attribute(attr=name))) if (
                self._function(name) is not None
            ):
                yield from self._returned(name)
            case ast.FormattedValue(value=ast.Name(id="remedy") as inner):
                yield from self._texts(inner)
            case ast.FormattedValue():
                yield "X"
            case ast.Name(id=name) if isinstance(getattr(self._module, name, None), str):
                yield getattr(self._module, name)
            case ast.Name(id=name):
                for at in ast.walk(self._inside[-1]):
                    if isinstance(at, ast.Assign) and name in [getattr(t, "id", "") for t in at.targets]:
                        is_same = any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(at.value))
                        yield from () if is_same else self._texts(at.value)
            case ast.Subscript(value=ast.Name(id=name)):
                yield from getattr(self._module, name).values()
            case ast.IfExp(body=one, orelse=other) | ast.BoolOp(values=[one, other]):
                yield from self._texts(one)
                yield from self._texts(other)
            case ast.Call(func=ast.Name(id="with_command"), args=[_, command]):
                yield from self._texts(command)
            case ast.Call(func=ast.Attribute(attr="get", value=ast.Name(id=name))):
                yield from getattr(self._module, name).values()
            case ast.Call(func=ast.Attribute(attr="join", value=ast.Constant())):
                pass  # The commands that an error carries as its `repair`.
            case ast.Attribute(attr="remedy"):
                pass  # Of a `Binding`, whose maker is read.
            case ast.Call(func=ast.Name(id=name)) if self._function(name) is not None:
                yield from self._returned(name)
            case _:
                raise AssertionError(f"{self._module.__name__}:{node.lineno}: how is that read? {ast.unparse(node)}")

    def _function(self, name: str) -> ast.FunctionDef | None:
        return next((n for n in ast.walk(self._tree) if isinstance(n, ast.FunctionDef) and n.name == name), None)

    def _returned(self, name: str) -> Iterator[str]:
        function = self._function(name)
        assert function is not None
        for at in ast.walk(function):
            if isinstance(at, ast.Return) and at.value is not None:
                yield from self._texts(at.value)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_each_remedy_begins_with_a_command(path: Path) -> None:
    assert [found for found in Remedies(path).found if not names_a_command(found[1])] == []


def test_the_table_is_read_at_all() -> None:
    assert sum(len(Remedies(path).found) for path in MODULES) > 45


@pytest.mark.parametrize(
    ("failure", "command"),
    [
        (
            SpoolError("the disk has no hard links", hint="put the spool elsewhere"),
            "wf config set spool.dir FOLDER: put",
        ),
        (SpoolError("gone"), "wf config set spool.dir FOLDER"),
        (ConfigError("runtimes.a: print cannot deny", hint="use protocol: acp"), "wf config check: use"),
        (StateError("x is torn", hint="repair the file", path="a b/x"), "${EDITOR:-vi} 'a b/x': repair the file"),
        (StateError("no model", hint="wf models creates it", path="x"), "wf models creates it"),
        (WfError("odd"), "wf doctor"),
        (WfError("odd", hint="run `wf spool verify --fix`"), "run `wf spool verify --fix`"),
        (FileTrouble(errno.EACCES, "denied", Path("x"), hint="as ann: chmod g+w x"), "as ann: chmod g+w x"),
        (FileTrouble(errno.ENOLCK, "no locks", Path("x"), hint="mount it with locks"), "ls -ld x; df -h x"),
        (OSError(errno.EIO, "I/O error", "x"), "ls -ld x; df -h x"),
    ],
)
def test_what_a_check_raises_has_a_command_too(failure: Exception, command: str) -> None:
    def look() -> list[Check]:
        raise failure

    (found,) = guarded("it", look)
    assert found.remedy is not None
    assert found.remedy.startswith(command)
    assert names_a_command(found.remedy)


@pytest.mark.parametrize("text", ["none needed", "look at the file", "fine if you wrote it by hand", "log in first"])
def test_advice_is_no_command(text: str) -> None:
    assert not names_a_command(text)


def test_findings_of_a_spool_carry_a_command_until_they_are_repaired(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    (spool.root / "jobs" / "stray").write_text("")
    (found,) = verify.verify(spool, SystemClock())
    assert found.to_json()["remedy"] == "wf spool verify --fix"
    (found,) = verify.verify(spool, SystemClock(), fix=True)
    assert found.to_json()["remedy"] is None
    lost = unreadable(spool, spool.root / "jobs" / "a b.json", OSError(errno.EIO, "I/O error"))
    assert lost.remedy.startswith(f"ls -ld '{spool.root}/jobs/a b.json'")
    assert names_a_command(lost.remedy)
