"""The jobs that `wf spool ls` counts and orders: the same as of a full look, without a record for each."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.clock import FakeClock
from support.round_trips import counted
from support.spools import SUCCESS, failing, make_spool, request, run_one, spool_queue
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.token import Placed, Pool, Token, finished_job, parse
from wf_cli.spool import scan
from wf_cli.spool.layout import Spool
from wf_cli.views.rows import RANK, SORTS, row, since_ms
from wf_cli.views.survey import survey
from wf_cli.views.viewer import Criteria, Viewer

STEPS = ["e01-p03-i0-code-coder", "e01-p13-i0-code-coder", "e11-p03-i1-code-coder", "p03-i0-code-coder", "mine"]
TOKENS = st.builds(
    Token,
    priority=st.integers(0, 9),
    time_ms=st.integers(0, 10**13 - 1),
    job_id=st.sampled_from(STEPS),
    pool=st.sampled_from([Pool("coder", "opencode"), Pool("coder", "open"), Pool("reviewer", "opencode")]),
    attempt=st.integers(0, 3),
    burned=st.integers(0, 3),
    budget=st.just(3),
    delay_s=st.sampled_from([0, 0, 30]),
)
FOLDERS = ["queued", "held", "running", "claimed", "done", "dead"]
CRITERIA = st.builds(
    Criteria,
    statuses=st.frozensets(st.sampled_from(list(Status)), max_size=2),
    roles=st.frozensets(st.sampled_from(["coder", "code"]), max_size=1),
    runtimes=st.frozensets(st.sampled_from(["opencode", "open"]), max_size=1),
    plans=st.frozensets(st.sampled_from(["03", "3", "13"]), max_size=1),
    epics=st.frozensets(st.sampled_from(["01", "11", "1"]), max_size=1),
)


def lay(spool: Spool, folder: str, token: Token, status: str) -> None:
    if folder in ("running", "claimed"):
        token = token.claimed_by("w-box-1")
    elif folder in ("done", "dead"):
        token = token.finished(status if folder == "done" else "failed")
    spool.path(folder, token.name).write_text("{")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(FOLDERS), TOKENS, st.sampled_from(["succeeded", "cancelled"])), max_size=12),
    CRITERIA,
    st.sampled_from(SORTS),
    st.sampled_from([None, 0, 1, 3]),
)
def test_it_shows_what_a_full_look_shows(
    jobs: list[tuple[str, Token, str]], criteria: Criteria, sort: str, limit: int | None
) -> None:
    with TemporaryDirectory() as folder:
        spool = make_spool(Path(folder) / "spool")
        one_each = {token.job_id: (place, token, status) for place, token, status in jobs}
        for place, token, status in one_each.values():
            lay(spool, place, token, status)
        spool.path("done", "5.1764000000000.foreign.succeeded.json").write_text("")
        viewer = Viewer(spool, FakeClock())
        fit = [placed for placed in scan.everything(spool) if criteria.fits(placed, viewer)]
        found = survey(viewer, criteria)
        assert {k: n for k, n in found.counts.items() if n} == {
            str(status): n for status in Status if (n := sum(viewer.status(placed) is status for placed in fit))
        }
        keys = {
            "age": since_ms,
            "priority": lambda placed: placed.token.name,
            "status": lambda placed: (RANK[viewer.status(placed)], placed.token.name),
        }
        shown = list(found.first(limit, sort))
        assert [keys[sort](p) for p in shown] == sorted(map(keys[sort], fit))[:limit]  # type: ignore[operator,call-overload]
        assert {p.token.name for p in shown} <= {p.token.name for p in fit}


@given(TOKENS, st.sampled_from(["succeeded", "cancelled", "failed"]), st.sampled_from(["done", "dead", "archive"]))
def test_a_finished_name_is_judged_as_parsing_judges_it(token: Token, status: str, folder: str) -> None:
    for name in (token.finished(status).name, token.name, token.finished(status).name.replace("of3", "of03")):
        parsed = parse(folder, name)
        assert finished_job(folder, name) == ((parsed.job_id, parsed.status) if parsed is not None else None)


@pytest.mark.parametrize("job", ["x" * 96, "x" * 97])
@pytest.mark.parametrize("pool", ["r" * 40 + "@" + "x" * 7, "r" * 40 + "@" + "x" * 8])
def test_the_limits_of_a_finished_name_are_those_of_a_token(job: str, pool: str) -> None:
    name = f"5.1764000000000.{job}.{pool}.a1b0of3.succeeded.json"
    assert (finished_job("done", name) is None) == (parse("done", name) is None)


@pytest.mark.parametrize("retried", [True, False])
def test_a_job_that_goes_back_while_this_looks_is_shown_once(tmp_path: Path, retried: bool) -> None:
    """Forced: it is retried, or it ends, after done/ or running/ was listed."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    token = run_one(queue)
    if retried:
        queue.end(token, SUCCESS, by="w-box-1")
    real = Spool.names

    class Looking(Spool):
        def names(self, folder: str) -> list[str]:
            found = real(self, folder)
            if folder == ("done" if retried else "running"):
                if retried:
                    queue.retry("a", force=True)
                else:
                    queue.end(token, SUCCESS, by="w-box-1")
            return found

    looking = Looking(spool.root, spool.version)
    found = survey(Viewer(looking, FakeClock()), Criteria())
    expected = "queued" if retried else "succeeded"
    assert {status: n for status, n in found.counts.items() if n} == {expected: 1}
    assert [p.folder for p in found.first(None, "status")] == ["queued" if retried else "done"]


def test_a_limit_bounds_what_is_opened(tmp_path: Path) -> None:
    """Failed jobs show why they failed, and each reason is in a file of its own."""
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    for n in range(30):
        queue.enqueue(request(f"j-{n}"))
        queue.end(run_one(queue), failing("policy_denied"), by="w-box-1")
    viewer = Viewer(spool, FakeClock())
    with counted(spool.root) as trips:
        shown = [row(placed, viewer) for placed in survey(viewer, Criteria()).first(10, "status")]
    assert len(shown) == 10
    opened = [call for call in trips.calls if call.startswith("open ") and call.endswith(".json")]
    assert len(opened) == 10
    assert not any("jobs/" in call for call in trips.calls)


def test_only_the_folders_of_the_wanted_statuses_are_listed(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    viewer = Viewer(spool, FakeClock())
    with counted(spool.root) as trips:
        survey(viewer, Criteria(statuses=frozenset({Status.RUNNING})))
    assert not {"listdir done", "listdir dead"} & set(trips.calls)


def test_placed_is_what_a_listing_gives(tmp_path: Path) -> None:
    spool = make_spool(tmp_path / "spool")
    queue = spool_queue(spool)
    queue.enqueue(request("a"))
    queue.end(run_one(queue), SUCCESS, by="w-box-1")
    (placed,) = survey(Viewer(spool, FakeClock()), Criteria()).first(None, "age")
    assert [placed] == [Placed("done", token) for token in scan.listing(spool, "done")]
