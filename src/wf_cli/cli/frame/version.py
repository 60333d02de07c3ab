"""`wf --version`: which wf this is. It reads no project, so it works in every folder and makes no file."""

from __future__ import annotations

from collections.abc import Sequence

from wf_cli import __version__
from wf_cli.cli.frame import output
from wf_cli.errors import UsageError

WORD = "--version"


def run(arguments: Sequence[str]) -> int:
    """Print the version, with ``--json`` as a document. Raises UsageError for other arguments."""
    wrong = [word for word in arguments if word != "--json"]
    if wrong:
        raise UsageError(f"wf {WORD} takes no {wrong[0]}", hint=f"write: wf {WORD} [--json]")
    if arguments:
        output.print_json({"ok": True, "schema_version": 1, "version": __version__})
    else:
        output.say(f"wf {__version__}")
    return 0
