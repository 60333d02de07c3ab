"""A folder of the spool that is a link is followed by nothing, whoever put it there and whenever."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import (
    POOL,
    SUCCESS,
    failing,
    make_spool,
    problems,
    request,
    run_one,
    spool_queue,
    state,
)
from support.trespass import trespasses
from wf_cli import anchored, fsio, locks, seams
from wf_cli.contract.job import End
from wf_cli.contract.retry import Ending
from wf_cli.errors import LinkedFolder, SpoolError, WfError
from wf_cli.eventlog.log import EventLog
from wf_cli.runtimes.process.redact import Redactor
from wf_cli.runtimes.process.transcript import Transcript
from wf_cli.spool import (
    change,
    control,
    enqueue,
    judgement,
    late,
    layout,
    lease,
    liveness,
    retention,
    scan,
    session,
    verify,
)
from wf_cli.spool.layout import FOLDERS, Spool
from wf_cli.views import record, transcripts

OWNER = "w-box-1"


@pytest.fixture(params=["local", "shared"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", topology=request.param)


@pytest.fixture(autouse=True)
def no_hooks() -> Iterator[None]:
    yield
    seams.install(None)


def somebodys(tmp_path: Path) -> Path:
    """A folder outside the spool, with something in it."""
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "diary").write_text("dear diary")
    return folder


def tree(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def to_link(folder: Path, target: Path) -> None:
    shutil.move(folder, folder.parents[1] / f"{folder.name}.before")
    folder.symlink_to(target)


# -- the quarantine


def test_verify_puts_nothing_away_through_a_link(spool: Spool, tmp_path: Path) -> None:
    private = somebodys(tmp_path)
    (spool.root / "archive" / "quarantine").symlink_to(private)
    spool.path("queued", "what is this").write_text("secret of the one who repairs")
    before = tree(private)
    with trespasses(private) as watch:
        found = verify.verify(spool, FakeClock(), fix=True)
        assert watch.seen() == []
    assert tree(private) == before
    assert {(f.kind, f.fixed) for f in found} == {("linked_folder", True), ("foreign_file", True)}
    quarantine = spool.root / "archive" / "quarantine"
    assert not quarantine.is_symlink()
    kept = {path.name.partition(".")[2]: path for path in quarantine.iterdir()}
    assert kept.keys() == {"archive.quarantine", "queued.what is this"}
    assert kept["archive.quarantine"].readlink() == private, "the link is kept as a link"
    assert problems(spool) == []


@pytest.mark.parametrize("kind", ["link", "dangling", "file"])
def test_a_damaged_outcome_is_put_away_inside_the_spool_whatever_is_in_the_place_of_the_quarantine(
    spool: Spool, tmp_path: Path, kind: str
) -> None:
    private = somebodys(tmp_path)
    place = spool.root / "archive" / "quarantine"
    if kind == "file":
        place.write_text("a file")
    else:
        place.symlink_to(private if kind == "link" else tmp_path / "nowhere")
    queue = spool_queue(spool)
    queue.enqueue(request("job"))
    token = run_one(queue)
    spool.outcome_path("job", 1).write_text("damaged")
    with trespasses(private) as watch:
        assert queue.end(token, SUCCESS, by=OWNER).accepted
        assert watch.seen() == []
    assert not (tmp_path / "nowhere").exists()
    assert {path.name.partition(".")[2] for path in place.iterdir()} == {
        "archive.quarantine", "outcomes.job.a1.json",
    }  # fmt: skip


def test_a_link_that_comes_between_the_look_and_the_move_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    private = somebodys(tmp_path)
    place = spool.root / "archive" / "quarantine"
    spool.path("queued", "what is this").write_text("secret of the one who repairs")

    def hook(step: str) -> None:
        if step == "quarantine.ready" and not place.is_symlink():
            place.rmdir()
            place.symlink_to(private)

    seams.install(hook)
    with trespasses(private) as watch:
        (found,) = verify.verify(spool, FakeClock(), fix=True)
        assert watch.seen() == []
    assert not found.fixed
    assert spool.path("queued", "what is this").exists()
    seams.install(None)
    assert all(f.fixed for f in verify.verify(spool, FakeClock(), fix=True) if f.path.startswith("queued"))


# -- folders of the spool


def in_order(spool: Spool) -> None:
    """A spool with something in each folder."""
    queue = spool_queue(spool)
    for key in ("waits", "held", "done", "dead", "taken", "runs"):
        queue.enqueue(request(key, max_attempts=1))
    queue.hold("held")
    queue.cancel("done", by="op-box-1")
    tokens = {t.job_id: t for t in scan.listing(spool, "queued")}
    assert tokens.keys() == {"waits", "dead", "taken", "runs"}
    for key, end in (("dead", "crashed"), ("runs", ""), ("taken", "")):
        token = queue.claim(OWNER, (POOL,), lambda t, key=key: t.job_id == key)
        assert token is not None
        if key != "taken":
            with queue.fence(key):
                assert queue.start(token) == "go"
        if end:
            queue.end(token, failing(end), by=OWNER)
    session.SessionFile(spool, session.this_process(OWNER, "opencode", 30.0, 0))
    lease.path_of(spool, OWNER).write_text("alive")
    control.request(spool, "pause", FakeClock(), reason="tests")
    spool.transcript_path("dead", 1).write_text("said\n")
    spool.path("log", f"{OWNER}.jsonl").write_text("{}\n")


def every_action(spool: Spool) -> list[Callable[[], object]]:
    """Everything that wf does to a spool, each as one call."""
    clock = FakeClock()
    queue = spool_queue(spool, clock)
    stated = session.this_process("v-box-1", "opencode", 30.0, 0)

    def work() -> None:
        token = queue.claim("v-box-1", (POOL,))
        if token is not None:
            with queue.fence(token.job_id):
                queue.start(token)
            queue.end(token, SUCCESS, by="v-box-1")

    def end_running() -> None:
        for placed in scan.taken(spool):
            queue.end(placed.token, SUCCESS, by=OWNER)

    def keep_late() -> None:
        for placed in scan.taken(spool):
            queue.end(placed.token, Ending(End.LOST), by="r-box-1")
            queue.end(placed.token, SUCCESS, by=OWNER)

    def watch() -> None:
        observer = liveness.Observer(spool, clock)
        for owner in (OWNER, "v-box-1"):
            observer.verdict(owner)
            lease.beat_age_s(spool, owner, 0)
            liveness.known_gone(spool, owner)

    def print_transcript() -> None:
        transcript = Transcript(spool.transcript_path("runs", 1), Redactor({}, ()))
        transcript.write("stdout", b"words\n")
        transcript.close()

    def beat() -> None:
        lease.Lease(spool, "v-box-1", 30.0, clock, lambda _why: None).release()

    return [
        lambda: queue.enqueue(request("new")),
        work,
        lambda: enqueue.sweep(spool),
        lambda: queue.reap(lambda _owner: "seen dead", by="r-box-1"),
        end_running,
        keep_late,
        lambda: queue.hold("waits"),
        lambda: queue.unhold("held"),
        lambda: queue.cancel("waits", by="op-box-1"),
        lambda: queue.cancel("runs", by="op-box-1"),
        lambda: queue.retry("dead"),
        lambda: queue.gc(older_s=-1),
        lambda: retention.clean(spool, before_ms=10**13),
        lambda: retention.purge(spool, "01"),
        lambda: verify.repair(spool, contents=True),
        lambda: verify.verify(spool, clock, fix=True),
        lambda: control.request(spool, "drain.all", clock),
        lambda: control.withdraw(spool, "pause"),
        lambda: control.Requests(spool, clock).stops(),
        lambda: session.SessionFile(spool, stated).set_state("stopped"),
        lambda: session.owners(spool),
        lambda: session.read(spool, OWNER),
        lambda: judgement.publish(spool, judgement.judge(OWNER, "dead", None, by="r-box-1", host="h", now_ms=0)),
        beat,
        watch,
        print_transcript,
        lambda: list(transcripts.read(spool, "dead", 1)),
        lambda: record.transcript_of(spool, "dead", 1),
        lambda: EventLog(spool.folder("log"), "v-box-1", clock, lambda _line: None).emit("job.claimed"),
        lambda: [late.discard(spool, one) for one in late.listing(spool)],
        lambda: spool.slot("checkout", 0),
        lambda: locks.hold(spool.path("locks", "x.lock")).__enter__(),
        lambda: change.make_shared(spool.root),
        lambda: layout.create(spool.root),
        lambda: layout.open_spool(spool.root),
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_that_wf_does_passes_through_a_folder_that_became_a_link(
    spool: Spool, tmp_path: Path, folder: str
) -> None:
    in_order(spool)
    # What the link leads to looks like the folder itself, so whatever passes through it finds something to do.
    outside = tmp_path / "outside"
    shutil.copytree(spool.folder(folder), outside)
    to_link(spool.folder(folder), outside)
    before = tree(outside)
    with trespasses(outside) as watch:
        for action in every_action(spool):
            with suppress(OSError, WfError):
                action()
            assert watch.seen() == []
    assert tree(outside) == before


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_that_became_a_link_is_named_with_the_way_out(spool: Spool, tmp_path: Path, folder: str) -> None:
    to_link(spool.folder(folder), tmp_path)
    with pytest.raises(LinkedFolder) as caught:
        fsio.names(spool.folder(folder))
    assert str(caught.value).startswith(f"{spool.folder(folder)}: it is a link (to {tmp_path}), and ")
    assert f"rm {spool.folder(folder)}, " in caught.value.hint
    with pytest.raises(LinkedFolder):
        fsio.write_new(spool.path(folder, "x"), b"", durable=False)


# -- a link that an operator has made: refused, and never put away


@pytest.mark.parametrize("folder", ["archive", "transcripts", "queued"])
def test_a_spool_with_a_folder_on_another_disk_is_refused_with_the_way_out(
    spool: Spool, tmp_path: Path, folder: str
) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("job"))
    to_link(spool.folder(folder), tmp_path / f"{folder}.before")
    with pytest.raises(SpoolError, match="no link is followed") as caught:
        layout.open_spool(spool.root)
    assert caught.value.code == "LINKED_FOLDER"
    assert str(spool.folder(folder)) in caught.value.message
    assert "move" in (caught.value.hint or "")

    found = [f for f in verify_or_refused(spool) if f.kind == "linked_folder"]
    assert [(f.path, f.fixed) for f in found] == [(folder, False)]
    assert spool.folder(folder).is_symlink(), "a person made it, and a person decides"

    spool.folder(folder).unlink()
    (tmp_path / f"{folder}.before").rename(spool.folder(folder))
    assert state(spool_queue(layout.open_spool(spool.root))).keys() == {"job"}
    assert problems(spool) == []


def verify_or_refused(spool: Spool) -> list[verify.Finding]:
    """What a process finds that has opened the spool before the link was made."""
    from wf_cli.spool import foreign

    return list(foreign.files(spool, FakeClock(), fix=True))


def test_a_folder_that_comes_as_a_link_with_a_checkout_makes_no_spool(tmp_path: Path) -> None:
    private = somebodys(tmp_path)
    root = tmp_path / "spool"
    root.mkdir()
    (root / "queued").symlink_to(private)
    (root / "control").symlink_to(tmp_path / "nowhere")
    for topology in ("local", "shared"):
        with trespasses(private) as watch:
            with pytest.raises(SpoolError, match="it is a link") as caught:
                layout.create(root, topology=topology)
            assert watch.seen() == []
        assert caught.value.code == "LINKED_FOLDER"
    assert not (tmp_path / "nowhere").exists()
    assert [path.name for path in private.iterdir()] == ["diary"]


def test_the_spool_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "spool"
    root.symlink_to(tmp_path / "elsewhere")
    queue = spool_queue(layout.create(root, durability="fsync"))
    queue.enqueue(request("job"))
    queue.end(run_one(queue), SUCCESS, by=OWNER)
    assert state(queue)["job"].startswith("done/")
    assert problems(queue.spool) == []


def test_a_folder_that_was_removed_and_made_again_is_the_new_one_at_once(spool: Spool) -> None:
    queue = spool_queue(spool)
    for name in ("tmp", "queued", "claimed"):
        os.rename(spool.folder(name), spool.root / f"{name}.before")
        spool.folder(name).mkdir(mode=0o2770)
    queue.enqueue(request("job"))
    assert queue.claim(OWNER, (POOL,)) is not None
    assert len(os.listdir(spool.folder("claimed"))) == 1
    assert os.listdir(spool.root / "claimed.before") == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_where_no_folder_is_opened_by_descriptor_each_is_looked_at_before_the_call(
    spool: Spool, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_order(spool)
    outside = tmp_path / "outside"
    shutil.copytree(spool.folder(folder), outside)
    to_link(spool.folder(folder), outside)
    monkeypatch.setattr(anchored, "_BY_DESCRIPTOR", False)
    before = tree(outside)
    for action in every_action(spool):
        with suppress(OSError, WfError):
            action()
    assert tree(outside) == before
    with pytest.raises(LinkedFolder):
        fsio.names(spool.folder(folder))
