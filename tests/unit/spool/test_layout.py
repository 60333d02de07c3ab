"""Creating and opening a spool: what is refused, and what happens when it vanishes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from support import stage
from support.spools import SUCCESS, make_spool, request, run_one, spool_queue
from support.stand_ins import stand_in
from wf_cli.errors import SpoolError, SpoolMissing
from wf_cli.spool import enqueue, layout, session


def test_i8_looking_for_a_spool_creates_nothing(tmp_path: Path) -> None:
    root = tmp_path / ".wf" / "spool"
    assert not layout.exists(root)
    with pytest.raises(SpoolMissing):
        layout.open_spool(root)
    assert list(tmp_path.iterdir()) == []


def test_a_created_spool_is_the_one_that_is_opened(tmp_path: Path) -> None:
    made = layout.create(tmp_path / "a" / "spool", topology="shared", durability="none")
    opened = layout.open_spool(made.root)
    assert opened.version == made.version
    assert (opened.version.topology, opened.durable) == ("shared", False)
    assert sorted(p.name for p in made.root.iterdir() if p.is_dir()) == sorted(layout.FOLDERS)
    assert layout.create(made.root).version == made.version, "creating it again opens it"


def test_two_creators_at_once_make_one_spool(tmp_path: Path) -> None:
    """Forced: the second comes while the first has its folders and no VERSION yet."""
    root = tmp_path / "spool"
    with stage.stage() as play:
        first = play.start(lambda: layout.create(root), stop_at="create.folders")
        second = layout.create(root)
        assert first.result().version == second.version == layout.open_spool(root).version


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (json.dumps({"format": 3, "id": "x", "topology": "local", "durability": "fsync"}), "SPOOL_VERSION"),
        (json.dumps({"format": "1", "id": "x", "topology": "local", "durability": "fsync"}), "SPOOL_VERSION"),
        (json.dumps({"format": 1}), "SPOOL_ERROR"),
        ("[]", "SPOOL_ERROR"),
        ("", "SPOOL_ERROR"),
        ("{", "SPOOL_ERROR"),
        ("\x00" * 70000, "SPOOL_ERROR"),
        ("[" * 60000, "SPOOL_ERROR"),
    ],
    ids=["newer", "text", "parts-missing", "array", "empty", "torn", "giant", "nested"],
)
def test_a_spool_of_another_format_or_a_damaged_one_is_refused(tmp_path: Path, content: str, code: str) -> None:
    spool = make_spool(tmp_path / "spool")
    (spool.root / "VERSION").write_text(content)
    for attempt in (layout.open_spool, layout.create):
        with pytest.raises(SpoolError) as caught:
            attempt(spool.root)
        assert caught.value.code == code
        assert str(spool.root) in caught.value.message
        assert caught.value.hint
    assert (spool.root / "VERSION").read_text() == content, "and left as it is"


@pytest.mark.parametrize("kind", ["fifo", "directory", "dangling", "file-as-root"])
def test_i7_something_else_in_the_place_of_a_spool_is_a_clear_error(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "spool"
    version = root / "VERSION"
    if kind != "file-as-root":
        root.mkdir()
    match kind:
        case "fifo":
            os.mkfifo(version)
        case "directory":
            version.mkdir()
        case "dangling":
            version.symlink_to("nowhere")
        case _:
            root.write_text("not a directory")
    for attempt in (layout.open_spool, layout.create):
        with pytest.raises(SpoolError):
            attempt(root)


@pytest.mark.parametrize("mark", [".stfolder", ".stversions", ".dropbox", ".dropbox.cache", ".owncloudsync.log"])
def test_a_synced_folder_is_refused_with_the_mark_that_betrays_it(tmp_path: Path, mark: str) -> None:
    """Every rename there succeeds on both sides: a job would run twice (invariant 1)."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / mark).write_text("")
    with pytest.raises(SpoolError, match="synced folder") as caught:
        layout.create(shared / "project" / ".wf" / "spool")
    assert caught.value.code == "SYNCED_FOLDER"
    assert mark in caught.value.message
    assert not (shared / "project").exists(), "nothing was made"


