"""What agents are told."""

import re

import pytest

from wf_cli.errors import ContractError
from wf_cli.planjobs.prompts import COMMANDS, ERROR_COUNT, render


def text_of(command: str, **facts: object) -> str:
    values = {"plan_id": "03", "plan_dir": "plans/03-dates", "epic_id": "01", "iteration": 1, "attempt": 1, **facts}
    return render(command, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_prompt_is_complete(command: str) -> None:
    text = text_of(command)
    assert "plan 03" in text
    assert "plans/03-dates" in text
    assert "wf context 03 --json --include" in text
    assert "exit code 4" in text
    assert "wf epic context 01" in text
    assert not re.search(r"\$\{?[a-z]", text)
    assert max(map(len, text.splitlines())) < 140


@pytest.mark.parametrize(
    ("command", "ends_with"),
    [("code", "wf finish-code 03"), ("fix", "wf finish-code 03"), ("review", "wf done 03"), ("plan", "todo.md")],
)
def test_each_names_the_commands_that_count(command: str, ends_with: str) -> None:
    text = text_of(command)
    assert ends_with in text
    assert ("wf todo implemented 03" in text) == (command in ("code", "fix"))
    assert ("wf todo reject 03" in text) == (command == "review")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_prompt_shows_how_to_open_a_step(command: str) -> None:
    assert not re.search(r"wf (code|review|fix) 03", text_of(command))


def test_the_review_prompt_shows_a_section_as_the_gate_reads_it() -> None:
    text = text_of("review")
    for line in ("## T1", "- intent_match: pass", "- behavior_match: pass", "- test_adequacy: pass", "- risk: low"):
        assert f"   {line}\n" in text
    assert "- code_refs: src/" in text


def test_errors_of_the_last_attempt_come_first() -> None:
    text = text_of("code", attempt=2, errors=["T1 has no\nevidence", "T2 is unchecked"])
    assert text.index("- T1 has no evidence\n- T2 is unchecked") < text.index("# Carry out plan")
    assert "attempt 2" not in text


def test_too_many_errors_are_counted() -> None:
    assert "and 5 more" in text_of("code", errors=[f"e{n}" for n in range(ERROR_COUNT + 5)])


def test_a_second_attempt_without_errors_is_told_to_look_first() -> None:
    assert "This is attempt 2" in text_of("fix", attempt=2)
    assert "This is attempt" not in text_of("fix")


def test_what_the_user_adds_comes_last() -> None:
    assert text_of("plan", extra="Use tabs.").endswith("Use tabs.\n")


def test_dollar_signs_of_others_are_left_alone() -> None:
    assert "cost $plan and $5" in text_of("code", errors=["cost $plan and $5"])


def test_a_command_without_a_prompt_is_refused() -> None:
    with pytest.raises(ContractError, match="verify"):
        text_of("verify")
