"""Reading the text files of plans and epics exactly as they are on disk."""

from __future__ import annotations

from pathlib import Path

from wf_cli.errors import StateError


def read_text(path: Path) -> str | None:
    """The text of ``path``, line ends untouched; None when there is no such file.

    Raises StateError, naming the path, for what is not UTF-8 and for whatever the system refuses.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise StateError(
            f"{path} is not UTF-8 text (byte {error.start})",
            hint="save the file as UTF-8, or restore it from version control",
            path=str(path),
        ) from error
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}", path=str(path)) from error


def need_text(path: Path) -> str:
    """`read_text` of a file that has to be there; StateError when it is missing."""
    text = read_text(path)
    if text is None:
        raise StateError(f"{path} is missing", hint="restore it from version control", path=str(path))
    return text
