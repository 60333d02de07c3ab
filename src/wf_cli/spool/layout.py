"""The spool's folder: its directories, its VERSION, how it is created and opened."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from wf_cli import anchored, fsio, ids, locks, sharing, system_errors
from wf_cli.contract import nearest
from wf_cli.contract.token import outcome_name
from wf_cli.errors import FileTrouble, LinkedFolder, SpoolError, SpoolMissing
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import packs, place

#: What a spool has at first, and what it has once its finished jobs may lie in packs (`wf_cli.spool.packing`). A wf
#: that does not know packs refuses the second, because it would take a packed key for a free one.
FORMAT, WITH_PACKS = 1, 2
_FORMATS = (FORMAT, WITH_PACKS)

#: What VERSION may say. Another word comes from foreign hands, or from a wf that knows more than this one.
TOPOLOGIES, DURABILITIES = ("local", "shared"), ("fsync", "none")

#: Every directory of a spool; docs/explanation/spool-protocol.md says what each holds.
FOLDERS = (
    "tmp", "jobs", "queued", "claimed", "running", "held", "done", "dead", "started", "outcomes", "leases",
    "sessions", "locks", "control", "log", "transcripts", "archive", "notified",
    "outbox", packs.FOLDER,
)  # fmt: skip

#: Folders that a spool made by an older wf lacks. Whoever needs one makes it (`Spool.make_folder`).
ADDED_FOLDERS = frozenset({"started", "notified", "outbox", packs.FOLDER})

#: Modes on a shared spool: the folders hand their group on to what is made in them, and have no sticky bit, because
#: one user's sweeper must be able to rename another user's file.
SHARED_FOLDER = 0o2770
SHARED_FILE = 0o660

#: Seconds to wait for a busy fence. After them the step is skipped, and the fence is never forced.
FENCE_TIMEOUT = 10.0


@frozen
class Version:
    """The content of ``VERSION``. It pins what the spool is, so that no two hosts disagree."""

    id: str
    topology: str = "local"
    durability: str = "fsync"
    format: int = FORMAT
    #: The spool of a node that is not the home (docs/explanation/synced.md). Its jobs come one attempt at a time
    #: (`wf_cli.spool.adopt`), and each end of an attempt is final there, because the home decides what is next.
    adopts: bool = False

    def encode(self) -> bytes:
        """The file's content."""
        content: dict[str, object] = {
            "format": self.format, "id": self.id, "topology": self.topology, "durability": self.durability
        }  # fmt: skip
        if self.adopts:
            content["adopts"] = True
        return json.dumps(content).encode() + b"\n"


