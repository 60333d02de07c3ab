"""The live view of an epic. A terminal gets a picture that is drawn anew, a pipe one line for each change."""

from __future__ import annotations

import sys
from collections.abc import Callable

from wf_cli.clock import format_duration
from wf_cli.views.progress import EpicProgress, PlanProgress


class Follower:
    """Shows an epic's progress on a text stream, which must not be the one that JSON is printed on."""

    def __init__(self, write: Callable[[str], None], *, live: bool):
        self._write = write
        self._live = live
        self._drawn = 0
        self._said: dict[str, str] = {}

    def show(self, now: EpicProgress) -> None:
        """Draw the picture anew or, in a pipe, print the plans that have changed."""
        if self._live:
            lines = picture(now)
            up = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
            self._write(up + "\n".join(lines) + "\n")
            self._drawn = len(lines)
            return
        for plan in now.plans:
            line = _plan_line(plan)
            if self._said.get(plan.plan_id) != line:
                self._said[plan.plan_id] = line
                self._write(f"[{format_duration(now.elapsed_s):>6}] {line}\n")

    def interject(self, line: str) -> None:
        """Print a line that stays above the picture."""
        if self._live and self._drawn:
            self._write(f"\x1b[{self._drawn}F\x1b[J{line}\n")
            self._drawn = 0
        else:
            self._write(line + "\n")


def follower(*, to_stderr: bool) -> Follower:
    """A follower on stdout or stderr. It draws a picture only if that is a terminal."""
    stream = sys.stderr if to_stderr else sys.stdout

    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return Follower(write, live=stream.isatty())


def picture(now: EpicProgress) -> list[str]:
    """The lines of the picture: one for the epic, and one for each plan."""
    done = sum(plan.phase == "completed" for plan in now.plans)
    return [
        f"epic {now.name}: {now.status}, {done} of {len(now.plans)} plans completed, "
        f"{format_duration(now.elapsed_s)}, {cost(now)}",
        *(f"  {_plan_line(plan)}" for plan in now.plans),
    ]


def cost(now: EpicProgress) -> str:
    """The known cost, and the number of attempts whose cost is unknown."""
    if now.cost_usd is None:
        return "cost unknown"
    unknown = f" + {now.cost_unknown} attempts of unknown cost" if now.cost_unknown else ""
    return f"${now.cost_usd:.4f}{unknown}"


def _plan_line(plan: PlanProgress) -> str:
    line = f"plan {plan.name[:40]:<24} {plan.phase:<15}"
    if plan.job_id is not None:
        who = f" by {plan.owner}" if plan.owner else f" for {plan.runtime}"
        line += f" {plan.job_id} {plan.status}, attempt {plan.attempt}{who}"
    elif plan.note:
        line += f" {plan.note}"
    return line.rstrip()
