"""Hostile spools: does anything crash, hang, reach outside, or run? `make fuzz`; the plain suite has a slice of it.

Each case is a spool with jobs in every state, and generated entries in every folder of it (`hostile`). Everything
that wf does to a spool is then done to it, by the library and by the commands. A case is known by its seed:
``python -m fuzz.run --seed N --cases 1`` (in ``tests/``) does it again.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fuzz.hostile import Hostile
from support.clock import FakeClock
from support.spools import POOL, SUCCESS, WATCH, Recorder, failing, make_spool, request, spool_queue
from support.trespass import Trespasses
from wf_cli.attempt.reaper import Reaper
from wf_cli.cli.main import run as wf
from wf_cli.config.model import Notify
from wf_cli.contract.event import KINDS, NoEvents
from wf_cli.errors import WfError
from wf_cli.notify.notifier import Notifier
from wf_cli.spool import control, enqueue, lease, liveness, records, retention, session, verify
from wf_cli.spool.layout import FOLDERS, Spool

#: Seconds for one action on one spool. An action that takes longer hangs.
HANGS_AFTER = 60
#: Entries of one case. Few leave the jobs of the spool as they are, many meet each other, thousands are long lists.
ENTRIES = (8, 40, 150, 600, 4000)
#: What may not come out of a command: everything but text, ends of lines and tabs.
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
#: Exit codes that docs/reference/commands.md has.
_CODES = frozenset({0, 1, 2, 3, 4, 5, 75})
#: Commands. Those that change something come last.
COMMANDS = (
    "spool ls", "spool ls --json", "spool ls --status stalled --json", "spool show good --json", "spool show dead",
    "spool show runs --json", "explain good", "explain runs --json", "explain taken", "worker ls", "worker ls --json",
    "dead ls", "dead ls --by error --json", "dead show dead", "late ls", "late ls --json", "logs dead", "events",
    "stats --by owner", "stats --json --by error", "trace done", "trace dead --format html", "trace 01 --json",
    "events --json", "logs runs --events", "spool verify", "spool verify --json", "pause --reason x", "resume",
    "hold --all --json", "release --all", "retry --all --json", "cancel --all --no-wait --json", "dead purge --all",
    "spool gc --older 0s --json", "spool verify --fix", "spool verify --fix --json", "spool purge --epic 01",
    "dispatch --dry-run", "epic status 01", "doctor --no-call", "doctor --no-call --json",
)  # fmt: skip


class Found(Exception):
    """Something that must not be."""


_alarm: list[str] = []
_spawned: list[str] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    runs = event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork")
    if _alarm and "doctor" in _alarm[-1] and args[0] == "git":
        return  # It asks about the checkout, which the case has not touched.
    if _alarm and (runs or (event == "os.kill" and args[1])):
        _spawned.append(f"{event} {args[:2]} in {_alarm[-1]}")


@contextlib.contextmanager
def limited(what: str) -> Iterator[None]:
    """The block may take `HANGS_AFTER` seconds."""

    def hangs(*_: object) -> None:
        raise Found(f"{what}: hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANGS_AFTER)
    _alarm.append(what)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        _alarm.pop()


def in_order(spool: Spool) -> None:
    """Jobs in every state, and each other kind of file."""
    queue = spool_queue(spool)
    for key in ("good", "waits", "held", "done", "dead", "taken", "runs"):
        queue.enqueue(request(key, max_attempts=1, priority=0 if key == "good" else 5, payload={"do": "work"}))
    queue.hold("held")
    queue.cancel("done", by="op-box-1")
    for key, end in (("dead", failing("crashed")), ("taken", None), ("runs", None)):
        token = queue.claim("w-box-1", (POOL,), lambda t, key=key: t.job_id == key)
        assert token is not None
        if key != "taken":
            with queue.fence(key):
                queue.start(token)
        if end is not None:
            queue.end(token, end, by="w-box-1")
    for owner in ("w-box-1", "dead-box-1"):
        stated = session.this_process(owner, "opencode", 30.0, 1_764_000_000_000)
        file = session.SessionFile(spool, stated)
        file.add_agent(session.Agent("runs", 1, f"runs.a1.{owner}", 1, "0", "session", None))
        lease.path_of(spool, owner).write_text("{}")
    control.request(spool, "pause", FakeClock(), reason="a reason", seconds=5)
    control.request(spool, "cooldown.opencode", FakeClock(), reason="a reason", seconds=5, round=1)
    verdict = {"owner": "dead-box-1", "verdict": "dead", "unchanged_s": 30.0, "by": "w-box-1", "host": "h", "at": "x"}
    spool.path("sessions", "dead-box-1.gone").write_text(json.dumps(verdict))
    spool.transcript_path("dead", 1).write_text("said\n")
    event = {"ts": "2026-11-27T00:00:00.000Z", "event": "job.claimed", "job_id": "runs", "attempt": 1, "reason": "r"}
    spool.path("log", "w-box-1.jsonl").write_text(json.dumps(event) + "\n")


def templates(spool: Spool) -> dict[str, list[bytes]]:
    """The texts of the records of a spool that is in order, by folder."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(spool.root.rglob("*")):
        if path.is_file() and path.stat().st_size:
            found.setdefault(path.parent.name, []).append(path.read_bytes())
    return found


