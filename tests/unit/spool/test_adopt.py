"""Adopting an attempt into the spool of a node: what lies on its disk before, between and after."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import (
    POOL,
    RELEASE,
    SUCCESS,
    assert_sound,
    claim_one,
    failing,
    granted,
    make_spool,
    problems,
    run_one,
    spool_queue,
    state,
    tokens_on_disk,
)
from wf_cli import seams
from wf_cli.contract.token import parse
from wf_cli.errors import Refused, SpoolError
from wf_cli.spool import adopt, enqueue, layout, verify
from wf_cli.spool.late import LateResult
from wf_cli.spool.layout import Spool, Version

SPEC = granted("a")
ME = "w-box-1"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool", adopts=True)


def test_the_version_of_other_spools_has_not_changed_by_a_byte() -> None:
    for topology in layout.TOPOLOGIES:
        written = Version(id="0" * 16, topology=topology).encode().decode()
        assert written == f'{{"format": 1, "id": "{"0" * 16}", "topology": "{topology}", "durability": "fsync"}}\n'


def test_a_spool_that_adopts_says_so_wherever_it_is_opened(spool: Spool) -> None:
    assert json.loads((spool.root / "VERSION").read_text())["adopts"] is True
    assert layout.open_spool(spool.root).version == spool.version
    assert layout.create(spool.root).version.adopts, "who creates it again finds it"


@pytest.mark.parametrize("said", [False, None, 1, "true", []])
def test_anything_but_true_is_a_queue_of_its_own(spool: Spool, said: object) -> None:
    path = spool.root / "VERSION"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"adopts": said}))
    assert not layout.open_spool(spool.root).version.adopts


def test_a_shared_spool_never_adopts(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(ValueError, match="is local, not shared"):
        layout.create(tmp_path / "other", topology="shared", adopts=True)
    assert not (tmp_path / "other").exists()
    path = spool.root / "VERSION"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"topology": "shared"}))
    with pytest.raises(SpoolError, match="it adopts, and its topology is shared"):
        layout.open_spool(spool.root)


@pytest.mark.parametrize("number", [1, 5])
def test_verify_finds_nothing_wrong_with_what_was_adopted(spool: Spool, number: int) -> None:
    queue = spool_queue(spool)
    assert queue.adopt(SPEC, number)
    assert_sound(spool, jobs=1)
    for ending, following in ((RELEASE, number + 3), (failing("crashed"), number + 4), (SUCCESS, number + 9)):
        token = run_one(queue)
        assert_sound(spool, jobs=1)
        queue.end(token, ending, by=ME)
        assert_sound(spool, jobs=1)
        assert queue.adopt(SPEC, following)
        assert_sound(spool, jobs=1)


def test_an_ended_attempt_without_its_outcome_is_found_as_on_every_spool(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.adopt(SPEC, 5)
    queue.end(run_one(queue), failing("crashed"), by=ME)
    spool.outcome_path("a", 5).unlink()
    assert [line.split(":")[0] for line in problems(spool)] == ["missing_outcome"]
    assert not queue.adopt(SPEC, 5), "its token is a trace, too"


def test_y2_an_outcome_alone_is_a_trace(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.adopt(SPEC, 5)
    queue.end(run_one(queue), failing("crashed"), by=ME)
    (path,) = spool.folder("dead").iterdir()
    path.unlink()
    for number in (1, 4, 5):
        assert adopt.admit(spool, SPEC, number) is None
    assert queue.adopt(SPEC, 6)
    assert run_one(queue).attempt == 6


def test_y2_a_lost_token_is_never_made_again_as_an_attempt_that_was_not_granted(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.adopt(SPEC, 5)
    (path,) = spool.folder("queued").iterdir()
    path.unlink()
    assert [finding.kind for finding in verify.repair(spool)] == ["missing_token"]
    assert queue.claim(ME, (POOL,)) is None
    assert_sound(spool, jobs=1)
    assert queue.adopt(SPEC, 5), "its grant is taken again"
    assert run_one(queue).attempt == 5


def test_y2_nor_is_one_whose_outcome_is_damaged(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.adopt(SPEC, 5)
    queue.end(run_one(queue), RELEASE, by=ME)
    (path,) = spool.folder("done").iterdir()
    path.unlink()
    spool.outcome_path("a", 5).write_text("{")
    verify.repair(spool)
    assert queue.claim(ME, (POOL,)) is None
    assert [placed.folder for placed in tokens_on_disk(spool)] == ["done"]
    assert not queue.adopt(SPEC, 5)


def test_an_adoption_that_died_after_it_was_staged_is_carried_on_and_is_no_second_one(spool: Spool) -> None:
    token = adopt._token(SPEC, 3, None)
    enqueue._stage(spool, enqueue.Entry(SPEC, token))
    queue = spool_queue(spool)
    assert not queue.adopt(SPEC, 3)
    assert [placed.token for placed in tokens_on_disk(spool)] == [token]
    assert_sound(spool, jobs=1)


def test_an_old_adoption_whose_token_has_ended_is_followed_by_the_next_grant(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.adopt(SPEC, 1)
    queue.end(run_one(queue), RELEASE, by=ME)
    for number in (2, 3):
        assert queue.adopt(SPEC, number)
        assert state(queue)["a"].startswith("queued/")
        assert parse("queued", state(queue)["a"].removeprefix("queued/")) == queue.find("a").token  # type: ignore[union-attr]
        queue.end(claim_one(queue), RELEASE, by=ME)


def test_the_name_of_the_token_follows_from_spec_and_number(tmp_path: Path) -> None:
    clocks = FakeClock(), FakeClock()
    clocks[1].advance(86400)
    found = []
    for i, clock in enumerate(clocks):
        queue = spool_queue(make_spool(tmp_path / f"spool-{i}", adopts=True), clock)
        queue.adopt(SPEC, 3)
        found.append(state(queue))
    assert found[0] == found[1]


def test_y2_of_many_who_adopt_one_attempt_at_once_one_does(spool: Spool) -> None:
    together, got = threading.Barrier(8), []

    def take() -> None:
        queue = spool_queue(layout.open_spool(spool.root))
        together.wait()
        got.append(queue.adopt(SPEC, 3))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]
    assert_sound(spool, jobs=1)


def test_y2_a_claim_between_the_look_of_a_second_adopter_and_its_change_makes_no_second_token(spool: Spool) -> None:
    """The second one waits for the fence, and looks under it: what the first one adopted is running by then."""
    queue, second = spool_queue(spool), spool_queue(layout.open_spool(spool.root))
    answers: list[bool] = []
    other = threading.Thread(target=lambda: answers.append(second.adopt(SPEC, 3)))

    def hook(name: str) -> None:
        if name == "adopt.fenced" and threading.current_thread() is not other:
            other.start()

    seams.install(hook)
    try:
        assert queue.adopt(SPEC, 3)
    finally:
        seams.install(None)
    run_one(queue)
    other.join()
    assert answers == [False]
    assert [placed.folder for placed in tokens_on_disk(spool)] == ["running"]


def test_a_late_result_begins_no_attempt_on_a_node(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.adopt(SPEC, 1)
    token = run_one(queue)
    queue.cancel("a", by="op-box-1")
    queue.end(token, SUCCESS, by=ME)
    with pytest.raises(Refused, match="the home"):
        queue.apply_late(LateResult("a", 1, ME), by="op-box-1")
    assert not queue.adopt(replace(SPEC), 1)
