"""Whatever lies under a name that wf opens: no link is followed, nothing blocks, and what is there stays as it is."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.clock import FakeClock
from support.runs import Bench, new_mark, python
from support.spools import make_spool
from support.stand_ins import stand_in
from wf_cli import fsio
from wf_cli.cli.workers import auto_workers
from wf_cli.errors import NotFound, StateError
from wf_cli.eventlog.log import EventLog
from wf_cli.eventlog.read import read as read_events
from wf_cli.growing import GrowingFile
from wf_cli.runtimes.base import Limits
from wf_cli.runtimes.process.redact import Redactor
from wf_cli.runtimes.process.transcript import Transcript
from wf_cli.spool import layout
from wf_cli.views import transcripts
from wf_cli.workflow import files

#: Seconds until an opening counts as hanging.
HANG = 20.0


def fifo(path: Path) -> None:
    os.mkfifo(path)


def fifo_with_a_reader(path: Path) -> None:
    """Opening it to write does not fail, which would tell that it is none."""
    os.mkfifo(path)
    os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def directory(path: Path) -> None:
    path.mkdir()


def link_out(path: Path) -> None:
    victim = path.parent / "victim"
    victim.write_text("victim\n")
    path.symlink_to(victim)


def link_loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("SKIPPED, LOUDLY: a device needs root")


def a_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o666)


HOSTILE = [fifo, fifo_with_a_reader, directory, link_out, link_loop, dangling, device, a_socket]
hostile = pytest.mark.parametrize("make", HOSTILE)


def within_reason(function: Callable[[], object]) -> None:
    """Run it; an opening that blocks is a failure of the test and not of the run."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(HANG)
    assert not thread.is_alive(), "it blocks"


def untouched(path: Path) -> None:
    assert not stat.S_ISREG(path.lstat().st_mode), "what lay there has been replaced"
    assert not (path.parent / "nowhere").exists(), "a link was written through"
    victim = path.parent / "victim"
    assert not victim.exists() or victim.read_text() == "victim\n"


@hostile
@pytest.mark.parametrize("open_it", [fsio.read_regular, fsio.open_regular, fsio.open_append])
def test_the_functions_that_open_refuse_it(
    tmp_path: Path, make: Callable[[Path], None], open_it: Callable[[Path], object]
) -> None:
    path = tmp_path / "name"
    make(path)
    caught: list[BaseException] = []

    def opened() -> None:
        try:
            open_it(path)
        except BaseException as error:  # noqa: BLE001 - looked at below
            caught.append(error)

    within_reason(opened)
    assert [type(error) for error in caught] == [ValueError]
    assert str(path) in str(caught[0])
    untouched(path)