def library(spool: Spool) -> list[tuple[str, Callable[[], object]]]:
    """What sessions do."""
    clock = FakeClock()
    queue = spool_queue(spool, clock)
    observer = liveness.Observer(spool, clock)

    def drain_queue() -> None:
        for _ in range(400):
            token = queue.claim("x-box-1", (POOL,))
            if token is None:
                return
            work(token)

    def work(token: Any) -> None:
        try:
            with queue.fence(token.job_id):
                records.token_spec(spool, token, "claimed")
                started = queue.start(token)
            if started == "go":
                queue.end(token, SUCCESS, by="x-box-1")
        except WfError:
            with contextlib.suppress(WfError, OSError):
                queue.end(token, failing("invalid_spec"), by="x-box-1")
        except OSError:
            return

    def watch() -> None:
        for owner in session.owners(spool):
            observer.verdict(owner)
            with contextlib.suppress(OSError):
                session.load(spool, owner)
                liveness.known_gone(spool, owner)
            lease.beat_age_s(spool, owner, clock.now_ms())

    def reap() -> None:
        reaper = Reaper(queue, clock, Recorder(), me="r-box-1")
        for _ in range(3):
            reaper.round()
            clock.advance(20)
        reaper.bury()

    def hand_on() -> None:
        entry = Notify(tuple(KINDS), ("no-such-program",))
        with Notifier(
            spool, [entry], owner="n-box-1", root=spool.root, environ={}, events=NoEvents(), say=lambda _: None,
            clock=clock,
        ):  # fmt: skip
            pass  # Its end looks once more.

    return [
        ("hand on", hand_on),
        ("repair", lambda: verify.repair(spool)),
        ("sweep", lambda: enqueue.sweep(spool)),
        ("requests", lambda: [stop.text() for stop in control.Requests(spool, clock).stops()]),
        ("watch", watch),
        ("reap", reap),
        ("work", drain_queue),
        ("unpark", lambda: queue.unpark(None)),
        ("enqueue", lambda: queue.enqueue(request("good"))),
        ("verify", lambda: [f.to_json() for f in verify.verify(spool, clock, fix=True, watch=WATCH)]),
        ("clean", lambda: retention.clean(spool, before_ms=10**13)),
    ]


