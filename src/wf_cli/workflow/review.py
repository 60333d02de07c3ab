"""``review.md``: verdicts, the contract sections behind them, and the strict metadata. Pure text."""

from __future__ import annotations

from dataclasses import dataclass, field

from wf_cli.workflow import grammar

#: The fields of a contract section that have to be "pass".
PASSING_FIELDS = ("intent_match", "behavior_match", "test_adequacy")

_LEVELS = {name: grammar.choice_field(name, "pass", "fail", "partial") for name in PASSING_FIELDS}
_RISK = grammar.choice_field("risk", "low", "medium", "high")
_CODE_REFS = grammar.field_start("code_refs")


@dataclass
class ContractSection:
    """The reviewer's findings on one todo item."""

    levels: dict[str, str] = field(default_factory=dict)
    risk: str | None = None
    code_refs: str | None = None

    def problems(self, todo_id: str) -> list[str]:
        """The reasons why this section is not a complete pass, one text each."""
        found = []
        for name in PASSING_FIELDS:
            level = self.levels.get(name)
            if level != "pass":
                found.append(f"{todo_id}: {name} is {level or 'missing'} in review.md, it has to be pass")
        if self.risk is None:
            found.append(f"{todo_id}: risk is missing in review.md (low, medium or high)")
        if not self.code_refs or self.code_refs.lower() == "none":
            found.append(f"{todo_id}: code_refs is missing in review.md (the files and lines looked at)")
        return found


def verdicts(text: str) -> dict[str, str]:
    """The verdict of each id: pass, fail or partial. The last line of an id wins."""
    found = {}
    for line in grammar.lines(text):
        if match := grammar.VERDICT.fullmatch(line):
            found[match.group(1)] = match.group(2).lower()
    return found


def sections(text: str) -> dict[str, ContractSection]:
    """The contract sections by id. A repeated heading starts its section anew; the last value wins."""
    found: dict[str, ContractSection] = {}
    current: ContractSection | None = None
    for line in grammar.lines(text):
        if heading := grammar.SECTION.fullmatch(line):
            current = found[heading.group(1)] = ContractSection()
        elif current is not None:
            _read_field(current, line)
    return found


def _read_field(section: ContractSection, line: str) -> None:
    for name, level in _LEVELS.items():
        if match := level.fullmatch(line):
            section.levels[name] = match.group(1).lower()
            return
    if match := _RISK.fullmatch(line):
        section.risk = match.group(1).lower()
    elif match := _CODE_REFS.match(line):
        value = grammar.value_of(line[match.end() :])
        if value is not None:
            section.code_refs = value


def contract_problems(text: str, todo_id: str) -> list[str]:
    """The reasons why ``todo_id`` may not be accepted; a single text when it has no section."""
    section = sections(text).get(todo_id)
    if section is None:
        return [f"{todo_id}: review.md has no section `## {todo_id}`"]
    return section.problems(todo_id)


def is_strict(text: str) -> bool:
    """Whether the first strict marker of the file says true."""
    for line in grammar.lines(text):
        if match := grammar.STRICT_MARKER.fullmatch(line):
            return match.group(1).lower() == "true"
    return False


def with_verdict(text: str, todo_id: str, verdict: str, *, remark: str | None) -> str:
    """The file in which the first verdict line of ``todo_id``, or a new one at the end, says ``verdict``.

    ``remark`` is kept as a quotation below that line, after earlier ones, because the grammar does not read
    quotations.
    """
    line = f"- [{todo_id}]: {verdict}"
    quoted = [f"  > {grammar.one_line(remark)}"] if remark else []
    all_lines = grammar.lines(text)
    at = next((n for n, old in enumerate(all_lines) if _is_verdict(old, todo_id)), None)
    if at is None:
        # A blank line comes first, because right below a paragraph the verdict would be rendered as a part of it.
        last = grammar.trim(text).rpartition("\n")[2].lstrip()
        return grammar.appended(text, [line, *quoted], apart=not last.startswith(("- [", "> ")))
    all_lines[at] = grammar.like(all_lines[at], line)
    below = at + 1
    while below < len(all_lines) and all_lines[below].startswith("  > "):
        below += 1
    all_lines[below:below] = [grammar.like(all_lines[at], remark_line) for remark_line in quoted]
    return "\n".join(all_lines)


def _is_verdict(line: str, todo_id: str) -> bool:
    match = grammar.VERDICT.fullmatch(line)
    return match is not None and match.group(1) == todo_id


def with_strict_metadata(text: str, profile: str) -> str:
    """The file whose strict, strict_profile and quality_artifact lines describe a strict run."""
    wanted = {"strict": "true", "strict_profile": profile, "quality_artifact": "quality-run.json"}
    all_lines = grammar.lines(text)
    missing = []
    for name, value in wanted.items():
        start = grammar.field_start(name)
        at = [n for n, line in enumerate(all_lines) if start.match(line)]
        for n in at:
            all_lines[n] = grammar.like(all_lines[n], f"- {name}: {value}")
        if not at:
            missing.append(f"- {name}: {value}")
    edited = "\n".join(all_lines)
    return grammar.appended(edited, missing) if missing else edited
