"""A project whose folder a sync service begins to replicate, after its spool was made and used.

On both sides of such a folder every rename succeeds, so a job would run twice. The kinds of folders are those of
`test_synced`, and each is refused there when a spool is opened; here the commands that would make or take jobs.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Cli
from wf_cli.app import App
from wf_cli.spool import layout

#: A sign of each way by which a folder is recognised: a mark, a mark with a second sign, and a service's settings.
SIGNS = [
    ("Syncthing", ".stfolder/"),
    ("Syncthing", ".stignore"),
    ("Dropbox", ".dropbox"),
    ("OneDrive", ".849C9593-D756-4E56-8D6E-42412F2A707B"),
    ("Google Drive", ".tmp.drivedownload/"),
    ("iCloud Drive", ".report.pdf.icloud"),
    ("Nextcloud", ".sync_5d1a8c6d4ab4.db"),
    ("ownCloud", ".owncloudsync.log"),
    ("Resilio Sync", ".sync/ID"),
    ("Seafile", "seafile-ignore.txt"),
    ("MEGA", ".megaignore"),
    ("Synology Drive", ".SynologyWorkingDirectory/"),
    ("Syncthing", "settings"),
]
JOB = ("enqueue", "--role", "builder", "--runtime", "shell", "--key")
CONFIG = """\
version: 1
mode: distributed
runtimes: {shell: {adapter: command, argv: ["true"]}}
routing: {builder: {runtime: shell}}
"""


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    for name in ("WF_DISTRIBUTED", "WF_SPOOL", "WF_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "team" / "project"
    root.mkdir(parents=True)
    (root / "wf.config.yaml").write_text(CONFIG)
    return Cli(root, monkeypatch, capsys)


def begin_to_sync(folder: Path, sign: str) -> None:
    if sign == "settings":
        settings = Path.home() / ".config" / "syncthing" / "config.xml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'<configuration><folder id="a" path="{folder}"></folder></configuration>')
        return
    path = folder / sign
    path.parent.mkdir(exist_ok=True)
    if sign.endswith("/"):
        path.mkdir()
    else:
        path.write_text("")


@pytest.mark.parametrize(("service", "sign"), SIGNS)
def test_commands_refuse_a_spool_whose_folder_became_synced(wf: Cli, service: str, sign: str) -> None:
    wf.json(*JOB, "before")
    spool = App(wf.root, {}).open_spool()
    begin_to_sync(wf.root.parent, sign)
    for words in ((*JOB, "after"), ("worker", "--runtime", "shell"), ("spool", "ls"), ("cancel", "before")):
        code, out, err = wf(*words, "--json")
        document = json.loads(out)
        assert (code, document["error"]) == (1, "SYNCED_FOLDER"), (words, err)
        assert service in document["message"]
    assert [name.split(".")[2] for name in sorted(path.name for path in spool.folder("queued").iterdir())] == [
        "before"
    ], "nothing was made and nothing taken"
    assert sorted(layout.FOLDERS) == sorted(path.name for path in spool.root.iterdir() if path.is_dir())


@pytest.mark.parametrize(("service", "sign"), SIGNS)
def test_the_doctor_names_the_service_and_the_way_out(wf: Cli, service: str, sign: str) -> None:
    wf.json(*JOB, "before")
    begin_to_sync(wf.root.parent, sign)
    code, out, _ = wf("doctor", "--no-call", "--json")
    found = [check for check in json.loads(out)["checks"] if service in check["detail"]]
    assert code == 5
    assert any(check["status"] == "error" and "spool.dir" in (check["remedy"] or "") for check in found), out
