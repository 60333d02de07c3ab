"""The session file and the guards."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.projects import make_session
from wf_cli.agents import model_guard, models
from wf_cli.errors import StateError, UsageError

CAPABILITIES = (models.PLANNING, models.CODING, models.REVIEWING, models.FIXING, models.COMPLETING)


def of(capabilities: tuple[str, ...] = (), *, model: str = "mine", locked: bool = False) -> model_guard.Session:
    return model_guard.Session(Path("x"), model, capabilities, locked, {})


def permitted(command: str, who: model_guard.Session | None, role: str | None = None) -> bool:
    try:
        model_guard.guard(command, who, role)
    except model_guard.GuardRefused:
        return False
    return True


def test_the_session_is_created_once_also_by_many_at_a_time(tmp_path: Path) -> None:
    threads = [threading.Thread(target=model_guard.ensure, args=(tmp_path, FakeClock())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not model_guard.load(tmp_path).is_set
    assert [path.name for path in (tmp_path / ".cursor" / "session").iterdir()] == ["state.json"]


def test_an_existing_session_is_never_replaced(tmp_path: Path) -> None:
    path = make_session(tmp_path)
    before = path.read_bytes()
    model_guard.ensure(tmp_path, FakeClock())
    assert path.read_bytes() == before


def test_the_session_of_opencode_is_used_where_only_that_exists(tmp_path: Path) -> None:
    path = tmp_path / ".opencode" / "session" / "state.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"model": "x", "capabilities": ["coding"]}')
    model_guard.ensure(tmp_path, FakeClock())
    assert model_guard.load(tmp_path).model == "x"
    assert not (tmp_path / ".cursor").exists()


def test_a_model_change_keeps_other_keys(tmp_path: Path) -> None:
    path = make_session(tmp_path, mine=[1])
    model_guard.choose(model_guard.load(tmp_path), "composer-1", FakeClock(), lock=True)
    stored = json.loads(path.read_text())
    assert stored["mine"] == [1]
    assert (stored["model"], stored["capabilities"], stored["locked"]) == ("composer-1", ["coding", "fixing"], True)


@pytest.mark.parametrize("model", ["toString", "constructor", "__proto__", "GPT-5.2", "", "gpt-5", " gpt-5.2"])
def test_quirk_17_unknown_and_disabled_models_are_refused_and_nothing_is_written(tmp_path: Path, model: str) -> None:
    path = make_session(tmp_path)
    before = path.read_bytes()
    with pytest.raises(UsageError):
        model_guard.choose(model_guard.load(tmp_path), model, FakeClock(), lock=False)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_quirk_18_a_malformed_session_is_one_clear_error(tmp_path: Path, text: str) -> None:
    make_session(tmp_path).write_text(text)
    with pytest.raises(StateError, match=r"state\.json"):
        model_guard.load(tmp_path)


@pytest.mark.parametrize("content", [{}, {"model": 5, "capabilities": "coding"}, {"model": "", "capabilities": [1]}])
def test_unusable_values_mean_that_no_model_is_set(tmp_path: Path, content: object) -> None:
    make_session(tmp_path).write_text(json.dumps(content))
    found = model_guard.load(tmp_path)
    assert (found.is_set, found.capabilities) == (False, ())


@pytest.mark.parametrize("command", model_guard.REQUIRED)
def test_each_command_needs_one_of_its_capabilities(command: str) -> None:
    for capability in CAPABILITIES:
        assert permitted(command, of((capability,))) is (capability in model_guard.REQUIRED[command])
    assert not permitted(command, of(CAPABILITIES, model="unset"))


def test_commands_outside_the_table_need_a_model_only() -> None:
    assert permitted("workers", of())
    assert permitted("bogus", of())
    assert not permitted("bogus", of(model="unset"))
    assert permitted("set-model", of(model="unset"))


def test_a_locked_session_refuses_update_model_and_nothing_else() -> None:
    locked = of(CAPABILITIES, locked=True)
    assert not permitted("update-model", locked)
    assert permitted("set-model", locked)
    assert permitted("code", locked)


@pytest.mark.parametrize(
    ("role", "commands"),
    [
        ("orchestrator", {"plan", "epic"}),
        ("plan-coder", {"code", "finish-code", "todo implemented", "worker"}),
        ("plan-reviewer", {"review", "done", "todo accept", "todo reject"}),
        ("plan-fixer", {"code", "finish-code", "fix", "todo implemented", "worker"}),
        ("somebody", set()),
        ("", set()),
    ],
)
def test_in_a_job_the_role_decides_and_not_the_session(role: str, commands: set[str]) -> None:
    assert {command for command in model_guard.REQUIRED if permitted(command, None, role)} == commands
