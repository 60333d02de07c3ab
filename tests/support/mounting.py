"""Mount tables to test with: a file in the place of the kernel's, which says that a folder is something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wf_cli import mounts


def pretend(
    monkeypatch: pytest.MonkeyPatch, folder: Path, kind: str, *, source: str = "server:/data", options: str = ""
) -> None:
    """From now on the mount table says that ``folder`` lies on a mount of the type ``kind``.

    The kernel's own table is kept, but for the type, the source and the options of the mount that ``folder`` is on.
    """
    number = mounts.of(folder).id
    assert number is not None, "these tests need Linux"
    lines = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if int(line.split(" ", 1)[0]) == number:
            line = f"{line.partition(' - ')[0]} - {kind} {source} {options or 'rw'}"
        lines.append(line)
    table = folder / f"mountinfo.{os.getpid()}.part"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(mounts, "TABLE", table)
