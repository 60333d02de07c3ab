"""Which mount a path lies in: its mount point, type, source and options.

On Linux the kernel names the mount: the id of the mount of an open folder stands in ``/proc/self/fdinfo``, and
``/proc/self/mountinfo`` describes the mount of that id. So bind mounts, mounts on top of mounts and symbolic links
cannot mislead it. Elsewhere psutil lists the mounts (macOS: getfsstat(2)) and the path decides. Where neither
is to be had, and on Windows, the type is `UNTOLD`, and nothing may be concluded from it.

The options are those that the kernel knows. What a FUSE program was told (``dir_cache`` of sshfs) is not among them.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from wf_cli import fsio
from wf_cli.frozen import frozen

#: The type of a mount that no table tells.
UNTOLD = "untold"
TABLE = Path("/proc/self/mountinfo")

_ESCAPE = re.compile(r"\\([0-7]{3})")


@frozen
class Mount:
    """One line of the mount table. Types are in small letters, FUSE types with their subtype (``fuse.sshfs``)."""

    point: str
    type: str
    source: str = ""
    #: Options of the mount and of its file system, as written: ``ro``, ``acregmax=60``.
    options: tuple[str, ...] = ()
    #: The kernel's number of the mount; None where there are no such numbers.
    id: int | None = None

    def option(self, name: str) -> str | None:
        """The value of the option ``name``; "" for one without a value, None without it. The last one counts."""
        found = [text.partition("=")[2] for text in self.options if text.partition("=")[0] == name]
        return found[-1] if found else None

    def __str__(self) -> str:
        return f"{self.type} at {self.point}"


def of(path: Path) -> Mount:
    """The mount that ``path`` lies in, or would lie in: a path that does not exist counts as its nearest parent does.

    Symbolic links are followed. Never raises: what cannot be told is `UNTOLD`.
    """
    real = os.path.realpath(path)
    number = _number(real)
    table = list(_table())
    found = next((mount for mount in table if number is not None and mount.id == number), None)
    return found or nearest(table, real)


def nearest(table: list[Mount], real: str) -> Mount:
    """The mount of ``table`` with the longest point above ``real``; the last of several on one point."""
    best = Mount("/", UNTOLD)
    for mount in table:
        inside = real == mount.point or real.startswith(mount.point.rstrip("/") + "/")
        if inside and (best.type == UNTOLD or len(mount.point) >= len(best.point)):
            best = mount
    return best


def parse(text: str) -> Iterator[Mount]:
    """The mounts in the text of a mountinfo file (proc_pid_mountinfo(5)). Lines of another form are left out.

    After six fields come optional ones, whose end is a lone hyphen; then the type, the source and the options of the
    file system. Blanks, tabs, line feeds and backslashes in a field are written as ``\\`` and three octal digits.
    """
    for line in text.split("\n"):
        fields = line.split(" ")
        try:
            rest = fields[fields.index("-", 6) + 1 :]
            options = (*fields[5].split(","), *rest[2].split(","))
            yield Mount(_plain(fields[4]), rest[0].lower(), _plain(rest[1]), options, int(fields[0]))
        except (ValueError, IndexError):
            continue


def _plain(field: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), field)


def _table() -> Iterator[Mount]:
    try:
        text = fsio.read_regular(TABLE, follow=True).decode("utf-8", "surrogateescape")
    except (OSError, ValueError):
        yield from _elsewhere()
        return
    yield from parse(text)


def _elsewhere() -> Iterator[Mount]:
    """The mounts of a system without a proc file system."""
    if sys.platform == "win32" or sys.platform.startswith("linux"):
        return
    import psutil  # Imported here, because Linux has no need of it.

    with contextlib.suppress(psutil.Error, OSError):
        for part in psutil.disk_partitions(all=True):
            yield Mount(part.mountpoint, part.fstype.lower(), part.device, tuple(part.opts.split(",")))


def _number(real: str) -> int | None:
    """The kernel's number of the mount that ``real``, or its nearest existing parent, lies in; None when untold."""
    if not hasattr(os, "O_PATH"):
        return None
    for path in (Path(real), *Path(real).parents):
        try:
            fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
        try:
            facts = fsio.read_regular(Path(f"/proc/self/fdinfo/{fd}"), follow=True).split()
            return int(facts[facts.index(b"mnt_id:") + 1])
        except (OSError, ValueError, IndexError):
            return None
        finally:
            os.close(fd)
    return None
