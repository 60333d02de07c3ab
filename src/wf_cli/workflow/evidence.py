"""``evidence.md``: the commands that were run to show that a todo item is done. Pure text."""

from __future__ import annotations

from dataclasses import dataclass

from wf_cli.workflow import grammar

#: The file of a new plan. The sample is indented so that it is no section. That of wf-cli 0.3.x counted as evidence
#: for an item T1 (docs/explanation/compatibility.md, quirk 7).
NEW_FILE = """\
# Evidence

One section for each finished todo item, written by

    wf todo implemented <plan> <ID> --test "<command>" --output "<short result>"

By hand, a section looks like this, but starts at the beginning of the line:

    ## T1
    - status: pass
    - command: `the command that was run`
    - output: its result in one line
    - notes: anything worth knowing
"""

_STATUS = grammar.choice_field("status", "pass", "fail", "partial")
_COMMAND = grammar.field_start("command")
_OUTPUT = grammar.field_start("output")


@dataclass
class Evidence:
    """One section. A field that it lacks is None or an empty text."""

    status: str | None = None
    command: str | None = None
    output: str | None = None


def parse(text: str) -> dict[str, Evidence]:
    """The sections by id. A repeated heading starts its section anew; the last value of a field wins."""
    sections: dict[str, Evidence] = {}
    current: Evidence | None = None
    for line in grammar.lines(text):
        if heading := grammar.SECTION.fullmatch(line):
            current = sections[heading.group(1)] = Evidence()
        elif current is not None:
            _read_field(current, line)
    return sections


def _read_field(section: Evidence, line: str) -> None:
    if match := _STATUS.fullmatch(line):
        section.status = match.group(1).lower()
    elif match := _COMMAND.match(line):
        value = grammar.value_of(line[match.end() :])
        if value is not None:
            section.command = grammar.unquoted(value)
    elif match := _OUTPUT.match(line):
        value = grammar.value_of(line[match.end() :])
        if value is not None:
            section.output = value


def with_section(text: str, todo_id: str, *, command: str, output: str, notes: str | None) -> str:
    """The file in which the section of ``todo_id`` says that ``command`` passed.

    An existing section is replaced up to the next line that starts with ``## ``. Otherwise the new one goes to the
    end, after a blank line. Line breaks in the values become blanks, so that a value cannot add fields.
    """
    section = [
        f"## {todo_id}",
        "- status: pass",
        # An empty command is written as a blank, because the grammar reads "``" as a command that is called "`".
        f"- command: `{grammar.one_line(command) or ' '}`",
        f"- output: {grammar.one_line(output)}",
        f"- notes: {grammar.one_line(notes or '') or 'none'}",
    ]
    newline = grammar.newline_of(text)
    all_lines = grammar.lines(text)
    start = next((n for n, line in enumerate(all_lines) if _is_heading(line, todo_id)), None)
    if start is None:
        return grammar.appended(text, section, apart=True)
    end = next((n for n in range(start + 1, len(all_lines)) if all_lines[n].startswith("## ")), None)
    after = [] if end is None else all_lines[end:]
    block = [line + newline[:-1] for line in [*section, *([""] if after else [])]]
    return "\n".join([*all_lines[:start], *block, *(after or [""])])


def _is_heading(line: str, todo_id: str) -> bool:
    match = grammar.SECTION.fullmatch(line)
    return match is not None and match.group(1) == todo_id
