"""The prompts of agents, one for each step of a plan, from the templates beside this file.

A prompt names the commands that finish the step as the only way to finish it, because the worker judges the plan and
not the agent's words. The errors of the last attempt come first.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from wf_cli.contract.failure import Failure
from wf_cli.contract.step import EPIC_STEPS, STEPS
from wf_cli.errors import ContractError

#: The steps that have a prompt, which are those that are jobs.
COMMANDS = tuple(step.command for step in STEPS.values() if step.is_job)
#: Holds one template for each of them, and the parts that all steps share.
FOLDER = resources.files(__name__)
#: How many errors of the last attempt are shown, and how many characters of each.
ERROR_COUNT, ERROR_LENGTH = 40, 600


def render(
    command: str,
    *,
    plan_id: str,
    plan_dir: str,
    epic_id: str | None,
    iteration: int,
    attempt: int,
    errors: Sequence[str] = (),
    about: str = "",
    extra: str = "",
    resumed: bool = False,
) -> str:
    """The prompt of one attempt. ``plan_dir`` is relative to the checkout; ``errors`` are those of the last attempt.

    ``about`` is what people wrote about the plan. ``extra`` is what the user wants every agent of this kind to know.
    ``resumed``: for a session that knows the step already, the errors alone. ContractError for a command without a
    prompt.
    """
    if command not in COMMANDS:
        raise ContractError(f"there is no prompt for {command!r}", hint=f"one of {', '.join(COMMANDS)}")
    values = {
        "what": f"plan {plan_id}",
        "plan": plan_id,
        "dir": plan_dir,
        "iteration": str(iteration),
        "attempt": str(attempt),
        "epic": f"`wf epic context {epic_id}` shows the epic it belongs to." if epic_id else "It belongs to no epic.",
    }
    parts = [about.rstrip() + "\n"] if about.strip() else []
    return _put_together(command, values, attempt, errors, parts, extra=extra, resumed=resumed)


def render_epic(
    command: str,
    *,
    epic_id: str,
    epic_dir: str,
    most: int,
    attempt: int,
    errors: Sequence[str] = (),
    resumed: bool = False,
) -> str:
    """The prompt of one attempt at a step of an epic, of ``most`` plans at most; ContractError as in `render`."""
    if command not in EPIC_STEPS:
        raise ContractError(f"there is no prompt for {command!r}", hint=f"one of {', '.join(EPIC_STEPS)}")
    values = {
        "what": f"epic {epic_id}",
        "epic": epic_id,
        "dir": epic_dir,
        "most": str(most),
        "attempt": str(attempt),
    }
    return _put_together(command, values, attempt, errors, [], resumed=resumed)


def told(last: Failure | None) -> tuple[str, ...]:
    """What the next agent is told about the attempt before."""
    if last is None:
        return ()
    return last.errors or (f"{last.code}: {last.message}",)


def _put_together(
    command: str,
    values: Mapping[str, str],
    attempt: int,
    errors: Sequence[str],
    about: list[str],
    *,
    extra: str = "",
    resumed: bool,
) -> str:
    if resumed:
        listed = _listed(errors or ("it ended before the step was done",))
        return _template("resume").substitute(values, errors=listed)
    parts = [_template(command).substitute(values), *about]
    if errors:
        parts.insert(0, _template("errors").substitute(values, errors=_listed(errors)))
    elif attempt > 1:
        parts.insert(0, _template("again").substitute(values))
    parts.append(_template("rules").substitute(values))
    if extra.strip():
        parts.append(f"## Also\n\n{extra.strip()}\n")
    return "\n".join(parts)


def _listed(errors: Sequence[str]) -> str:
    lines = [f"- {' '.join(error.split())[:ERROR_LENGTH]}" for error in errors[:ERROR_COUNT]]
    if len(errors) > ERROR_COUNT:
        lines.append(f"- and {len(errors) - ERROR_COUNT} more")
    return "\n".join(lines)


@cache
def _template(name: str) -> string.Template:
    return string.Template(FOLDER.joinpath(f"{name}.md").read_text(encoding="utf-8"))