@pytest.mark.parametrize("name", ["Dropbox", "OneDrive", "Google Drive"])
def test_a_folder_with_the_name_of_a_sync_service_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpoolError, match="synced folder"):
        layout.create(tmp_path / name / "spool")


def test_a_synced_folder_behind_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Dropbox" / "project").mkdir(parents=True)
    (tmp_path / "code").symlink_to(tmp_path / "Dropbox" / "project")
    with pytest.raises(SpoolError, match="synced folder"):
        layout.create(tmp_path / "code" / "spool")


def test_a_home_where_dropbox_is_installed_is_no_synced_folder(tmp_path: Path) -> None:
    """~/.dropbox is a directory with settings; the mark of a Dropbox folder is a file of that name."""
    (tmp_path / ".dropbox").mkdir()
    assert layout.create(tmp_path / "code" / "spool")


@pytest.mark.parametrize("topology", ["local", "shared"])
@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_a_file_system_without_hard_links_is_refused_when_the_spool_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, topology: str
) -> None:
    def no_links(*_args: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", stand_in("link", no_links))
    with pytest.raises(SpoolError, match="no hard links") as caught:
        layout.create(tmp_path / ".wf" / "spool", topology=topology)
    assert caught.value.code == "NO_HARD_LINKS"
    assert list(tmp_path.iterdir()) == [], "nothing was made"


def test_a_spool_that_vanished_is_missing_and_never_made_again(tmp_path: Path) -> None:
    """Workers wait for a spool and pin its id; none of what they do brings a removed one back (invariant 8)."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = run_one(queue)
    shutil.rmtree(spool.root)
    pools = (token.pool,)
    for use in (
        lambda: queue.enqueue(request("b")),
        lambda: queue.claim("w-box-1", pools),
        lambda: queue.end(token, SUCCESS, by="w-box-1"),
        lambda: queue.reap(lambda _o: "seen dead", by="r-box-1"),
        lambda: queue.cancel("a", by="op-box-1"),
        lambda: queue.hold("a"),
        lambda: queue.retry("a"),
        lambda: queue.gc(older_s=0),
        lambda: queue.placed(),
        lambda: enqueue.sweep(spool),
        lambda: spool.fence("a").__enter__(),
        spool.assert_same,
    ):
        with pytest.raises(SpoolMissing):
            use()
    assert not spool.root.exists()


def test_another_spool_in_the_same_place_is_noticed(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    spool.assert_same()
    shutil.rmtree(spool.root)
    other = make_spool(tmp_path / "spool")
    with pytest.raises(SpoolMissing, match=spool.version.id):
        spool.assert_same()
    other.assert_same()


def test_a_session_file_does_not_bring_a_removed_spool_back(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    file = session.SessionFile(spool, session.this_process("w-box-1", "opencode", 30.0, 0))
    shutil.rmtree(spool.root)
    with pytest.raises((SpoolMissing, OSError)):
        file.set_state("draining")
    assert not spool.root.exists()


def test_a_shared_spool_can_be_used_by_every_member_of_its_group(tmp_path: Path) -> None:
    """setgid and 2770, no sticky bit: one user's sweeper finishes another's step."""
    old = os.umask(0o077)
    try:
        spool = layout.create(tmp_path / "spool", topology="shared", durability="none")
        queue = spool_queue(spool)
        queue.enqueue_many([request("a"), request("b")])
        queue.end(run_one(queue), SUCCESS, by="w-box-1")
    finally:
        os.umask(old)
    for name in layout.FOLDERS:
        assert spool.folder(name).stat().st_mode & 0o7777 == 0o2770, name
    folders = ("queued", "done", "jobs", "outcomes", "locks")
    written = [path for folder in folders for path in spool.folder(folder).iterdir()]
    assert len(written) == 6
    assert [path.name for path in written if path.stat().st_mode & 0o660 != 0o660] == []


def test_a_slot_has_one_holder_and_is_free_when_closed(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    slot = spool.slot("checkout", 0)
    assert slot is not None
    assert spool.slot("checkout", 0) is None
    other = spool.slot("checkout", 1)
    assert other is not None
    slot.close()
    again = spool.slot("checkout", 0)
    assert again is not None
    again.close()
    other.close()