class Spool:
    """An open spool. Holds no descriptor and no lock; any number of processes have one."""

    def __init__(self, root: Path, version: Version):
        self.root = root
        self.version = version
        self.durable = version.durability == "fsync"
        anchored.guard(root)
        self._folders = {name: root / name for name in FOLDERS}
        self._texts = {name: str(folder) for name, folder in self._folders.items()}
        self.packs = packs.Packs(root / packs.FOLDER)
        #: Those of a new lock file, once a lock was taken.
        self._lock_rights: locks.Rights | None = None

    def __repr__(self) -> str:
        return f"Spool({self.root})"

    def folder(self, name: str) -> Path:
        """The directory ``name``."""
        return self._folders.get(name) or self.root / name

    def path(self, folder: str, name: str) -> Path:
        """The file ``name`` in ``folder``."""
        return self.folder(folder) / name

    def at(self, folder: str, name: str) -> str:
        """`path` as text, for the steps of an attempt, which make a dozen of them."""
        return f"{self._texts[folder]}{os.sep}{name}"

    def packed(self, job_id: str, *, age_s: float = packs.RECENT) -> packs.Entry | None:
        """The job in a pack, as `packs.Packs.find` says. A spool of the first format has none."""
        return self.packs.find(job_id, age_s=age_s) if self.version.format >= WITH_PACKS else None

    def spec_path(self, job_id: str) -> Path:
        return self.path("jobs", f"{job_id}.json")

    def outcome_path(self, job_id: str, attempt: int) -> Path:
        return self.path("outcomes", outcome_name(job_id, attempt))

    def transcript_path(self, job_id: str, attempt: int) -> Path:
        return self.path("transcripts", f"{job_id}.a{attempt}.log")

    def sync(self, *folders: str) -> None:
        """The names in these directories are durable when this returns (nothing with durability none).

        Raises SpoolMissing when one of them is gone.
        """
        if self.durable:
            for name in folders:
                try:
                    fsio.sync_dir(self.folder(name))
                except FileNotFoundError as error:
                    raise self.gone(name) from error

    def fence(self, job_id: str, *, timeout: float = FENCE_TIMEOUT) -> AbstractContextManager[None]:
        """The job's fence. A process holds it while it takes the token away, or changes the plan under that token.

        Per host only where flock does not reach other hosts (sshfs). Raises Temporary past ``timeout``.
        """
        return self.lock(job_id, timeout=timeout)

    @contextlib.contextmanager
    def lock(self, name: str, *, timeout: float) -> Iterator[None]:
        """The lock ``name`` of the spool. Raises Temporary past ``timeout``, SpoolMissing when the spool is gone."""
        try:
            path, rights = self.at("locks", f"{name}.lock"), self._rights_of_locks()
            let_go = locks.take(path, timeout=timeout, rights=rights)
        except FileNotFoundError:
            self.assert_folder("locks")
            raise
        try:
            yield
        finally:
            let_go()

    def slot(self, group: str, k: int) -> locks.Slot | None:
        """Concurrency slot ``k`` of ``group``, or None when it is taken. LockTrouble when that cannot be told."""
        try:
            return locks.try_slot(self.path("locks", f"{group}.{k}.slot"), self._rights_of_locks())
        except FileNotFoundError:
            self.assert_folder("locks")
            raise

    def _rights_of_locks(self) -> locks.Rights:
        """Looked up once, because each look is a round trip where the spool lies on a network mount."""
        if self._lock_rights is None:
            self._lock_rights = locks.Rights.of(self.folder("locks"))
        return self._lock_rights

    def replace(self, folder: str, name: str, data: str) -> None:
        """Replace the file ``name`` in ``folder`` as a whole; SpoolMissing when the folder is gone."""
        try:
            path = self.path(folder, name)
            fsio.write_atomic(path, data, durable=self.durable, parents=False, mode=self.shared_mode)
        except FileNotFoundError:
            self.assert_folder(folder)
            raise

    @contextlib.contextmanager
    def part(self, data: bytes) -> Iterator[str]:
        """A complete, synced file in ``tmp/`` under a name that no sweeper reads; removed at the end."""
        path = self.at("tmp", f"{ids.nonce()}.part")
        try:
            fsio.write_new(path, data, durable=self.durable, mode=self.shared_mode)
        except FileNotFoundError:
            self.assert_folder("tmp")
            raise
        with fsio.discarding(path):
            yield path

    def publish(self, part: str, folder: str, name: str) -> bool:
        """`fsio.publish` under ``name`` in ``folder``, one of `ADDED_FOLDERS`, which is made if it is missing."""
        path = self.at(folder, name)
        try:
            return fsio.publish(part, path)
        except FileNotFoundError:
            self.make_folder(folder)
            return fsio.publish(part, path)

    @property
    def shared_mode(self) -> int | None:
        """The mode of every file where several users share the spool, past the umask, because one user's sweeper
        finishes another's step. None elsewhere: the umask decides."""
        return SHARED_FILE if self.version.topology == "shared" else None

    def make_folder(self, *names: str) -> Path:
        """The folder ``names`` of the spool, made if it is missing, with the rights that every folder of it has."""
        path = self.root.joinpath(*names)
        if not fsio.is_folder(path.parent):
            raise self.gone(*names[:-1])
        _make_folder(path, shared=self.version.topology == "shared")
        return path

    def names(self, folder: str) -> list[str]:
        """What is listed in ``folder`` now. Raises SpoolMissing when the folder is gone."""
        try:
            return fsio.names(self.folder(folder))
        except FileNotFoundError as error:
            raise self.gone(folder) from error

    def numbered(self, folder: str) -> list[tuple[str, int]]:
        """`names`, each with the number of its file, by the listing alone.

        The number is 0 where two files may have the same one (network mounts).
        """
        if self.version.topology != "local":
            return [(name, 0) for name in self.names(folder)]
        try:
            with anchored.scandir(self.folder(folder)) as entries:
                return [(entry.name, entry.inode()) for entry in entries]
        except FileNotFoundError as error:
            raise self.gone(folder) from error

    def gone(self, *names: str) -> SpoolMissing:
        """The error for the folder ``names``, which is not there: it alone is lost, or the whole spool is."""
        try:
            self.assert_same()
        except (SpoolError, OSError):
            hint = "somebody removed the spool while it was used"
        else:
            hint = "`wf spool verify --fix` makes it again (a copy or a backup may have left out an empty folder)"
        return SpoolMissing(f"{self.root.joinpath(*names)} is gone", hint=hint)

    def assert_folder(self, name: str) -> None:
        """Raises SpoolMissing when the folder ``name`` is gone, LinkedFolder when it is a link."""
        anchored.assert_folder(self.folder(name))
        if not fsio.is_folder(self.folder(name)):
            raise self.gone(name)

    def assert_same(self) -> None:
        """Raises SpoolMissing when the folder vanished or is another spool now: it is never recreated in place."""
        if version_of(self.root) != self.version:
            raise SpoolMissing(
                f"{self.root} is not the spool that this process opened (id {self.version.id})",
                hint="somebody removed or replaced it; start the worker again",
            )


