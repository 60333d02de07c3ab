"""Generated names and contents for every folder of a spool, drawn by a seed."""

from __future__ import annotations

import json
import os
import random
import socket
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wf_cli.contract.lifecycle import DIRECTORIES
from wf_cli.spool.layout import FOLDERS

#: What a value of a record may be. Numbers beyond every bound, text that acts on a terminal, paths, wrong types.
VALUES: tuple[Any, ...] = (
    0, -1, 1, 2, 10**6, 10**13, 2**31, 2**63, 10**40, -(10**40), 1e40, 1e308, 0.5, float("inf"), float("nan"), True,
    False, None, "", "x", "0", "\x1b]0;title\x07", "\x1b[2J", "\u009b31m", "\u202eevil", "a\nb\r\n", "\ud800",
    "x" * 5000, "--force", "-rf", "../../../etc/passwd", "/etc/passwd", "$(touch /tmp/wf-was-here)",
    "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "10000-01-01T00:00:00Z", [], {}, [[]], [1, "a", None],
    {"a": {"b": []}}, {"\x1b[31m": "\u202e"}, "e01-p01-i0-code-coder",
)  # fmt: skip
#: Jobs of the spool as it is before; names that meet them are the interesting ones.
JOBS = ("good", "waits", "held", "done", "dead", "taken", "runs", "other", "e01-p01-i0-code-plan-coder", "x" * 96)
OWNERS = ("w-box-1", "v-box-1", "dead-box-1", "x" * 48)
STATUSES = ("succeeded", "failed", "cancelled", "lost", "running", "x")
ODD = (
    b"\x1b[31m", b"\xff\xfe", "\u202e".encode(), "\u009b".encode(), b"\n", b" ", b"..", b"-rf", b";", b"$(id)",
    b"sync-conflict", b"(conflicted copy)", b".part", b".tmp", b"~", "ﬁ".encode(), b".json",
)  # fmt: skip


