"""Corners of the contract: blank words and values, files that lack a section, every write of an epic's state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic, make_plan, make_session, state_of
from wf_cli.agents import subagents
from wf_cli.agents.subagents import SubagentModels

RUNNING = {"status": "running", "started_at": "2021-01-02T03:04:05.000Z"}


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    make_session(tmp_path)
    return Cli(tmp_path, monkeypatch, capsys)


def ready_for_epics(root: Path) -> None:
    """The agent files without which `epic run` and `resume` refuse to start."""
    subagents.apply(root, SubagentModels(root))


def epic_state(root: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((root / "epics/01-big/state.json").read_text())
    return state


# -- words and values


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "", "Title"),
        ("context", "", "1"),
        ("context", "--include", "plan", "", "1"),
        ("verify", "", "1", "--target=review"),
        ("todo", "list", "", "", "1"),
        ("epic", "status", "", "1", ""),
        ("epic", "validate", "1", ""),
        ("review", "", "1", ""),
        ("worker", "", "plan-coder", "", "--max-jobs", "1"),
        ("recap", ""),
        ("log", "", "said", ""),
        ("project", "", "said", ""),
        ("",),
        ("", "plan", "x"),
    ],
)
def test_an_empty_word_is_no_word(wf: Cli, words: tuple[str, ...]) -> None:
    make_plan(wf.root, phase="awaiting_review")
    make_epic(wf.root)
    assert wf(*words)[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("plan", ""),
        ("plan", "Title", ""),
        ("context", "1", ""),
        ("verify", "1", ""),
        ("todo", "list", "1", "x", ""),
        ("epic", "status", ""),
        ("epic", "create", "", "Name"),
        ("epic", "attach", "", "1"),
        ("code", "", "1"),
        ("set-model", "", "gpt-5.2"),
    ],
)
def test_an_empty_word_is_refused_where_a_word_has_its_place_or_all_are_there(
    wf: Cli, words: tuple[str, ...]
) -> None:
    make_plan(wf.root, phase="planning")
    make_epic(wf.root)
    assert wf(*words)[0] == 1


@pytest.mark.parametrize(
    "words",
    [
        *(("project", "said", f"--{name}", "") for name in ("product", "users", "stack", "constraints", "success")),
        *(("log", "said", f"--{name}", "") for name in ("phase", "about", "implemented", "next", "scope")),
        ("recap", "--scope", ""),
        ("context", "1", "--include", ""),
        ("todo", "implemented", "1", "T1", "--test", "t", "--output", ""),
        ("todo", "implemented", "1", "T1", "--test", "t", "--output="),
        ("plan", "x", "--epic", ""),
    ],
)
def test_a_separate_value_is_not_empty(wf: Cli, words: tuple[str, ...]) -> None:
    make_plan(wf.root)
    make_epic(wf.root)
    code, _, err = wf(*words)
    assert code == 1
    assert err


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0", "\ufeff"])
@pytest.mark.parametrize("option", ["--test", "--output"])
def test_a_blank_value_is_no_evidence(wf: Cli, option: str, blank: str) -> None:
    plan = make_plan(wf.root, todo="- [ ] [T1] first\n", evidence="# Evidence\n")
    given = {"--test": "make check", "--output": "ok", option: blank}
    code, _, err = wf("todo", "implemented", "1", "T1", *(word for pair in given.items() for word in pair))
    assert code == 0
    assert "blank" in err
    code, _, err = wf("verify", "1", "--target=review", "--json")
    assert code == 1
    assert len(json.loads(err)["checks"]["review"]["errors"]) == 1, plan.evidence_md.read_text()


def test_the_name_of_an_epic_is_kept_as_given(wf: Cli) -> None:
    wf("epic", "  two  blanks\nand a line ")
    heading = (wf.root / "epics/01-two-blanks-and-a-line/epic.md").read_text().splitlines()[0]
    assert heading == "# Epic:   two  blanks and a line "


@pytest.mark.parametrize("blank", ["\ufeff", "\u2028"])
def test_white_space_is_that_of_ecmascript(wf: Cli, blank: str) -> None:
    make_plan(wf.root)
    assert wf("context", "1", f"--include={blank}plan")[0] == 0
    assert wf("config", "set", "distributed", f"{blank}no")[0] == 0
    assert wf.json("log", "said", f"--next={blank}a{blank};{blank}")["entry"]["next"] == ["a"]
    assert wf("recap", f"--limit={blank}3")[0] == 0


# -- every write of an epic's state


@pytest.mark.parametrize("status", ["idle", "paused", "failed"])
def test_resume_leaves_a_summary_also_before_any_run(wf: Cli, status: str) -> None:
    ready_for_epics(wf.root)
    make_epic(wf.root, orchestration={"status": status, "last_error": "boom"})
    wf.json("epic", "resume", "1")
    orchestration = epic_state(wf.root)["orchestration"]
    assert orchestration["status"] == "running"
    assert orchestration["last_run_summary"]
    assert "last_error" not in orchestration
    assert "started_at" not in orchestration


def test_stop_leaves_a_summary(wf: Cli) -> None:
    make_epic(wf.root, orchestration=RUNNING)
    wf.json("epic", "stop", "1")
    assert epic_state(wf.root)["orchestration"]["last_run_summary"]


@pytest.mark.parametrize("stale", ["plans:\n  - 09-gone\n", None])
@pytest.mark.parametrize("action", ["run", "resume", "stop", "status"])
def test_the_map_of_plans_follows_every_write_of_the_state(wf: Cli, action: str, stale: str | None) -> None:
    ready_for_epics(wf.root)
    make_plan(wf.root, phase="completed")
    orchestration = RUNNING if action == "stop" else {"status": "paused"}
    folder = make_epic(wf.root, plan_ids=["01-a"], orchestration=orchestration)
    plans_map = folder / "plans-map.yaml"
    plans_map.unlink()
    if stale is not None:
        plans_map.write_text(stale)
    wf.json("epic", action, "1")
    assert plans_map.read_text() == "plans:\n  - 01-a\n"


# -- workers of a project whose mode is off

ROLES = ("orchestrator", "plan-coder", "plan-reviewer", "plan-fixer")


def skipped(document: dict[str, Any]) -> dict[str, str]:
    assert all(entry["reason"] for entry in document["auto_workers"]["skipped"])
    return {entry["role"]: entry["runtime"] for entry in document["auto_workers"]["skipped"]}


@pytest.mark.parametrize("runtime", ["opencode", "cursor", "a name of its own"])
def test_skipped_workers_are_named_with_their_runtime(wf: Cli, runtime: str) -> None:
    ready_for_epics(wf.root)
    make_plan(wf.root)
    make_epic(wf.root, plan_ids=["01-a"])
    (wf.root / ".wf").mkdir(exist_ok=True)
    (wf.root / ".wf/routing.runtimes.json").write_text(json.dumps({"roles": dict.fromkeys(ROLES, runtime)}))
    assert skipped(wf.json("epic", "run", "1", "--auto-workers")) == dict.fromkeys(ROLES, runtime)
    # An epic that runs already may lack its workers all the same.
    assert skipped(wf.json("epic", "resume", "1", "--auto-workers")) == dict.fromkeys(ROLES, runtime)


def test_skipped_workers_have_the_runtimes_of_the_configuration(wf: Cli) -> None:
    ready_for_epics(wf.root)
    make_plan(wf.root)
    make_epic(wf.root, plan_ids=["01-a"])
    (wf.root / "wf.config.yaml").write_text("version: 1\nrouting:\n  plan-coder: {runtime: cursor}\n")
    found = skipped(wf.json("epic", "run", "1", "--auto-workers"))
    assert found == {**dict.fromkeys(ROLES, "cursor"), "plan-fixer": "opencode"}


@pytest.mark.parametrize(
    ("flags", "switch", "asked"),
    [
        (("--auto-workers",), False, True),
        (("--no-auto-workers",), True, False),
        (("--auto-workers", "--no-auto-workers"), True, False),
        (("--no-auto-workers", "--auto-workers"), False, True),
        ((), True, True),
        ((), "true", False),
        ((), False, False),
    ],
)
def test_the_last_flag_decides_about_workers_and_then_the_switch(
    wf: Cli, flags: tuple[str, ...], switch: object, asked: bool
) -> None:
    ready_for_epics(wf.root)
    make_plan(wf.root)
    make_epic(wf.root, plan_ids=["01-a"])
    (wf.root / ".wf").mkdir(exist_ok=True)
    (wf.root / ".wf/runtime.json").write_text(json.dumps({"version": 1, "auto_start_workers": switch}))
    assert ("auto_workers" in wf.json("epic", "run", "1", *flags)) == asked


def test_a_routing_that_cannot_be_read_is_noticed_before_the_epic_runs(wf: Cli) -> None:
    ready_for_epics(wf.root)
    folder = make_epic(wf.root)
    (wf.root / ".wf").mkdir(exist_ok=True)
    (wf.root / ".wf/routing.runtimes.json").write_text("{")
    before = (folder / "state.json").read_bytes()
    code, _, err = wf("epic", "run", "1", "--auto-workers")
    assert code == 1
    assert "routing.runtimes.json" in err
    assert (folder / "state.json").read_bytes() == before
    assert not (wf.root / "plans").exists()


# -- files that lack a section

WHOLE = {"version": 1, "default_model": "gpt-5.2", "agents": {}, "opencode_agents": {}, "allow_unknown_models": True}


def configure(root: Path, **changes: object) -> None:
    content = {key: value for key, value in {**WHOLE, **changes}.items() if value is not ...}
    (root / ".wf").mkdir(exist_ok=True)
    (root / ".wf/subagents.models.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("agents", ...),
        ("agents", None),
        ("agents", ["plan-coder"]),
        ("agents", {"plan-coder": 3}),
        ("default_model", ...),
        ("default_model", None),
        ("default_model", 7),
        ("opencode_agents", "x"),
        ("opencode_agents", {"plan-coder": []}),
    ],
)
def test_a_models_file_that_lacks_a_section_is_refused(wf: Cli, section: str, value: object) -> None:
    configure(wf.root, **{section: value})
    make_epic(wf.root)
    code, out, err = wf("subagents", "validate-models", "--json")
    assert (code, out) == (1, "")
    document = json.loads(err)
    assert not document["ok"]
    assert len(document["errors"]) == 1
    assert section in document["errors"][0]
    assert "subagents.models.json" in document["errors"][0]
    for words in (("apply-models",), ("show-models",), ("list-models",)):
        assert wf("subagents", *words)[0] == 1, words
    code, _, err = wf("epic", "run", "1", "--json")
    assert json.loads(err)["error"] == "SUBAGENT_PREFLIGHT_FAILED"
    assert not (wf.root / ".cursor/agents").exists()


@pytest.mark.parametrize(
    ("section", "value"),
    [("opencode_agents", ...), ("opencode_agents", None), ("allow_unknown_models", ...), ("agents", {"x": 3})],
)
def test_what_a_models_file_need_not_have(wf: Cli, section: str, value: object) -> None:
    configure(wf.root, **{section: value})
    assert wf.json("subagents", "validate-models")["errors"] == []


@pytest.mark.parametrize("links", [..., None, "01-a", {"01-a": 1}])
@pytest.mark.parametrize("action", ["run", "resume", "stop", "status", "validate"])
def test_an_epic_whose_state_lists_no_plans_is_refused(wf: Cli, action: str, links: object) -> None:
    ready_for_epics(wf.root)
    folder = make_epic(wf.root, plan_ids=links if links is not ... else [], orchestration={"status": "paused"})
    if links is ...:
        state = state_of_epic(folder)
        del state["plan_ids"]
        (folder / "state.json").write_text(json.dumps(state))
    before = (folder / "state.json").read_bytes()
    code, _, err = wf("epic", action, "1")
    assert code == 1
    assert "plan_ids" in err
    assert (folder / "state.json").read_bytes() == before
    assert not (wf.root / "plans").exists()


def state_of_epic(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return state


def test_a_plan_without_the_sections_of_its_state_has_no_phase(wf: Cli) -> None:
    plan = make_plan(wf.root)
    plan.state_json.write_text("{}")
    assert wf.json("context", "1")["phase"] == "unknown"
    assert wf("code", "1")[0] == 1
    assert state_of(plan) == {}
