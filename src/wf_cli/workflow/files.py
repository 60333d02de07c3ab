"""Reading the text files of plans and epics exactly as they are on disk."""

from __future__ import annotations

from pathlib import Path

from wf_cli import fsio, sharing
from wf_cli.errors import FileTrouble, StateError


def read_text(path: Path) -> str | None:
    """The text of ``path``, line ends untouched, without a byte order mark; None when there is no such file.

    Raises StateError, naming the path, for a file that is not UTF-8 and for an error of the system. A link is
    followed, because people keep plans elsewhere. A FIFO, which an agent may make, is refused and does not block.
    """
    try:
        return _text(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise StateError(
            str(error), hint="remove it, or restore the file from version control", path=str(path)
        ) from error
    except OSError as error:
        known = sharing.explained(error, path)
        hint = known.hint if isinstance(known, FileTrouble) else None
        raise StateError(f"cannot read {path}: {known.strerror}", hint=hint, path=str(path)) from error


def need_text(path: Path) -> str:
    """`read_text` of a file that has to exist; StateError when it is missing."""
    text = read_text(path)
    if text is None:
        raise StateError(f"{path} is missing", hint="restore it from version control", path=str(path))
    return text


def _text(path: Path) -> str:
    data = fsio.read_regular(path, follow=True)
    try:
        return fsio.decode_text(data)
    except ValueError as error:
        raise StateError(
            f"{path} {str(error).removeprefix('it ')}",
            hint="save the file as UTF-8, or restore it from version control",
            path=str(path),
        ) from error
