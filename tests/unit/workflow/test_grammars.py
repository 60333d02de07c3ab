"""The text grammars: what is read, and that every edit is read back as meant, whatever the file was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.workflow import evidence, grammar, review, todo

IDS = st.sampled_from(["T1", "T2", "A.b-c", "x_9"])
SPACE = st.text(alphabet=" \t\u00a0\ufeff", max_size=2)
PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "- [ ] [T1] one", "- [x] [T1] again", "  - [X] [T2] two", "- [x] [T1]", "-[x] tight", "## T1", "## T2 ",
            "##T1", "### T1", " ## T1", "## T1 more", "- status: pass", "- Status: FAIL", "- command: `a`",
            "- command:", "- output: x", "- [T1]: pass", "- [T2]: fail ", "- [T1]: pass.", "- intent_match: pass",
            "- risk: low", "- code_refs: a", "- strict: true", "- strict_profile: fast", "  > note", "", "text",
        ]
    ),
)  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> str:
    """Anything that could stand in a plan's file, with both kinds of line ends."""
    parts = draw(st.lists(st.tuples(PIECES, st.sampled_from(["\n", "\r\n"])), max_size=12))
    return "".join(piece + end for piece, end in parts)[: -1 if draw(st.booleans()) else None]


def others(found: dict[str, object], todo_id: str) -> dict[str, object]:
    return {key: value for key, value in found.items() if key != todo_id}


@given(files())
def test_every_item_can_be_ticked_and_unticked_and_nothing_else_changes(text: str) -> None:
    before = todo.parse(text)
    for item in before:
        if item.id is None:
            continue
        for checked in (True, False):
            after = todo.parse(todo.with_checked(text, item, checked=checked))
            expected = [
                todo.TodoItem(old.line, checked if old.line == item.line else old.checked, old.id, old.text)
                for old in before
            ]
            assert after == expected


@given(files(), IDS, st.sampled_from(["pass", "fail"]), st.none() | st.text(max_size=20))
def test_a_verdict_is_read_back_unless_a_later_line_overrules_it(
    text: str, todo_id: str, verdict: str, remark: str | None
) -> None:
    lines = [line for line in grammar.lines(text) if (m := grammar.VERDICT.fullmatch(line)) and m[1] == todo_id]
    edited = review.with_verdict(text, todo_id, verdict, remark=remark)
    if len(lines) < 2:
        assert review.verdicts(edited)[todo_id] == verdict
    assert others(review.verdicts(edited), todo_id) == others(review.verdicts(text), todo_id)
    assert review.sections(edited) == review.sections(text)
    assert review.is_strict(edited) == review.is_strict(text)


@given(files(), IDS, st.text(max_size=20), st.text(max_size=20), st.none() | st.text(max_size=20))
def test_evidence_is_read_back_and_other_sections_stay(
    text: str, todo_id: str, command: str, output: str, notes: str | None
) -> None:
    edited = evidence.with_section(text, todo_id, command=command, output=output, notes=notes)
    headings = [line for line in grammar.lines(text) if (m := grammar.SECTION.fullmatch(line)) and m[1] == todo_id]
    if len(headings) < 2:
        section = evidence.parse(edited)[todo_id]
        assert section.status == "pass"
        assert section.output in (grammar.one_line(output), None if not grammar.one_line(output) else "")
        assert bool(section.command) or not grammar.one_line(command)
    assert others(evidence.parse(edited), todo_id) == others(evidence.parse(text), todo_id)


@given(files(), st.sampled_from(["fast", "default", "full"]))
def test_strict_metadata_is_read_back_and_verdicts_and_sections_stay(text: str, profile: str) -> None:
    edited = review.with_strict_metadata(text, profile)
    assert review.is_strict(edited)
    assert review.verdicts(edited) == review.verdicts(text)
    assert review.with_strict_metadata(edited, profile) == edited


@given(files())
def test_carriage_returns_change_nothing(text: str) -> None:
    plain = text.replace("\r", "")
    crlf = plain.replace("\n", "\r\n")
    assert [(i.checked, i.id, i.text) for i in todo.parse(plain)] == [
        (i.checked, i.id, i.text) for i in todo.parse(crlf)
    ]
    assert evidence.parse(plain) == evidence.parse(crlf)
    assert review.verdicts(plain) == review.verdicts(crlf)
    assert review.sections(plain) == review.sections(crlf)


@pytest.mark.parametrize(
    ("line", "item"),
    [
        ("- [x] [T1] text", (True, "T1", "text")),
        ("- [X]   [T1]   text  \r", (True, "T1", "text")),
        ("- [ ] [T1]", (False, None, "[T1]")),
        ("- [x] ", (True, None, "")),
        ("- [x]\r", (True, None, "")),
        ("-[ ] tight", (False, None, "tight")),
        ("\u00a0-\ufeff[x]\u2003wide", (True, None, "wide")),
        ("- [x] [1T] digit first", (True, None, "[1T] digit first")),
        ("- [x]", None),
        ("- [x]text", None),
        ("* [x] star", None),
        ("- [] none", None),
        ("- [x] a\u2028b", None),
        ("\x1c- [x] python thinks this is white space", None),
    ],
)
def test_todo_lines(line: str, item: tuple[bool, str | None, str] | None) -> None:
    found = todo.parse(line)
    assert [(one.checked, one.id, one.text) for one in found] == ([] if item is None else [item])


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("- command: `make check`", "make check"),
        ("- command: make check", "make check"),
        ("-COMMAND:make", "make"),
        ("- command: ``", "`"),
        ("- command: `", "`"),
        ("- command: ` `", ""),
        ("- command:  ", ""),
        ("- command:", None),
        ("- command:\r", None),
        ("- command: a\rb", None),
        ("- command: `a` `b`", "a` `b"),
    ],
)
def test_commands_of_evidence(line: str, value: str | None) -> None:
    assert evidence.parse(f"## T1\n{line}")["T1"].command == value


@pytest.mark.parametrize(
    "line", ["- \u017ftatus: pass", "- status: pa\u017fs", "- status: passed", "- status : pass", "\\- status: pass"]
)
def test_lines_that_only_look_like_a_status(line: str) -> None:
    assert evidence.parse(f"## T1\n{line}")["T1"].status is None


def test_a_repeated_heading_starts_its_section_anew() -> None:
    text = "## T1\n- status: pass\n- output: a\n## T2\n## T1\n- output: b\n"
    assert evidence.parse(text)["T1"] == evidence.Evidence(None, None, "b")


def test_other_headings_do_not_end_a_section() -> None:
    text = "## T1\n# Title\n## two words\n### T2\n ## T3\n## [T4]\n- status: pass\n"
    assert list(evidence.parse(text)) == ["T1"]
    assert evidence.parse(text)["T1"].status == "pass"


def test_the_first_strict_marker_counts() -> None:
    assert not review.is_strict("- strict: maybe\n- strict: false\n- strict: true\n")
    assert review.is_strict("- strict: yes\n - STRICT: True\r\n- strict: false\n")


def test_a_long_line_of_blanks_costs_no_quadratic_time() -> None:
    blanks = " " * 200_000
    text = f"## T1\n- command: x{blanks}\u2028\n- output: {blanks}x\n- [ ] [T1] {blanks}\u2028\n"
    assert evidence.parse(text)["T1"].output == "x"
    assert [item.text for item in todo.parse(text)] == ["[T1]"]