class Hostile:
    """Makes entries. ``templates`` has the texts of true records by folder; ``outside`` is nobody's to touch."""

    def __init__(self, rng: random.Random, templates: dict[str, list[bytes]], outside: Path):
        self._rng = rng
        self._templates = templates
        self._outside = outside

    def plant(self, root: Path) -> str | None:
        """One entry, somewhere in the spool; what and where, None when it could not be made."""
        rng = self._rng
        folder = rng.choice((*FOLDERS, "archive/quarantine", ""))
        name = self.name(folder)
        kind = rng.choices(
            ("file", "link", "folder", "fifo", "socket", "second name", "dangling", "loop"),
            (80, 5, 4, 3, 1, 4, 2, 1),
        )[0]
        place = os.fsencode(root / folder)
        path = place + b"/" + name
        try:
            os.makedirs(place, exist_ok=True)
            if rng.random() < 0.5 and os.path.lexists(path) and not os.path.isdir(path):
                os.unlink(path)
            self._make(kind, path, folder)
        except (OSError, ValueError):
            return None
        return f"{kind} {folder}/{name!r}"

    def _make(self, kind: str, path: bytes, folder: str) -> None:
        match kind:
            case "file":
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
                with os.fdopen(fd, "wb") as file:
                    file.write(self.content(folder))
            case "link":
                os.symlink(os.fsencode(self._rng.choice((self._outside, self._outside / "diary"))), path)
            case "dangling":
                os.symlink(os.fsencode(self._outside / "not there"), path)
            case "loop":
                os.symlink(os.path.basename(path), path)
            case "folder":
                os.mkdir(path)
                if self._rng.random() < 0.5:
                    os.mkdir(path + b"/inside")
            case "fifo":
                os.mkfifo(path)
            case "socket":
                here = os.getcwd()
                os.chdir(os.path.dirname(path))  # The name of a socket may have 107 bytes only.
                try:
                    with socket.socket(socket.AF_UNIX) as made:
                        made.bind(os.path.basename(path))
                finally:
                    os.chdir(here)
            case "second name":
                names = sorted(os.listdir(os.path.dirname(path)))
                if names:
                    os.link(os.path.dirname(path) + b"/" + self._rng.choice(names), path, follow_symlinks=False)

    # -- names

    def name(self, folder: str) -> bytes:
        """A name: of the folder's grammar mostly, and often with a fault."""
        rng = self._rng
        if rng.random() < 0.05:
            return bytes(rng.choices(range(1, 256), k=rng.randint(1, 255))).replace(b"/", b"_")
        name = self._proper(folder).encode()
        if rng.random() < 0.25:
            at = rng.randint(0, len(name))
            name = name[:at] + rng.choice(ODD) + name[at + rng.randint(0, 2) :]
        return name[:255] or b"x"

    def _proper(self, folder: str) -> str:
        rng = self._rng
        job, owner = rng.choice(JOBS), rng.choice(OWNERS)
        attempt = rng.choice((0, 1, 1, 1, 2, 3, 999_998, 999_999))
        if folder in DIRECTORIES:
            return self.token(folder)
        nonce = rng.randbytes(8).hex()
        makers: dict[str, Callable[[], str]] = {
            "tmp": lambda: rng.choice((f"{self.token('queued')}.{nonce}", f"{nonce}.part")),
            "jobs": lambda: f"{job}.json",
            "started": lambda: f"{job}.a{attempt}.json",
            "outcomes": lambda: f"{job}.a{attempt}{rng.choice(('', '', f'.{owner}.late'))}.json",
            "leases": lambda: f"{owner}.lease",
            "sessions": lambda: f"{owner}{rng.choice(('.json', '.json', '.gone'))}",
            "control": lambda: rng.choice(
                ("pause", "pause.opencode", "cooldown.opencode", f"drain.{owner}", "drain.all",
                 f"fresh.{job}.a{attempt}", f"desk.{owner}", f"sign.{owner}")
            ) + ".json",
            "locks": lambda: rng.choice((f"{job}.lock", "checkout.0.slot", "verify.lock", "topology.lock")),
            "log": lambda: f"{owner}.jsonl",
            "transcripts": lambda: f"{job}.a{attempt}.log",
            "outbox": lambda: f"1764000000000-{nonce}.json",
            "notified": lambda: f"{rng.choice(('epic-01-started', 'epic-01-blocked', 'event'))}-{nonce}.json",
            "": lambda: rng.choice(("evil.sh", "queued.old", ".gitignore", "new", "VERSION.1", "lost+found")),
        }  # fmt: skip
        return makers.get(folder, lambda: "".join(rng.choices(string.ascii_lowercase, k=8)))()

    def token(self, folder: str) -> str:
        rng = self._rng
        last = ""
        if folder in ("claimed", "running"):
            last = f".{rng.choice(OWNERS)}"
        elif folder in ("done", "dead", "archive"):
            last = f".{rng.choice(STATUSES)}"
        time = rng.choice(
            ("0000000000000", "1764000000000", "1764000030000d30", "9999999999999", "9999999999999d999999999")
        )
        pool = rng.choice(("coder@opencode", "coder@opencode", "reviewer@cursor", "c@" + "r" * 46))
        attempt, burned = (rng.choice((0, 0, 1, 1, 2, 999_998, 999_999)) for _ in range(2))
        budget = rng.choice((1, 3, 3, 999_999, 0))
        return f"{rng.randint(0, 9)}.{time}.{rng.choice(JOBS)}.{pool}.a{attempt}b{burned}of{budget}{last}.json"

    # -- contents

    def content(self, folder: str) -> bytes:
        rng = self._rng
        shape = rng.random()
        if shape < 0.7:
            kinds = self._templates.get(folder) or []
            if not kinds or rng.random() < 0.1:
                kinds = [text for texts in self._templates.values() for text in texts]
            text = rng.choice(kinds)
            return text if rng.random() < 0.2 else self._changed(text)
        if shape < 0.8:
            return rng.choice((b"", b"{", b"[]", b"null", b"{}", b"0", b'"x"', b"[" * 100_000, b'{"a":' * 30_000))
        if shape < 0.9:
            return json.dumps(rng.choice(VALUES)).encode()
        if shape < 0.905:
            return b'{"a": "' + b"x" * 5_000_000 + b'"}'
        return rng.randbytes(rng.randint(0, 400))

    def _changed(self, text: bytes) -> bytes:
        rng = self._rng
        try:
            value = json.loads(text)
        except ValueError:
            at = rng.randint(0, len(text))
            return text[:at] + rng.choice(ODD) + text[at:]
        for _ in range(rng.randint(1, 3)):
            value = self._with_a_fault(value)
        changed = json.dumps(value).encode()
        return changed[: rng.randint(0, len(changed))] if rng.random() < 0.05 else changed

    def _with_a_fault(self, value: Any) -> Any:
        rng = self._rng
        if isinstance(value, dict) and value and rng.random() < 0.95:
            key = rng.choice(sorted(value, key=str))
            out = dict(value)
            if rng.random() < 0.1:
                del out[key]
            elif isinstance(out[key], dict | list) and rng.random() < 0.7:
                out[key] = self._with_a_fault(out[key])
            else:
                out[key] = rng.choice((*VALUES, *JOBS, *OWNERS))
            return out
        if isinstance(value, list) and value and rng.random() < 0.9:
            at = rng.randrange(len(value))
            return [*value[:at], self._with_a_fault(value[at]), *value[at + 1 :]]
        return rng.choice(VALUES)