def exists(root: Path) -> bool:
    """Whether a spool is at ``root``; cheap, and creates nothing (invariant 8). OSError when that cannot be told.

    Raises SpoolError for a spool that has lost its ``VERSION``, which is not the same as none.
    """
    if fsio.exists(root / "VERSION"):
        return True
    _assert_no_jobs(root)
    return False


def open_spool(root: Path) -> Spool:
    """The spool at ``root``. SpoolMissing when there is none, SpoolError for another version and for an unfit place.

    The place is looked at each time, because a folder can become synced, and a mount appear, after its creation.
    """
    spool = Spool(root, version_of(root))
    place.assert_fit(root, spool.version.topology)
    _assert_folders(root)
    return spool


def _assert_folders(root: Path) -> None:
    """Raises SpoolError LINKED_FOLDER when a folder of the spool is a link, or no folder.

    Whoever may write the spool can make such a link, and what wf wrote through it would be somewhere else. Later on
    each single call refuses it as well (`wf_cli.anchored`).
    """
    with contextlib.suppress(OSError), anchored.scandir(root) as entries:
        wrong = sorted(
            entry.name for entry in entries if entry.name in FOLDERS and not entry.is_dir(follow_symlinks=False)
        )
        for name in wrong:
            error = anchored.linked(str(root / name), is_link=os.path.islink(root / name))
            others = f" (and so are {', '.join(wrong[1:])})" if wrong[1:] else ""
            raise SpoolError(f"{error.filename}: {error.strerror}{others}", hint=error.hint, code=error.code)


def create(root: Path, *, topology: str = "local", durability: str = "fsync", adopts: bool = False) -> Spool:
    """The spool at ``root``, made if it is not there. Any number of processes may do this at once.

    ``adopts`` makes the spool of a node that is not the home (`Version.adopts`), which is always ``local``.

    Raises SpoolError when the folder cannot carry the protocol, with the reason; then nothing was made.
    """
    if exists(root):
        return open_spool(root)
    return _create(root, topology, durability, adopts)


def restore_version(root: Path, *, topology: str, durability: str) -> bool:
    """Make ``VERSION`` again in a spool that has lost it; whether that was needed. Its id is a new one.

    The configuration tells what the lost file said, and is wrong where the spool was made by another one.
    """
    if fsio.exists(root / "VERSION") or not _has_jobs(root):
        return False
    _create(root, topology, durability)
    return True


