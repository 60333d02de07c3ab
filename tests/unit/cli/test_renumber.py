"""``wf plan renumber``, ``wf epic renumber``, and what is said of a number that two folders have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Cli, make_epic, make_plan, make_session, state_of
from support.spools import claim_one, make_spool, run_one, spool_queue
from wf_cli.agents import subagents
from wf_cli.agents.subagents import SubagentModels
from wf_cli.app import App
from wf_cli.cli.completion import answer
from wf_cli.clock import SystemClock
from wf_cli.contract.identity import Target
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.doctor import Level, Patient, diagnose
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.queue.values import JobRequest

ON = {"WF_DISTRIBUTED": "1"}
CODER = Pool("plan-coder", "opencode")


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    for name in ("WF_DISTRIBUTED", "WF_SPOOL", "WF_ROOT", "WF_JOB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    make_plan(tmp_path, "01-a", phase="planning")
    make_plan(tmp_path, "01-b", phase="planning")
    return Cli(tmp_path, monkeypatch, capsys)


def folders(root: Path, where: str = "plans") -> list[str]:
    return sorted(path.name for path in (root / where).iterdir())


def a_job(root: Path, status: Status, target: Target) -> SpoolQueue:
    """A job of this step with this status."""
    queue = spool_queue(make_spool(root / ".wf" / "spool"))
    queue.enqueue(JobRequest(role=target.role, runtime="opencode", target=target))
    job_id = queue.placed()[0].token.job_id
    if status is Status.HELD:
        queue.hold(job_id)
    elif status is Status.CLAIMED:
        claim_one(queue, "w-box-1", CODER)
    elif status is not Status.QUEUED:
        token = run_one(queue, "w-box-1", CODER)
        if status is not Status.RUNNING:
            with queue.fence(token.job_id):
                queue.end(token, Ending(End.SUCCEEDED), by="w-box-1")
    found = queue.find(job_id)
    assert found is not None
    assert found.status is status
    return queue


def test_one_command_repairs_it(wf: Cli) -> None:
    code, out, err = wf("plan", "renumber", "01-b")
    assert (code, err) == (0, "")
    assert "plan 01 is now plan 02: plans/01-b -> plans/02-b" in out
    assert folders(wf.root) == ["01-a", "02-b"]
    assert not (wf.root / ".cursor").exists(), "no session is needed"
    assert not (wf.root / ".wf" / "spool").exists()


def test_as_json(wf: Cli) -> None:
    document = wf.json("plan", "renumber", "01-b", "--to", "7")
    assert document == {
        "ok": True, "schema_version": 1, "from": "plans/01-b", "to": "plans/07-b", "id": "07", "rewritten": [],
        "warnings": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("01",), 4, "plans/01-a and plans/01-b"),
        (("01-c",), 3, "01-a, 01-b"),
        (("01-b", "--to", "1"), 4, "plans/01-a has it"),
        (("01-b", "--to", "x"), 2, "is no number"),
        (("01-b", "--to", "0"), 2, "is no number"),
        (("01-b", "02-x"), 2, "unexpected"),
    ],
)
def test_what_is_refused(wf: Cli, words: tuple[str, ...], code: int, told: str) -> None:
    got, _, err = wf("plan", "renumber", *words)
    assert got == code, err
    assert told in err
    assert folders(wf.root) == ["01-a", "01-b"]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.HELD, Status.CLAIMED, Status.RUNNING])
def test_a_live_job_keeps_its_number(wf: Cli, status: Status) -> None:
    a_job(wf.root, status, Target(plan_id="01", iteration=0, command="code", role="plan-coder", epic_id="02"))
    make_epic(wf.root, name="02-e")
    for words in (("plan", "renumber", "01-b"), ("epic", "renumber", "02-e")):
        code, out, _ = wf(*words, "--json")
        document = json.loads(out)
        assert (code, document["error"], document["jobs"]) == (4, "PLAN_HAS_LIVE_JOB", ["e02-p01-i0-code-plan-coder"])
    assert folders(wf.root) == ["01-a", "01-b"]
    assert folders(wf.root, "epics") == ["02-e"]


def test_jobs_that_have_ended_stay_with_their_number(wf: Cli) -> None:
    """The keys of a number stay taken, so a plan never moves to a number that has some."""
    a_job(wf.root, Status.SUCCEEDED, Target(plan_id="01", iteration=0, command="code", role="plan-coder"))
    queue = spool_queue(make_spool(wf.root / ".wf" / "spool"))
    gone = Target(plan_id="02", iteration=0, command="code", role="plan-coder")
    queue.enqueue(JobRequest(role="plan-coder", runtime="opencode", target=gone))
    queue.cancel("p02-i0-code-plan-coder", by="op-box-1")
    code, _, err = wf("plan", "renumber", "01-b", "--to", "2")
    assert (code, "jobs of an earlier plan" in err) == (4, True)
    code, out, _ = wf("plan", "renumber", "01-b")
    assert code == 0
    assert "1 job(s) of plan 01 stay with that number" in out
    assert folders(wf.root) == ["01-a", "03-b"]


def test_the_dispatcher_goes_on_with_keys_of_the_new_number(wf: Cli) -> None:
    make_epic(wf.root, plan_ids=["01-a", "01-b"], orchestration={"status": "running"})
    settings = {"spool": {"durability": "none"}, "epic": {"max_parallel_plans": 2}}
    (wf.root / "wf.config.json").write_text(json.dumps(settings))
    app = App(wf.root, ON)
    spool = app.create_spool()
    before = app.dispatcher(spool).reconcile()
    assert before.published == []
    assert all("wf plan renumber 01-b" in blocked.why for blocked in before.blocked)
    assert len(before.blocked) == 2
    wf("plan", "renumber", "01-b")
    assert App(wf.root, ON).dispatcher(spool).reconcile().published == [
        "e01-p01-i0-code-plan-coder",
        "e01-p02-i0-code-plan-coder",
    ]


def test_an_agent_may_not(wf: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WF_JOB_TOKEN", "p03-i0-code-plan-coder.a1.w-box-1")
    for words in (("plan", "renumber", "01-b"), ("epic", "renumber", "01-big")):
        code, _, err = wf(*words)
        assert (code, "an agent may not renumber" in err) == (4, True)


def test_words_of_the_contract_keep_their_meaning(wf: Cli) -> None:
    make_session(wf.root)
    assert wf("plan", "renumber")[0] == 0
    assert wf("plan", "renumber", "--epic=")[0] == 0
    assert wf("plan", "--epic=", "renumber")[0] == 0
    assert folders(wf.root) == ["01-a", "01-b", "02-renumber", "03-renumber", "04-renumber"]
    assert wf("epic", "renumber")[0] == 0
    assert wf("epic", "renumber", "whatever", "follows")[0] == 0
    assert wf("epic", "create", "renumber")[0] == 0
    assert folders(wf.root, "epics") == ["01-renumber", "02-renumber", "03-renumber"]
    code, out, _ = wf("plan", "renumber", "01-b", "--help")
    assert (code, "wf plan renumber <plan-folder>" in out) == (0, True)


# -- epics


def two_epics(root: Path, status: str = "idle") -> None:
    for name in ("01-big", "01-small"):
        make_epic(root, name=name, orchestration={"status": status})


def test_an_epic_is_repaired_likewise(wf: Cli) -> None:
    plan = make_plan(wf.root, "03-c")
    plan.state_json.write_text(json.dumps({"phase": "planning", "epic_id": "01"}))
    make_epic(wf.root, name="01-big")
    make_epic(wf.root, name="01-small", plan_ids=["03-c"])
    document = wf.json("epic", "renumber", "01-small")
    assert (document["from"], document["to"]) == ("epics/01-small", "epics/02-small")
    assert document["rewritten"] == ["plans/03-c/state.json"]
    assert state_of(plan)["epic_id"] == "02"


@pytest.mark.parametrize("action", ["run", "resume"])
def test_an_epic_of_a_shared_number_does_not_run_in_distributed_mode(wf: Cli, action: str) -> None:
    make_session(wf.root)
    subagents.apply(wf.root, SubagentModels(wf.root))
    two_epics(wf.root)
    for reference in ("01", "01-small"):
        code, _, err = wf("epic", action, reference, environ=ON)
        assert code == 1
        assert "epics/01-big and epics/01-small have the same number" in err
        assert "wf epic renumber 01-small" in err
    assert not (wf.root / ".wf" / "spool").exists()
    assert folders(wf.root) == ["01-a", "01-b"]


def test_a_running_epic_of_a_shared_number_is_not_dispatched(wf: Cli) -> None:
    two_epics(wf.root, "running")
    app = App(wf.root, ON)
    found = app.dispatcher(app.create_spool()).reconcile()
    assert [blocked.epic_id for blocked in found.blocked] == ["01", "01"]
    assert all("wf epic renumber 01-small" in blocked.why for blocked in found.blocked)


# -- with the mode off the first by name is meant, and said


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (("code", "01"), True),
        (("code", "1"), True),
        (("context", "01"), True),
        (("verify", "01"), True),
        (("todo", "list", "01"), True),
        (("epic", "attach", "02", "01"), True),
        (("code", "01-b"), False),
        (("context", "03"), False),
    ],
)
def test_a_shared_number_means_the_first_and_warns(wf: Cli, words: tuple[str, ...], warned: bool) -> None:
    make_session(wf.root)
    make_plan(wf.root, "03-c")
    make_epic(wf.root, name="02-e")
    _, _, err = wf(*words)
    assert ("plans/01-a and plans/01-b have the same number" in err) is warned
    assert ("wf plan renumber 01-b" in err) is warned


def test_json_stays_alone_on_its_stream(wf: Cli) -> None:
    make_session(wf.root)
    _, out, err = wf("verify", "01", "--json")
    assert json.loads(out or err)["resolved_plan_dir"] == "plans/01-a"
    assert "" in (out, err)


def test_an_epics_number_warns_likewise(wf: Cli) -> None:
    two_epics(wf.root)
    assert "wf epic renumber 01-small" in wf("epic", "status", "1")[2]
    assert "wf epic renumber" not in wf("epic", "status", "01-small")[2]


# -- who names it


def test_doctor_names_both_folders_and_the_remedy(wf: Cli) -> None:
    two_epics(wf.root)
    checks = [c for c in diagnose(Patient(wf.root, {}, SystemClock()), call=False) if c.name == "numbers"]
    assert [(c.status, c.remedy) for c in checks] == [
        (Level.ERROR, "wf plan renumber 01-b"),
        (Level.ERROR, "wf epic renumber 01-small"),
    ]
    assert "plans/01-a and plans/01-b" in checks[0].detail
    assert wf("doctor", "--no-call")[0] == 5
    wf("plan", "renumber", "01-b")
    wf("epic", "renumber", "01-small")
    checks = [c for c in diagnose(Patient(wf.root, {}, SystemClock()), call=False) if c.name == "numbers"]
    assert [c.status for c in checks] == [Level.OK]


def test_doctor_names_a_renumbering_that_was_not_finished_and_links_that_lead_nowhere(wf: Cli) -> None:
    make_epic(wf.root, plan_ids=["01-a", "05-gone"])
    state = wf.root / "plans/01-b/state.json"
    state.write_text(json.dumps({"phase": "planning", "renumbering": {"from": "01-b", "to": "02-b"}}))
    (wf.root / "plans/01-b").rename(wf.root / "plans/02-b")
    checks = {c.name: c for c in diagnose(Patient(wf.root, {}, SystemClock()), call=False)}
    assert (checks["numbers"].status, checks["numbers"].remedy) == (Level.ERROR, "wf plan renumber 01-b")
    assert checks["links"].status is Level.WARN
    assert "05-gone" in checks["links"].detail
    assert wf("plan", "renumber", "01-b")[0] == 0
    assert state_of_folder(wf.root / "plans/02-b") == {"phase": "planning"}


def state_of_folder(path: Path) -> object:
    return json.loads((path / "state.json").read_text())


def test_folders_complete_those_that_share_a_number_first(wf: Cli) -> None:
    make_plan(wf.root, "00-z")

    def fits(*words: str) -> list[str]:
        return [candidate.value for candidate in answer.candidates(words, wf.root, {}) or ()]

    assert fits("plan", "renumber", "") == ["01-a", "01-b", "00-z"]
    assert "--to" in fits("plan", "renumber", "01-b", "-")
    assert "renumber" in fits("epic", "")
