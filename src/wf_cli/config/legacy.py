"""``.wf/runtime.json``, the switches of the contract's ``wf config``: read, created and set.

``{"version": 1, "distributed": bool, "auto_start_workers": bool}``. Only a literal ``true`` is on. A missing file
means that all is off, and reading does not create it. Keys that this module does not know survive a change.
`wf_cli.config.mode.is_distributed` decides whether the distributed mode is on, because other sources count too.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Any

from wf_cli import ecmascript, fsio
from wf_cli.errors import UsageError
from wf_cli.frozen import frozen

VERSION = 1

#: The names of the switches on the command line, and their keys in the file.
SWITCHES = {"distributed": "distributed", "auto-workers": "auto_start_workers"}

_WORDS = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


@frozen
class Runtime:
    """The switches in the file; ``raw`` is its whole content."""

    distributed: bool = False
    auto_start_workers: bool = False
    raw: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The keys that this module knows, as the file has them."""
        return {
            "version": VERSION,
            "distributed": self.distributed,
            "auto_start_workers": self.auto_start_workers,
        }


def runtime_path(root: Path) -> Path:
    """Where the file is, or would be."""
    return root / ".wf" / "runtime.json"


def load_runtime(root: Path) -> Runtime:
    """The switches now; StateError for a malformed file."""
    raw = fsio.read_json_object(runtime_path(root)) or {}
    return Runtime(raw.get("distributed") is True, raw.get("auto_start_workers") is True, raw)


def save_runtime(root: Path, runtime: Runtime) -> None:
    """Write the file. The caller has held the project's lock ``config`` since it read the file."""
    fsio.write_json(runtime_path(root), {**runtime.raw, **runtime.as_json()})


def with_switch(runtime: Runtime, switch: str, *, on: bool) -> Runtime:
    """``runtime`` with one of `SWITCHES` turned on or off; UsageError for another name."""
    if switch not in SWITCHES:
        raise UsageError(f"unknown setting: {switch!r}", hint=f"known are {', '.join(SWITCHES)}")
    values = {key: getattr(runtime, key) for key in SWITCHES.values()} | {SWITCHES[switch]: on}
    return Runtime(**values, raw=runtime.raw)


def parse_switch(text: str) -> bool:
    """``1 true yes on`` or ``0 false no off`` in any case; UsageError for anything else."""
    try:
        return _WORDS[ecmascript.trim(text).lower()]
    except KeyError:
        raise UsageError(f"{text!r} is neither on nor off", hint=f"use one of {', '.join(_WORDS)}") from None
