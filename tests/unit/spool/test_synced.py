"""Folders that a sync service replicates: each kind is refused, before and after its creation; others are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wf_cli.errors import SpoolError
from wf_cli.spool import layout, synced


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


#: (service, the folder that is synced, what lies in it or beside it; a path that ends in / is a folder)
KINDS = [
    ("Syncthing", "notes", [".stfolder/"]),
    ("Syncthing", "notes", [".stfolder"]),
    ("Syncthing", "notes", [".stversions/"]),
    ("Syncthing", "notes", [".stignore"]),
    ("Dropbox", "Dropbox", []),
    ("Dropbox", "Dropbox (Personal)", []),
    ("Dropbox", "Dropbox (Some Company)", []),
    ("Dropbox", "Some Company Dropbox", []),
    ("Dropbox", "moved", [".dropbox"]),
    ("Dropbox", "moved", [".dropbox.cache/"]),
    ("OneDrive", "OneDrive", []),
    ("OneDrive", "OneDrive - Company", []),
    ("OneDrive", "OneDrive-Company", []),
    ("OneDrive", "moved", [".849C9593-D756-4E56-8D6E-42412F2A707B"]),
    ("Google Drive", "Google Drive", []),
    ("Google Drive", "anything", [".tmp.drivedownload/"]),
    ("Google Drive", "anything", [".tmp.driveupload/"]),
    ("Google Drive", "G/My Drive", ["G/Shared drives/"]),
    ("Google Drive", "G/My Drive (me@example.com)", ["G/.shortcut-targets-by-id/"]),
    ("macOS File Provider", "Library/CloudStorage/Box-Box", []),
    ("macOS File Provider", "Library/CloudStorage/Whatever", []),
    ("macOS File Provider", "Library/Mobile Documents/com~apple~Notes", []),
    ("iCloud Drive", "iCloudDrive", []),
    ("iCloud Drive", "iCloud Drive", []),
    ("iCloud Drive", "Documents", [".report.pdf.icloud"]),
    ("Nextcloud", "cloud", [".sync_5d1a8c6d4ab4.db"]),
    ("Nextcloud", "cloud", [".nextcloudsync.log"]),
    ("ownCloud", "cloud", ["._sync_0bf4a3.db"]),
    ("ownCloud", "cloud", [".owncloudsync.log"]),
    ("ownCloud", "cloud", [".csync_journal.db"]),
    ("Resilio Sync", "share", [".sync/ID"]),
    ("Resilio Sync", "share", [".sync/IgnoreList"]),
    ("Resilio Sync", "share", [".SyncID"]),
    ("Seafile", "Seafile/library", ["Seafile/.seafile-data/"]),
    ("Seafile", "library", ["seafile-ignore.txt"]),
    ("pCloud", "pCloudDrive", []),
    ("pCloud", "pCloud Sync", []),
    ("MEGA", "things", [".megaignore"]),
    ("MEGA", "things", [".debris/2026-01-31 12.00.00.01/"]),
    ("Box", "Box", [".Box_1234/"]),
    ("Box", "Box", ["../Library/Application Support/Box/"]),
    ("Box", "Box", ["../AppData/Local/Box/"]),
    ("Box", "Box Sync", []),
    ("Synology Drive", "SynologyDrive", []),
    ("Synology Drive", "team", [".SynologyWorkingDirectory/"]),
    ("Insync", "Insync", ["me@example.com/"]),
    ("Yandex.Disk", "Yandex.Disk", []),
]


def furnish(base: Path, folder: str, things: list[str]) -> None:
    """Make the signs. Those beside the folder are given from ``base``."""
    for thing in things:
        beside = folder.partition("/")[0] if "/" in folder else None
        path = (base if beside and thing.startswith(f"{beside}/") else base / folder) / thing
        path.parent.mkdir(parents=True, exist_ok=True)
        if thing.endswith("/"):
            path.mkdir()
        else:
            path.write_text("")


@pytest.mark.parametrize("topology", ["local", "shared"])
@pytest.mark.parametrize(("service", "folder", "things"), KINDS, ids=lambda value: str(value))
def test_a_spool_is_refused_in_every_kind_of_synced_folder(
    home: Path, service: str, folder: str, things: list[str], topology: str
) -> None:
    (home / folder).mkdir(parents=True)
    furnish(home, folder, things)
    before = sorted(home.rglob("*"))
    with pytest.raises(SpoolError, match="synced folder") as caught:
        layout.create(home / folder / "project" / ".wf" / "spool", topology=topology, durability="none")
    assert caught.value.code == "SYNCED_FOLDER"
    assert service in caught.value.message
    assert "wf config set spool.dir" in (caught.value.hint or "")
    assert sorted(home.rglob("*")) == before, "nothing was made"


@pytest.mark.parametrize(("service", "folder", "things"), KINDS, ids=lambda value: str(value))
def test_a_spool_whose_folder_becomes_synced_is_refused_when_it_is_opened(
    home: Path, service: str, folder: str, things: list[str]
) -> None:
    plain = home / "plain"
    spool = layout.create(plain / "project" / ".wf" / "spool", durability="none")
    assert layout.open_spool(spool.root).version == spool.version
    (home / folder).parent.mkdir(parents=True, exist_ok=True)
    plain.rename(home / folder)
    furnish(home, folder, things)
    with pytest.raises(SpoolError, match="synced folder") as caught:
        layout.open_spool(home / folder / "project" / ".wf" / "spool")
    assert service in caught.value.message


@pytest.mark.parametrize("names", [["project"], ["project", ".wf"], ["project", ".wf", "spool"]])
def test_no_link_hides_a_synced_folder(home: Path, tmp_path: Path, names: list[str]) -> None:
    (home / "Dropbox" / "there").mkdir(parents=True)
    *above, last = names
    place = tmp_path.joinpath(*above)
    place.mkdir(parents=True, exist_ok=True)
    (place / last).symlink_to(home / "Dropbox" / "there")
    with pytest.raises(SpoolError, match="Dropbox"):
        layout.create(tmp_path / "project" / ".wf" / "spool")


@pytest.mark.parametrize(
    ("folder", "things"),
    [
        ("src/Box", []),
        ("src/Box", ["box.py"]),
        ("mega", []),
        ("MEGA", ["mega.c"]),
        ("dropbox", ["setup.py"]),
        ("onedrive", []),
        ("my-dropbox", []),
        ("insync", []),
        ("Insync", ["README"]),
        ("My Drive", []),
        ("nextcloud", ["occ"]),
        ("Nextcloud", []),
        ("sync", [".sync/"]),
        ("sync", [".sync/notes.txt"]),
        ("seafile", []),
        ("kernel", [".debris/"]),
        ("kernel", [".debris/notes"]),
        ("Library/CloudStorage.md", []),
        ("code", [".sync_state.db"]),
        ("code", ["icloud", "a.icloud"]),
    ],
)
def test_a_folder_that_only_looks_like_one_is_not_refused(home: Path, folder: str, things: list[str]) -> None:
    (home / folder).mkdir(parents=True)
    furnish(home, folder, things)
    assert layout.create(home / folder / "project" / ".wf" / "spool", durability="none")


@pytest.mark.parametrize(
    "installed", [".dropbox/info", ".seafile-data/x", ".config/syncthing/config.xml", ".insync/x"]
)
def test_a_home_where_a_service_is_installed_is_no_synced_folder(home: Path, installed: str) -> None:
    (home / installed).parent.mkdir(parents=True)
    (home / installed).write_text("<folder>")
    assert layout.create(home / "code" / "spool", durability="none")


@pytest.mark.parametrize(
    "place", [".local/state/syncthing", ".config/syncthing", "Library/Application Support/Syncthing"]
)
def test_a_syncthing_folder_with_a_marker_of_its_own_is_known_by_the_settings(home: Path, place: str) -> None:
    (home / place).mkdir(parents=True)
    (home / place / "config.xml").write_text(
        '<configuration>\n  <folder id="a" label="x" path="~/a &amp; b" type="sendreceive">'
        "<markerName>.mine</markerName></folder>\n</configuration>"
    )
    (home / "a & b").mkdir()
    with pytest.raises(SpoolError, match="Syncthing"):
        layout.create(home / "a & b" / "spool")
    assert layout.create(home / "other" / "spool", durability="none")


def test_a_dropbox_folder_of_another_name_is_known_by_the_settings(home: Path) -> None:
    (home / ".dropbox").mkdir()
    (home / ".dropbox" / "info.json").write_text(json.dumps({"personal": {"path": str(home / "mine"), "host": 1}}))
    with pytest.raises(SpoolError, match="Dropbox"):
        layout.create(home / "mine" / "spool")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"personal": 3}', '{"personal": {}}', "\xff", "[" * 60_000])
def test_settings_that_make_no_sense_name_no_folder(home: Path, content: str) -> None:
    (home / ".dropbox").mkdir()
    (home / ".dropbox" / "info.json").write_bytes(content.encode("latin-1"))
    assert layout.create(home / "code" / "spool", durability="none")


def test_every_service_has_a_source_and_a_case_here() -> None:
    assert {service.name for service in synced.SERVICES} == {name for name, _, _ in KINDS}
    assert all(len(service.source) > 10 for service in synced.SERVICES)
