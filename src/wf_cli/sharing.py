"""Files that several users of one group use: which mode and group they get, and what to tell a user whom one stops.

The umask of a process usually takes the right to write away from the group. So whatever another user must lock,
write, rename or remove gets its mode after it was made, past the umask. A folder that hands its group on and lets it
write (setgid, g+w) is *shared*: what wf makes in it has the folder's rights for the group. Only the owner of a file
can change its mode, and some file systems have no modes at all. A refused change is therefore no error: what the
refusal costs shows when somebody opens the file, and then `explained` says whose file it is and how to repair it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from wf_cli import anchored, ids
from wf_cli.anchored import StrPath
from wf_cli.errors import FileTrouble

#: Errors that mean "you may not", as opposed to a disk or a server in trouble.
DENIED = frozenset({errno.EACCES, errno.EPERM})


def mode_in(folder: Path) -> int:
    """The mode of a file that whoever may write ``folder`` may write too."""
    return stat.S_IMODE(os.stat(folder).st_mode) & 0o666 | 0o600


def umask() -> int:
    """The rights that a new file of this process does not get; all of them where that cannot be told.

    Read from /proc, because `os.umask` tells it only by changing it, for all threads.
    """
    try:
        with open("/proc/self/status", "rb", buffering=0) as status:
            return int(status.read(256).partition(b"Umask:")[2].split(None, 1)[0], 8)
    except (OSError, ValueError, IndexError):
        return 0o777


def group_rights(folder: StrPath) -> int:
    """The rights of the group (bits of 0o070) in a shared folder; 0 for any other folder, where the umask decides."""
    try:
        mode = os.stat(folder).st_mode
    except OSError:
        return 0
    return mode & 0o070 if mode & stat.S_ISGID and mode & stat.S_IWGRP else 0


def let_group(fd: int, folder: StrPath) -> None:
    """Give the group of ``folder``, if that is a shared one, its rights to the new file ``fd`` in it."""
    bits = group_rights(folder) & 0o060
    if bits:
        settle(fd, stat.S_IMODE(os.fstat(fd).st_mode) | bits)


def settle(fd: int, mode: int, group: int | None = None) -> None:
    """Give the open file or folder ``fd`` of ours ``mode`` and ``group``; what the system refuses stays as it is.

    By descriptor, because in a shared folder another user may put a link in the place of a path.
    """
    if group is not None:
        with contextlib.suppress(OSError):
            if os.fstat(fd).st_gid != group:
                os.fchown(fd, -1, group)
    with contextlib.suppress(OSError):
        if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
            os.fchmod(fd, mode)


def widen(path: Path, mode: int, group: int, *, other_names: bool = False) -> None:
    """Add the rights of ``mode`` to a file or folder of ours that lacks some of them. Foreign ones stay as they are.

    So does a file with another name, unless ``other_names`` are known to be ours too: whoever may write the folder
    can give a private file of ours a name in it by a hard link, where the system lets them.

    Raises the system's error when it cannot be looked at.
    """
    if not _lacks(anchored.lstat(path), mode, other_names):
        return
    fd = anchored.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        info = os.fstat(fd)
        if _lacks(info, mode, other_names):
            settle(fd, stat.S_IMODE(info.st_mode) | mode, group)
    finally:
        os.close(fd)


def pass_on(path: Path) -> None:
    """Give the group what it lacks of a file or folder of ours in a shared folder. Whatever is refused stays."""
    bits = group_rights(path.parent)
    if not bits:
        return
    with contextlib.suppress(OSError):
        mode = bits & 0o060 | (bits & 0o010 | stat.S_ISGID if stat.S_ISDIR(os.lstat(path).st_mode) else 0)
        widen(path, mode, os.stat(path.parent).st_gid)


def pass_on_tree(folder: Path) -> None:
    """`pass_on` for ``folder`` and all below it. Links are not followed. One look where no group shares it."""
    if not group_rights(folder.parent):
        return
    pass_on(folder)
    for place, _, names in os.walk(folder):
        pass_on(Path(place))
        for name in names:
            pass_on(Path(place, name))


def _lacks(info: os.stat_result, mode: int, other_names: bool) -> bool:
    is_file = stat.S_ISREG(info.st_mode) and (other_names or info.st_nlink == 1)
    ours = info.st_uid == os.geteuid() and (is_file or stat.S_ISDIR(info.st_mode))
    return ours and bool(mode & ~info.st_mode)


def make_folder(path: Path, *, mode: int | None = None, like: Path | None = None) -> None:
    """Make the folder ``path``, and what is missing above it; one that exists stays as it is.

    ``mode`` counts past the umask. Without it a new folder gets the mode of ``like``. The group is always that of
    ``like``, and ``like`` is the folder above unless something else is said. A new folder is complete when it appears
    under its name. Raises the system's error when it cannot be made.
    """
    for last in (False, False, True):
        try:
            _make_folder(path, mode, like)
            break
        except FileNotFoundError:  # The folder above was replaced by another process that made it, too.
            if last or not _is_folder(path.parent):
                raise


def make_folders(path: Path) -> None:
    """Make the folder ``path``, and what is missing above it, as the umask says; in a shared folder like that one."""
    above = path
    while not _is_folder(above) and above != above.parent:
        above = above.parent
    if above != path and group_rights(above):
        make_folder(path)
    else:
        path.mkdir(parents=True, exist_ok=True)


def _make_folder(path: Path, mode: int | None, like: Path | None) -> None:
    """One try of `make_folder`."""
    if _is_folder(path):
        return
    if not _is_folder(path.parent):
        make_folder(path.parent, like=like)
    above = os.stat(like or path.parent)
    part = path.with_name(f".{path.name}.{ids.nonce()}.part")
    try:
        anchored.mkdir(part, 0o700)
    except OSError:
        if not _is_folder_now(part):  # A lost reply. Nobody else makes a folder of this name.
            raise
    try:
        fd = anchored.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            settle(fd, stat.S_IMODE(above.st_mode) if mode is None else mode, above.st_gid)
        finally:
            os.close(fd)
        with _alone_in(path.parent):
            # A rename replaces an empty folder, and whoever is about to make a file in that one would fail.
            if not _is_folder(path):
                anchored.rename(part, path)
    except OSError:
        if not _is_folder_now(path):  # Otherwise another process was faster, or the answer was wrong.
            anchored.assert_folder(path)
            raise
    finally:
        with contextlib.suppress(OSError):  # It has gone to its name, unless another process was faster.
            anchored.rmdir(part)


def _is_folder(path: Path) -> bool:
    """`anchored.is_folder`; False also where that cannot be told."""
    try:
        return anchored.is_folder(path)
    except OSError:
        return False


def _is_folder_now(path: Path) -> bool:
    """Whether ``path`` is a folder. The folder above is listed first, because that refreshes lookups (NFS)."""
    with contextlib.suppress(OSError):
        anchored.listdir(path.parent)
    return _is_folder(path)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock of the folder itself, on file systems that have such locks, for one look and one rename."""
    import fcntl

    fd = anchored.open_folder(folder)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def explained(error: OSError, path: Path) -> OSError:
    """``error`` with the file that is in the way, its owner and mode, and the command that repairs it.

    An error that has nothing to do with rights comes back as it is.
    """
    if error.errno not in DENIED or isinstance(error, FileTrouble):
        return error
    found = _obstacle(path, renamed=error.filename2 is not None)
    if found is None:
        return error
    culprit, lacks, bits = found
    info = os.lstat(culprit)
    owner, group, me = _user(info.st_uid), _group(info.st_gid), _user(os.geteuid())
    text = f"it belongs to {owner}, group {group}, mode {stat.S_IMODE(info.st_mode):04o}: {me} may not {lacks} it"
    name, who = shlex.quote(str(culprit)), "u" if info.st_uid == os.geteuid() else "g"
    repair = f"chmod {who}+{bits} {name}"
    if who == "g" and info.st_gid not in (os.getegid(), *os.getgroups()):
        repair = f"chgrp GROUP {name} && {repair}, where GROUP is one that both users are in"
    return FileTrouble(error.errno, text, culprit, hint=f"as {owner}: {repair}")


def _obstacle(path: Path, *, renamed: bool) -> tuple[Path, str, str] | None:
    """The file or folder that stops us on the way to ``path``, what we may not do with it, and the missing bits."""
    folders = list(reversed(path.absolute().parents))
    for folder in folders:
        if not os.access(folder, os.X_OK):
            return (folder, "enter", "x") if os.path.lexists(folder) else None
    if os.path.lexists(path) and not renamed:
        return None if os.access(path, os.R_OK | os.W_OK) else (path, "read and write", "rw")
    return None if os.access(folders[-1], os.W_OK) else (folders[-1], "write in", "rwxs")


def _user(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