def _create(root: Path, topology: str, durability: str, adopts: bool = False) -> Spool:
    if adopts and topology != "local":
        raise ValueError(f"a node's own spool is local, not {topology}")
    place.assert_fit(root, topology)
    shared = topology == "shared"
    # Where the names of the new folders are. An earlier command may have made `.wf` just now, and not synced it.
    above = [root.parent, root.parent.parent, *(path.parent for path in root.parents if not fsio.exists(path))]
    try:
        place.assert_links(root)
        if shared:
            _make_folder(root, shared=True)
        else:
            root.mkdir(parents=True, exist_ok=True)
        anchored.guard(root)
        if shared:
            sharing.pass_on(root.parent)  # An earlier command may have made .wf for its own user alone.
        for name in FOLDERS:
            _make_folder(root / name, shared=shared)
        ignore = root / ".gitignore"
        if not ignore.exists():
            fsio.write_atomic(ignore, "*\n", durable=False, mode=SHARED_FILE if shared else None)
    except OSError as error:
        raise _cannot("create", root, error) from error
    if durability == "fsync":
        fsio.sync_dir(root)  # A power cut must not keep VERSION and lose a folder.
    step("create.folders")
    version = Version(id=ids.nonce(), topology=topology, durability=durability, adopts=adopts)
    spool = Spool(root, version)
    with spool.part(version.encode()) as part:
        ours = fsio.publish(part, root / "VERSION")
    if not ours:
        spool = open_spool(root)
    if spool.durable:  # Also what another process has just made, because the caller's jobs go into it.
        for folder in dict.fromkeys((root, *above)):
            with contextlib.suppress(PermissionError):  # A folder that we may pass through and not read.
                fsio.sync_dir(folder)
    return spool


def _has_jobs(root: Path) -> bool:
    try:
        return any(name.endswith(".json") for name in fsio.names(root / "jobs"))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _assert_no_jobs(root: Path) -> None:
    """Raises SpoolError where jobs lie without a ``VERSION``, which every spool has before its first job."""
    # RACE: another process may have made the spool since, and enqueued.
    if _has_jobs(root) and not fsio.exists(root / "VERSION"):
        raise SpoolError(
            f"{root} holds jobs, and its VERSION is gone",
            hint="`wf spool verify --fix` makes it again, as wf.config describes the spool; or restore it",
        )


def _make_folder(path: Path, *, shared: bool) -> None:
    if shared:
        sharing.make_folder(path, mode=SHARED_FOLDER)
    else:
        fsio.make_folder(path)


def _cannot(do: str, root: Path, error: OSError) -> SpoolError:
    known = sharing.explained(error, Path(error.filename) if isinstance(error.filename, str) else root)
    if isinstance(known, LinkedFolder):
        return SpoolError(f"{known.filename}: {known.strerror}", hint=known.hint, code=known.code)
    if isinstance(known, FileTrouble):
        return SpoolError(f"cannot {do} the spool at {root}: {known.filename}: {known.strerror}", hint=known.hint)
    hint = system_errors.remedy(error.errno) or "check the path and its permissions"
    where = error.filename or root
    return SpoolError(f"cannot {do} the spool at {root}: {where}: {error.strerror or error}", hint=hint)


def _meant(root: Path) -> str:
    """The spools beside a folder that is none, by names that are nearly its own."""
    with contextlib.suppress(OSError):
        beside = [name for name in fsio.names(root.parent) if fsio.exists(root.parent / name / "VERSION")]
        near = nearest.names(root.name, beside)
        if near:
            return f"did you mean {' or '.join(str(root.parent / name) for name in near)}? Else "
    return ""


def version_of(root: Path) -> Version:
    """What ``VERSION`` says, wherever the spool is. Raises as `open_spool`, except for the place."""
    path = root / "VERSION"
    try:
        value = json.loads(fsio.read_regular(path, 65536))
        found = value["format"]
        version = Version(
            str(value["id"]), str(value["topology"]), str(value["durability"]), found, value.get("adopts") is True
        )
        if found in _FORMATS and (version.topology not in TOPOLOGIES or version.durability not in DURABILITIES):
            raise ValueError(f"topology {version.topology!a:.100}, durability {version.durability!a:.100}")
        if version.adopts and version.topology != "local":
            raise ValueError(f"it adopts, and its topology is {version.topology}")
    except FileNotFoundError:
        _assert_no_jobs(root)
        raise SpoolMissing(
            f"there is no spool at {root}",
            hint=f"{_meant(root)}`wf epic run`, `wf dispatch` and `wf enqueue` create it",
        ) from None
    except NotADirectoryError as error:
        raise SpoolError(f"{root} is not a directory", hint="set spool.dir in wf.config") from error
    except OSError as error:
        raise _cannot("open", root, error) from error
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise SpoolError(f"cannot read {path}: {error}", hint="is this a spool of wf? see `wf spool path`") from error
    if found not in _FORMATS:
        raise SpoolError(
            f"{root} has spool format {found!r}; this wf knows formats {FORMAT} and {WITH_PACKS}",
            hint="use the wf version that made it, or another spool.dir",
            code="SPOOL_VERSION",
        )
    return version