class Case:
    """One hostile spool."""

    def __init__(self, folder: Path, seed: int):
        self.seed = seed
        self._rng = random.Random(seed)
        self._root = folder / "project"
        self._root.mkdir()
        self._outside = folder / "outside"
        self._outside.mkdir()
        (self._outside / "diary").write_text("dear diary")
        (self._root / "wf.config.json").write_text('{"version": 1, "mode": "distributed"}')
        topology = "shared" if self._rng.random() < 0.3 else "local"
        self._spool = make_spool(self._root / ".wf" / "spool", topology=topology)
        in_order(self._spool)
        hostile = Hostile(self._rng, templates(self._spool), self._outside)
        entries = self._rng.choice(ENTRIES)
        self.planted = [what for _ in range(entries) if (what := hostile.plant(self._spool.root)) is not None]
        if self._rng.random() < 0.15:
            self._link(self._spool.root / "archive" / "quarantine")
        #: Before which action a folder of the spool becomes a link.
        self._links_at = self._rng.randint(0, 30) if self._rng.random() < 0.1 else -1
        self._watch = Trespasses(self._outside)

    def _link(self, place: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(FileExistsError):
            place.symlink_to(self._outside)

    def run(self) -> int:
        """Do everything; how many actions there were. Raises Found."""
        done = 0
        shared = self._spool.version.topology == "shared"
        # On a shared spool the command waits for a whole lease. The library does the same without a wait.
        words = [line for line in COMMANDS if not (shared and line.startswith("spool verify"))]
        commands = [(f"wf {line}", lambda line=line: self._command(line)) for line in words]
        self._rng.shuffle(commands)
        session_does = library(self._spool)
        self._rng.shuffle(session_does)
        for what, do in (*session_does, *commands, *library(self._spool)):
            _spawned.clear()
            if done == self._links_at:
                self._link(self._spool.folder(self._rng.choice(FOLDERS)))
            with limited(what):
                try:
                    do()
                except (WfError, OSError):
                    pass  # An error with its path is an answer.
                except Found:
                    raise
                except BaseException as error:
                    raise Found(f"{what}: {type(error).__name__}: {error}") from error
            if seen := [one for one in self._watch.seen() if "attributes" not in one]:
                raise Found(f"{what}: outside the spool: {seen}")
            if _spawned:
                raise Found(f"{what}: ran something: {_spawned}")
            done += 1
        if not 0 <= self._links_at < done:
            with limited("a job of one's own"):
                self._work_goes_on()
        if sorted(os.listdir(self._outside)) != ["diary"] or (self._outside / "diary").read_text() != "dear diary":
            raise Found(f"outside has {os.listdir(self._outside)}")
        return done

    def _work_goes_on(self) -> None:
        """A new job runs to its end, whatever lies beside it."""
        clock = FakeClock()
        verify.verify(self._spool, clock, fix=True, watch=WATCH)
        queue = spool_queue(self._spool, clock)
        queue.enqueue(request("last"))
        token = queue.claim("l-box-1", (POOL,), lambda one: one.job_id == "last")
        if token is None:
            raise Found("a new job cannot be claimed")
        with queue.fence("last"):
            started = queue.start(token)
        ended = queue.end(token, SUCCESS, by="l-box-1")
        placed = queue.find("last")
        if started != "go" or not ended.accepted or placed is None or placed.folder != "done":
            raise Found(f"a new job does not run to its end: {started}, {ended}, {placed}")

    def _command(self, words: str) -> None:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        here = os.getcwd()
        os.chdir(self._root)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = wf(words.split(), {"WF_DISTRIBUTED": "1", "HOME": str(self._root), "PATH": os.defpath})
        finally:
            os.chdir(here)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode("utf-8", "surrogateescape"))  # type: ignore[attr-defined]
        for text in texts:
            if "internal error" in text or "Traceback" in text:
                raise Found(f"wf {words}: {text[-2000:]}")
            if found := _ACTS.search(text):
                around = text[max(0, found.start() - 200) : found.end() + 100]
                raise Found(f"wf {words}: prints {found[0]!r} in {around!r}")
        if code not in _CODES:
            raise Found(f"wf {words}: exit code {code}")
        if "--json" in words and texts[0].strip() and "events" not in words:
            json.loads(texts[0])

    def close(self) -> None:
        self._watch.close()


_hooked = False


def fuzz(seed: int) -> tuple[int, int]:
    """One case; how many entries were planted, and how many actions done. Raises Found, with the seed in it."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="wf-fuzz-", dir=base, ignore_cleanup_errors=True) as folder:
        case = Case(Path(folder), seed)
        try:
            return len(case.planted), case.run()
        except Found as found:
            raise Found(f"seed {seed}: {found}") from found.__cause__
        finally:
            case.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--names", type=int, default=1_000_000, help="how many entries to plant")
    parser.add_argument("--cases", type=int, help="how many spools, instead of --names")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first find")
    chosen = parser.parse_args()
    faulthandler.enable()
    began, planted, actions, cases, finds = time.monotonic(), 0, 0, 0, 0
    while cases < chosen.cases if chosen.cases else planted < chosen.names:
        seed = chosen.seed + cases
        cases += 1
        try:
            names, done = fuzz(seed)
        except Found as found:
            import traceback

            if found.__cause__ is not None:
                traceback.print_exception(found.__cause__)
            print(found, file=sys.stderr)
            finds += 1
            if not chosen.go_on:
                break
            continue
        planted, actions = planted + names, actions + done
        if cases % 50 == 0:
            print(
                f"{planted} entries, {cases} spools, {actions} actions, {time.monotonic() - began:.0f} s", flush=True
            )
    seeds = f"seeds {chosen.seed} to {chosen.seed + cases - 1}"
    took = time.monotonic() - began
    print(f"{planted} hostile entries in {cases} spools ({seeds}), {actions} actions, {finds} finds, {took:.0f} s")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
