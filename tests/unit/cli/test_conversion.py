"""Values from the command line are converted as typer converts them, mostly without the import that this takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from wf_cli.cli.frame import conversion


def app() -> typer.Typer:
    made = typer.Typer()

    @made.command()
    def show(
        names: Annotated[list[str] | None, typer.Argument()] = None,
        number: Annotated[int | None, typer.Option(min=2, max=50)] = None,
        role: Annotated[list[str] | None, typer.Option()] = None,
    ) -> None:
        typer.echo(repr((names, number, role)))

    return made


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a", "b"],
        ["--number", "2"],
        ["--number", "50", "--role", "x", "--role", "y", "a"],
        ["--number", "51"],
        ["--number", "1"],
        ["--number", "-3"],
        ["--number", "07"],
        ["--number", " 7"],
        ["--number", "7.0"],
        ["--number", "x"],
        ["--number", "1_0"],
        ["--number", "٣"],
        ["--role", ""],
    ],
)
def test_the_light_converter_gives_what_typer_gives(words: list[str]) -> None:
    plain = typer.main.get_command(app())
    relaxed = typer.main.get_command(app())
    conversion.relax(relaxed)
    one, other = _run(plain, words), _run(relaxed, words)
    assert one == other


def _run(command, words: list[str]) -> tuple[int, str]:  # type: ignore[no-untyped-def]
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            command.main(words, prog_name="x", standalone_mode=True)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.parametrize(
    "words", [("spool", "ls", "--limit", "5"), ("spool", "show", "x"), ("retry", "x", "--dry-run")]
)
def test_common_commands_do_not_import_pydantic(tmp_path: Path, words: tuple[str, ...]) -> None:
    code = "import sys; from wf_cli.cli.main import run; run(sys.argv[1:], {}); print('pydantic' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1:] == ["False"], ran.stderr