@hostile
def test_a_transcript_is_not_written_there_and_says_so(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "x.a1.log"
    make(path)
    made: list[Transcript] = []
    within_reason(lambda: made.append(Transcript(path, Redactor(set()))))
    made[0].write("stdout", b"hello\n")
    made[0].close()
    assert made[0].trouble is not None
    assert str(path) in made[0].trouble
    untouched(path)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.clean_up()


@hostile
def test_an_attempt_with_such_a_transcript_runs_to_its_end(bench: Bench, make: Callable[[Path], None]) -> None:
    """It hung past max_runtime and past SIGTERM: the supervisor waited for somebody to read the FIFO."""
    mark = new_mark()
    make(bench.root / f"{mark}.log")
    outcomes = []
    limits = Limits(max_runtime_s=30.0, grace_s=0.2)
    within_reason(lambda: outcomes.append(bench.run(python("print('hello')"), mark=mark, limits=limits)))
    assert outcomes[0].code is None
    assert outcomes[0].result.exit.code == 0


@hostile
def test_a_transcript_that_is_none_reads_as_none(tmp_path: Path, make: Callable[[Path], None]) -> None:
    spool = make_spool(tmp_path / "spool")
    make(spool.transcript_path("x", 1))
    caught: list[object] = []

    def look() -> None:
        try:
            caught.extend(transcripts.read(spool, "x", 1))
        except NotFound as error:
            caught.append(error)

    within_reason(look)
    assert [type(found) for found in caught] == [NotFound]


@hostile
def test_an_event_log_is_not_written_there_and_says_so(tmp_path: Path, make: Callable[[Path], None]) -> None:
    said: list[str] = []
    log = EventLog(tmp_path, "w-box-1", FakeClock(), said.append)
    make(log.path)
    within_reason(lambda: log.emit("job.claimed", job_id="a"))
    assert log.dropped == 1
    assert str(log.path) in said[0]
    untouched(log.path)
    found: list[object] = []
    within_reason(lambda: found.append(read_events(tmp_path)))
    assert found == [[]]


@hostile
def test_a_worker_whose_log_cannot_be_written_is_not_started(tmp_path: Path, make: Callable[[Path], None]) -> None:
    config = SimpleNamespace(runtime_of_role={"plan-coder": "opencode"})
    app: Any = SimpleNamespace(root=tmp_path, environ={}, config=config)
    spool = make_spool(tmp_path / "spool")
    path = spool.path("transcripts", "auto-opencode.log")
    make(path)
    found = auto_workers.nothing_started()
    within_reason(lambda: auto_workers.start(app, spool, found))
    assert found["started"] == []
    assert str(path) in found["failed"][0]["error"]
    untouched(path)


@pytest.mark.parametrize("make", [fifo, directory, link_loop, device, a_socket])
@pytest.mark.parametrize("read", [files.read_text, fsio.read_json_object])
def test_a_file_of_the_project_that_is_none_is_named_and_does_not_block(
    tmp_path: Path, make: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    path = tmp_path / "todo.md"
    make(path)
    caught: list[BaseException] = []

    def look() -> None:
        try:
            read(path)
        except StateError as error:
            caught.append(error)

    within_reason(look)
    assert str(path) in str(caught[0])


def test_a_linked_file_of_the_project_is_read(tmp_path: Path) -> None:
    link_out(tmp_path / "todo.md")
    assert files.read_text(tmp_path / "todo.md") == "victim\n"


# -- what is made


@pytest.mark.parametrize("mode", [0o660, 0o600, 0o644])
def test_a_file_that_is_appended_to_has_its_mode_past_the_umask(tmp_path: Path, mode: int) -> None:
    old = os.umask(0o077)
    try:
        for _ in range(2):
            fd = fsio.open_append(tmp_path / "log", mode=mode)
            os.write(fd, b"x")
            os.close(fd)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == mode
    assert (tmp_path / "log").read_bytes() == b"xx"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_transcript_is_for_the_group_at_most(tmp_path: Path) -> None:
    for folder, wanted in ((0o2770, 0o660), (0o755, 0o640), (0o700, 0o600)):
        tmp_path.chmod(folder)
        Transcript(tmp_path / f"{folder:o}", Redactor(set())).close()
        assert stat.S_IMODE((tmp_path / f"{folder:o}").stat().st_mode) == wanted


def test_a_file_system_without_hard_links_gets_its_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, _target: Path, **_options: object) -> None:
        raise OSError(errno.EPERM, "no links here", str(source))

    monkeypatch.setattr(os, "link", no_links)
    fsio.create(tmp_path / "x.lock", mode=0o660)
    assert [path.name for path in tmp_path.iterdir()] == ["x.lock"]


def test_a_log_made_anew_has_the_rights_of_the_spool(tmp_path: Path) -> None:
    spool = layout.create(tmp_path / "spool", topology="shared", durability="none")
    shutil.rmtree(spool.folder("log"))
    EventLog(spool.folder("log"), "w-box-1", FakeClock(), mode=spool.shared_mode).emit("job.claimed")
    assert stat.S_IMODE(spool.folder("log").stat().st_mode) == 0o2770
    assert stat.S_IMODE(spool.path("log", "w-box-1.jsonl").stat().st_mode) == 0o660


# -- files that grow


def test_a_file_that_grows_is_read_on_and_another_one_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    file = GrowingFile(path)
    assert list(file.lines()) == [b"one"]
    with path.open("ab") as out:
        out.write(b"o\nthr")
    assert list(file.lines()) == [b"two"]
    assert file.rest() == b"thr"
    (tmp_path / "new").write_bytes(b"1\n")
    (tmp_path / "new").replace(path)
    assert list(file.lines()) == [b"1"]
    path.write_bytes(b"")
    assert list(file.lines()) == []
    path.write_bytes(b"a\n")
    assert list(file.lines()) == [b"a"]


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 3_000_000 + b"\nend\n" + b"y" * 12)
    file = GrowingFile(path, longest=10)
    assert list(file.lines()) == [b"x" * 10 + b"... (2999990 bytes of this line are left out)", b"end"]
    assert file.rest() == b"y" * 10 + b"... (2 bytes of this line are left out)"
    assert file.rest() == b""


def test_a_file_is_read_piece_by_piece_with_no_descriptor_in_between(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree")
    file = GrowingFile(path)
    before = len(os.listdir("/proc/self/fd"))
    assert file.some(5) == [b"one"]
    assert len(os.listdir("/proc/self/fd")) == before
    assert [file.some(5), file.some(5)] == [[b"two"], []]
    assert file.some(5) is None
    path.write_bytes(b"one\ntwo\nthree\n")
    assert file.some(5) == [b"three"]


def test_the_check_that_opens_are_in_one_place_is_part_of_make_check() -> None:
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(["make", "-n", "check"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert "tests/support/check_opens.py" in said


def refusing(monkeypatch: pytest.MonkeyPatch, path: Path, times: float) -> None:
    """``os.open`` of ``path`` says EINVAL so many times, as on SMB while another name of the file is in use."""
    real, left = os.open, [times]

    def opened(name: Any, *rest: Any, **options: Any) -> int:
        if os.fspath(name) == str(path) and left[0] > 0:
            left[0] -= 1
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(name))
        return real(name, *rest, **options)

    monkeypatch.setattr(os, "open", stand_in("open", opened))


def test_a_file_whose_other_name_is_in_use_on_smb_is_opened_as_soon_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "published"
    path.write_bytes(b"whole")
    refusing(monkeypatch, path, times=3)

    assert fsio.read_regular(path) == b"whole"


def test_an_open_that_stays_invalid_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "refused"
    path.write_bytes(b"whole")
    refusing(monkeypatch, path, times=float("inf"))
    monkeypatch.setattr(fsio, "_OTHER_NAME_S", 0.0)

    with pytest.raises(OSError, match="Invalid argument") as raised:
        fsio.read_regular(path)
    assert raised.value.errno == errno.EINVAL
