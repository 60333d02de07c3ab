"""Recognises folders that a sync service replicates. One table says by which signs, with the source of each row.

In such a folder every rename succeeds on both sides, so a job would run twice.

What counts as a sign, for each folder from the spool's own up to the root, along the path as given and along the real
one:

- a file or folder that only the service makes, such as ``.stfolder`` (`Service.marks`);
- a name that the service gives to its folder and hardly anybody else does, such as ``OneDrive - Company``
  (`Service.names`). Capital letters count, because ``dropbox`` may be a source tree;
- a name that anybody may give, such as ``Box``, together with a second sign (`Service.pairs`);
- that the service's own settings name the folder (`_declared`).

A service that leaves no sign is not recognised: Seafile in a library outside its default folder and without an ignore
file, and macOS' Desktop and Documents in iCloud before a file there was evicted.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from wf_cli import fsio
from wf_cli.frozen import frozen

#: Bytes of a settings file of a service that are read.
_SETTINGS_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Folder:
    """A folder that may be synced. Looks are made once, and a folder that cannot be listed has no entries."""

    path: Path

    @cached_property
    def entries(self) -> frozenset[str]:
        return _entries(self.path)

    @cached_property
    def marks(self) -> frozenset[str]:
        """The entries that are a mark of some service. A folder may have many others."""
        return frozenset(filter(_any_mark().fullmatch, self.entries))

    @property
    def is_home(self) -> bool:
        return self.path == _home()

    def inside(self, name: str) -> frozenset[str]:
        """The entries of the folder ``name`` in this one; none when it is no folder."""
        return _entries(self.path / name) if name in self.entries else frozenset()

    def has_file(self, name: str) -> bool:
        return name in self.entries and not (self.path / name).is_dir()


def _entries(path: Path) -> frozenset[str]:
    try:
        return frozenset(fsio.names(path))
    except OSError:
        return frozenset()


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no such variable, no such user
        return None


def _dropbox(folder: Folder) -> str | None:
    # The folder ~/.dropbox says only that Dropbox is installed. In a replicated folder .dropbox is a file.
    return ".dropbox" if folder.has_file(".dropbox") else None


def _resilio(folder: Folder) -> str | None:
    own = {"ID", "IgnoreList", "StreamsList", "FolderType", "root_acl_entry"}
    return ".sync" if own & folder.inside(".sync") else None


def _seafile(folder: Folder) -> str | None:
    # In a home it is the data of the program. The libraries are in the folder beside it.
    return ".seafile-data" if ".seafile-data" in folder.entries and not folder.is_home else None


def _mega(folder: Folder) -> str | None:
    debris = folder.inside(".debris")
    return ".debris" if any(re.fullmatch(r"\d{4}-\d\d-\d\d.*", name) for name in debris) else None


def _box(folder: Folder) -> str | None:
    if folder.path.name != "Box":
        return None
    above = Folder(folder.path.parent)
    if any(name.startswith(".Box") for name in folder.entries | above.entries):
        return "Box, beside .Box*"
    data = ("Library/Application Support/Box", "AppData/Local/Box")
    return next((f"Box, with {name}" for name in data if (above.path / name).is_dir()), None)


def _google(folder: Folder) -> str | None:
    if not re.fullmatch(r"My Drive( \(.+\))?", folder.path.name):
        return None
    beside = {"Shared drives", "Other computers", ".shortcut-targets-by-id"} & _entries(folder.path.parent)
    return f"My Drive, beside {min(beside)}" if beside else None


def _insync(folder: Folder) -> str | None:
    if folder.path.name != "Insync":
        return None
    account = min((name for name in folder.entries if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", name)), default=None)
    return f"Insync, with {account}" if account else None


def _apple(folder: Folder) -> str | None:
    """Folders in which macOS keeps what services replicate: each has a name that counts in ``Library`` only."""
    above = folder.path.parent
    keeper = above.name if above.parent.name == "Library" else ""
    return f"Library/{keeper}" if keeper in ("CloudStorage", "Mobile Documents") else None


@frozen
class Service:
    """A sync service, the signs of its folders, and who says so. Patterns are regular expressions for whole names."""

    name: str
    source: str
    marks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    pairs: tuple[Callable[[Folder], str | None], ...] = ()

    def sign(self, folder: Folder) -> str | None:
        """What shows that ``folder`` is one of this service; None when nothing does."""
        for pattern in self.names:
            if re.fullmatch(pattern, folder.path.name):
                return folder.path.name
        for pattern in self.marks:
            found = min((name for name in folder.marks if re.fullmatch(pattern, name)), default=None)
            if found is not None:
                return found
        return next((sign for pair in self.pairs if (sign := pair(folder)) is not None), None)


_KNOWLEDGE = "general knowledge, not looked up"

SERVICES: tuple[Service, ...] = (
    Service(
        "Syncthing",
        "docs.syncthing.net: users/config (markerName, .stfolder), users/ignoring (.stignore)",
        marks=(r"\.stfolder", r"\.stversions", r"\.stignore"),
    ),
    Service(
        "Dropbox",
        "help.dropbox.com: the cache folder; plans/business-team-changes ('Dropbox (Team)', now 'Team Dropbox')",
        marks=(r"\.dropbox\.cache",),
        names=(r"Dropbox", r"Dropbox \(.+\)", r".+ Dropbox"),
        pairs=(_dropbox,),
    ),
    Service(
        "OneDrive",
        f"the names of its folders, and the hidden file with the id: {_KNOWLEDGE}",
        marks=(r"\.849C9593-D756-4E56-8D6E-42412F2A707B",),
        names=(r"OneDrive", r"OneDrive ?- ?.+"),
    ),
    Service(
        "Google Drive",
        f"support.google.com/drive/answer/10838124 (mirroring); names of its working folders: {_KNOWLEDGE}",
        marks=(r"\.tmp\.drivedownload", r"\.tmp\.driveupload", r"\.shortcut-targets-by-id"),
        names=(r"Google Drive", r"GoogleDrive-.+"),
        pairs=(_google,),
    ),
    Service(
        "macOS File Provider",
        "support.google.com/drive/answer/12178485 and bombich.com, 'online-only placeholder files': CloudStorage",
        pairs=(_apple,),
    ),
    Service(
        "iCloud Drive",
        "bombich.com, 'online-only placeholder files' (Mobile Documents); eclecticlight.co 2023-10-25 (.name.icloud)",
        marks=(r"\..+\.icloud",),
        names=(r"iCloud Drive", r"iCloudDrive", r"com~apple~CloudDocs"),
    ),
    Service(
        "Nextcloud",
        "help.nextcloud.com/t/244573 (the journal .sync_*.db in the local folder); sync-exclude.lst of the client",
        marks=(r"\.sync_[0-9a-f]{6,}\.db", r"\.nextcloudsync\.log", r"\.sync_journal\.db"),
    ),
    Service(
        "ownCloud",
        "src/common/syncjournaldb.cpp of the client (._sync_*.db, .csync_journal.db, .owncloudsync.log)",
        marks=(r"\._sync_[0-9a-f]{6,}\.db", r"\.csync_journal\.db", r"\.owncloudsync\.log"),
    ),
    Service(
        "Resilio Sync",
        "help.resilio.com/hc/en-us/articles/206217185 (.sync with ID, IgnoreList, StreamsList, Archive)",
        marks=(r"\.SyncID",),
        pairs=(_resilio,),
    ),
    Service(
        "Seafile",
        f"help.seafile.com: excluding files (seafile-ignore.txt); .seafile-data in its folder: {_KNOWLEDGE}",
        marks=(r"seafile-ignore\.txt",),
        pairs=(_seafile,),
    ),
    Service("pCloud", _KNOWLEDGE, names=(r"pCloudDrive", r"pCloud Drive", r"pCloud Sync")),
    Service(
        "MEGA",
        "help.mega.io: megaignore ('if a sync starts without one, a default one will be added'), .debris",
        marks=(r"\.megaignore",),
        pairs=(_mega,),
    ),
    Service(
        "Box",
        f"support.box.com (the folder Box; Box Sync); second signs: {_KNOWLEDGE}",
        names=(r"Box Sync",),
        pairs=(_box,),
    ),
    Service(
        "Synology Drive",
        "help of Synology Cloud Sync (.SynologyWorkingDirectory); the folder's name: " + _KNOWLEDGE,
        marks=(r"\.SynologyWorkingDirectory",),
        names=(r"SynologyDrive", r"Synology Drive"),
    ),
    Service("Insync", "help.insynchq.com: base folders, by account", pairs=(_insync,)),
    Service("Yandex.Disk", _KNOWLEDGE, names=(r"Yandex\.Disk",)),
)


@cache
def _any_mark() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{mark})" for service in SERVICES for mark in service.marks))


@frozen
class Sign:
    """Why a folder counts as synced."""

    service: str
    folder: Path
    what: str


def sign_above(root: Path) -> Sign | None:
    """The first sign that ``root`` lies in a synced folder; None when there is none. Never raises."""
    declared = dict(_declared())
    real = Path(os.path.realpath(root))
    for path in dict.fromkeys((root.absolute(), *root.absolute().parents, real, *real.parents)):
        folder = Folder(path)
        for service in SERVICES:
            what = service.sign(folder)
            if what is not None:
                return Sign(service.name, path, what)
        if path in declared:
            return Sign(declared[path], path, f"the settings of {declared[path]}")
    return None


def _declared() -> Iterator[tuple[Path, str]]:
    """The folders that settings of services name, for those whose marks may have another name.

    Syncthing: config.xml, where markerName may be anything (docs.syncthing.net/users/config). Dropbox: info.json
    (general knowledge, not looked up). Settings that cannot be read name none.
    """
    home = _home()
    if home is None:
        return
    places = (".local/state/syncthing", ".config/syncthing", "Library/Application Support/Syncthing",
              "AppData/Local/Syncthing")  # fmt: skip
    for place in places:
        text = _settings(home / place / "config.xml")
        found = re.findall(r"<folder\s[^>]*\bpath=\"([^\"]+)\"", text)
        if found:
            from html import unescape  # Imported here, because its tables cost some milliseconds.
        for path in found:
            yield Path(os.path.realpath(os.path.expanduser(unescape(path)))), "Syncthing"
    try:
        accounts = json.loads(_settings(home / ".dropbox" / "info.json") or "{}")
        for account in accounts.values():
            yield Path(os.path.realpath(account["path"])), "Dropbox"
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return


def _settings(path: Path) -> str:
    try:
        return fsio.read_regular(path, _SETTINGS_LIMIT, follow=True).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
