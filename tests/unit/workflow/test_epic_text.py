"""The goal, the criteria and a plan's own paragraph, as people write them."""

from __future__ import annotations

import pytest

from wf_cli.workflow import epic_text

TEXT = """# Epic: E

## 1. Goal

Dates are read.

### Why

They matter.

## Scope

- Plan 1: Parse
  - headers only
  - after: none

  more about it
- Plan 2: Report

```
## Goal
not this
```

## Acceptance criteria

- [ ] all headers
"""


def test_parts_are_found_below_their_headings_with_what_is_deeper() -> None:
    assert epic_text.goal(TEXT) == "Dates are read.\n\n### Why\n\nThey matter."
    assert epic_text.criteria(TEXT) == "- [ ] all headers"


def test_the_paragraph_of_a_plan_is_what_is_indented_below_its_declaration() -> None:
    assert epic_text.paragraph(TEXT, "plan-1-parse") == "  - headers only\n  - after: none\n\n  more about it"
    assert epic_text.paragraph(TEXT, "plan-2-report") == ""
    assert epic_text.paragraph(TEXT, "plan-3-none") == ""


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        ("## Goals", "goal"),
        ("# Objective", "goal"),
        ("### **Purpose**", "goal"),
        ("## Problem statement:", "goal"),
        ("## Success Criteria", "criteria"),
        ("## Definition of Done", "criteria"),
        ("## 5. Acceptance Criteria (draft)", "criteria"),
    ],
)
def test_many_headings_announce_a_part(heading: str, part: str) -> None:
    assert getattr(epic_text, part)(f"# E\n\n{heading}\n\nthe words\n") == "the words"


def test_a_long_part_is_cut_and_says_so() -> None:
    cut = epic_text.goal("## Goal\n\n" + "word " * 5000)
    assert len(cut) < epic_text.PART_LIMIT + 20
    assert cut.endswith("[cut here]")


def test_a_document_without_such_headings_has_no_parts() -> None:
    assert epic_text.goal("just words") == epic_text.criteria("just words") == ""
