"""The lifecycle table is whole and consistent with what the records can express."""

from __future__ import annotations

from itertools import product

from wf_cli.contract.lifecycle import (
    DIRECTORIES,
    DIRECTORY,
    FINISHED,
    FINISHED_STATUSES,
    LIVE,
    TRANSITIONS,
    Action,
    Status,
    allowed,
)


def test_every_stored_status_can_be_reached_from_the_queue_and_left_again() -> None:
    reached = {Status.QUEUED}
    for _ in Status:
        reached |= {to for (status, _), targets in TRANSITIONS.items() if status in reached for to in targets}
    assert reached == set(Status) - {Status.STALLED}
    assert {status for status, _ in TRANSITIONS} == reached


def test_every_action_is_used_and_everything_else_is_illegal() -> None:
    assert {action for _, action in TRANSITIONS} == set(Action)
    for status, action in product(Status, Action):
        assert allowed(status, action) == ((status, action) in TRANSITIONS)
    assert not any(allowed(Status.STALLED, action) for action in Action), "derived, never stored"


def test_a_status_is_live_or_finished_and_lies_in_one_directory() -> None:
    assert set(Status) == LIVE | FINISHED
    assert not LIVE & FINISHED
    assert set(DIRECTORY) == set(Status) - {Status.STALLED}
    assert set(DIRECTORY.values()) | {"archive"} == set(DIRECTORIES)
    assert {str(status) for status in FINISHED} == FINISHED_STATUSES


def test_only_a_claim_starts_an_attempt_and_only_a_retry_leaves_the_end() -> None:
    assert [key for key, targets in TRANSITIONS.items() if Status.CLAIMED in targets] == [
        (Status.QUEUED, Action.CLAIM)
    ]
    assert [key for key, targets in TRANSITIONS.items() if Status.RUNNING in targets] == [
        (Status.CLAIMED, Action.START)
    ]
    assert {action for status, action in TRANSITIONS if status in FINISHED} == {Action.RETRY}
    assert not allowed(Status.RUNNING, Action.HOLD)


def test_every_end_of_an_attempt_is_legal_whether_it_ran_or_not() -> None:
    ends = {Action.SUCCEED, Action.FAIL, Action.RELEASE, Action.LOSE, Action.CANCEL}
    for status in (Status.CLAIMED, Status.RUNNING):
        assert {action for held, action in TRANSITIONS if held is status} - {Action.START} == ends
