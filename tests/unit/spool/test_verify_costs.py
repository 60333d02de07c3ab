"""What a look at a whole spool costs: calls of the system, counted. Nearly all files of a spool are sound."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import round_trips
from support.clock import FakeClock
from support.spools import SUCCESS, WATCH, make_spool, request, run_one, spool_queue
from wf_cli.spool import contents, verify
from wf_cli.spool.layout import Spool

JOBS = 60


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue_many([request(f"job-{n}", payload={"n": n}) for n in range(JOBS)])
    for _ in range(JOBS // 2):
        queue.end(run_one(queue), SUCCESS, by="w-box-1")
    return spool


def test_each_spec_is_opened_once_and_no_token_outcome_or_fence(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_AT_ONCE", 7)
    heard: list[tuple[int, int]] = []
    with round_trips.counted(spool.root) as trips:
        assert verify.verify(spool, FakeClock(), on_progress=lambda done, of: heard.append((done, of))) == []
    opened = [call.removeprefix("open ") for call in trips.calls if call.startswith("open ") and "/" in call]
    assert sorted(opened) == sorted(f"jobs/{path.name}" for path in spool.folder("jobs").iterdir())
    assert not [call for call in trips.calls if call.startswith("flock")]
    assert not [call for call in trips.calls if call.startswith(("stat", "lstat", "write")) and "/" in call]
    assert max(trips.calls.count(f"scandir {folder}") for folder in ("jobs", "done", "outcomes", "locks")) <= 2
    assert heard[0] == (0, JOBS)
    assert heard[-1] == (JOBS, JOBS)


def test_a_spec_in_another_form_is_read_in_full_and_sound(spool: Spool) -> None:
    """A newer wf may write another form, and a person may have repaired a file."""
    for path in spool.folder("jobs").iterdir():
        path.write_text(json.dumps(json.loads(path.read_text()) | {"new": 1}, indent=1))
        break
    assert verify.verify(spool, FakeClock()) == []


@pytest.mark.parametrize("topology", ["local", "shared"])
def test_a_token_that_is_another_file_than_its_spec_is_compared_without_its_fence(
    tmp_path: Path, topology: str
) -> None:
    """A restored backup has no links, and on a shared spool the numbers of files prove nothing."""
    spool = make_spool(tmp_path / "other", topology=topology)
    queue = spool_queue(spool)
    queue.enqueue_many([request(f"job-{n}") for n in range(JOBS)])
    for path in spool.folder("queued").iterdir():
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    with round_trips.counted(spool.root) as trips:
        assert verify.verify(spool, FakeClock(), watch=WATCH) == []
    assert not [call for call in trips.calls if call.startswith("flock")]
    assert sum(call.startswith("open queued/") for call in trips.calls) == JOBS
    other = next(spool.folder("queued").iterdir())
    other.write_bytes(other.read_bytes().replace(b'"nonce": "', b'"nonce": "0')[:-3])
    assert [finding.kind for finding in verify.verify(spool, FakeClock(), watch=WATCH)] == ["damaged_token"]
