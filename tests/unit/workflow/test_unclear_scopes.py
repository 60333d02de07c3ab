"""Lines of epic.md that nearly declare a plan are named, and what is quoted declares none with the mode on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.workflow import markdown, scope, unclear_scope

NEARLY = [
    "* Plan 1: Alpha",
    "+ Plan 1: Alpha",
    "1. Plan 1: Alpha",
    "1) Plan A: Alpha",
    "1. Plan A",
    "### Plan 1: Alpha",
    "#### Plan 1",
    "- **Plan 1: Alpha**",
    "- **Plan 1**: Alpha",
    "**Plan 1:** Alpha",
    "- [ ] Plan 1: Alpha",
    "- [x] Plan 1: Alpha",
    "- Plan 1 - Alpha",
    "- Plan 1 — Alpha",
    "- Plan 1 Alpha",
    "- Plan #1: Alpha",
    "- Plan no. 1: Alpha",
    "Plan 1: Alpha",
    "| Plan 1 | Alpha |",
    "> - Plan 1: Alpha",
    "  - Plan 1: Alpha",
    "- Plan 100: Alpha",
    "- Plan II: Alpha",
    "-Plan 1: Alpha",
]
PLAIN = [
    "Plan 1 needs the parser of plan 2.",
    "The plan: write it down.",
    "- Planning 1: nothing",
    "- plan a release party",
    "- Make a plan for 3 people",
    "- I plan 2 talks",
    "Planet 9: far away",
    "",
]


def below_scope(*lines: str) -> str:
    return "\n".join(["# Epic: E", "", "## Scope", "", *lines, "", "## Success Criteria", ""])


@pytest.mark.parametrize("line", NEARLY)
def test_a_line_that_nearly_declares_a_plan_is_named_with_what_to_write(line: str) -> None:
    text = below_scope(line)
    assert scope.parse(text).plans == ()
    (found,) = unclear_scope.unclear(text, skip_quoted=True)
    assert found.line == 5
    assert found.text == line.strip()
    assert found.write is not None
    assert found.write.startswith("- Plan ")
    # What is proposed is read, once a number stands in for N.
    assert scope.parse(below_scope(found.write.replace("Plan N", "Plan 7"))).plans
    assert unclear_scope.unclear(below_scope(found.write.replace("Plan N", "Plan 7")), skip_quoted=True) == ()


@pytest.mark.parametrize("line", PLAIN)
def test_a_sentence_about_plans_is_clear(line: str) -> None:
    assert unclear_scope.unclear(below_scope(line), skip_quoted=True) == ()


@pytest.mark.parametrize("heading", ["## Scope:", "## Plans", "# Scope", "##Scope", "## 2. Scope", "**Scope**"])
def test_a_declaration_below_another_heading_is_named(heading: str) -> None:
    text = f"# Epic: E\n\n{heading}\n\n- Plan 1: Alpha\n"
    (found,) = unclear_scope.unclear(text, skip_quoted=True)
    assert (found.line, found.write) == (5, "- Plan 1: Alpha")
    assert "not below `## Scope`" in found.why


def test_a_heading_about_a_declared_plan_is_clear() -> None:
    text = below_scope("- Plan 1: Alpha", "- Plan 2: Beta") + "\n## Details\n\n### Plan 1: Alpha\n\nwords\n"
    assert unclear_scope.unclear(text, skip_quoted=True) == ()
    (missed,) = unclear_scope.unclear(text + "\n### Plan 3: Gamma\n", skip_quoted=True)
    assert missed.write == "- Plan 3: Gamma"


QUOTED = [
    ["<!--", "- Plan 9: dropped", "-->"],
    ["<!-- old", "- Plan 9: dropped -->"],
    ["```", "- Plan 9: dropped", "```"],
    ["~~~markdown", "- Plan 9: dropped", "~~~"],
    ["````", "```", "- Plan 9: dropped", "````"],
]


@pytest.mark.parametrize("lines", QUOTED, ids=range(len(QUOTED)))
def test_what_is_quoted_is_text_with_the_mode_on_and_counts_with_it_off(lines: list[str]) -> None:
    text = below_scope(*lines, "- Plan 1: Alpha")
    assert [plan.label for plan in scope.parse(text, skip_quoted=True).plans] == ["Plan 1: Alpha"]
    assert [plan.order for plan in scope.parse(text).plans] == [1, 9]
    (on,) = unclear_scope.unclear(text, skip_quoted=True)
    (off,) = unclear_scope.unclear(text, skip_quoted=False)
    assert on.write is off.write is None
    assert "so it declares no plan" in str(on)
    assert "declares a plan while the mode is off" in str(off)


@pytest.mark.parametrize("opening", ["```", "~~~~", "<!--"])
def test_a_quotation_that_never_ends_hides_no_declaration(opening: str) -> None:
    text = below_scope(opening, "- Plan 1: Alpha")
    assert [plan.label for plan in scope.parse(text, skip_quoted=True).plans] == ["Plan 1: Alpha"]


@given(st.lists(st.sampled_from(["```", "~~~", "<!--", "-->", "<!-- x -->", "- Plan 1: a", "## Scope", "text", ""])))
def test_quoted_lines_come_in_closed_runs_and_the_plain_reading_is_the_contracts(lines: list[str]) -> None:
    quoted = markdown.quoted(lines)
    assert quoted <= set(range(len(lines)))
    text = "\n".join(lines)
    declared = scope.parse(text, skip_quoted=True).plans
    assert set(declared) <= set(scope.parse(text).plans)
    for line in unclear_scope.unclear(text, skip_quoted=True):
        assert lines[line.line - 1].strip() == line.text
