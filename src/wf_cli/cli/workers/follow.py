"""The live view of an epic. A terminal gets a picture that is drawn anew, a pipe one line for each change."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from wf_cli.cli.frame import cells, output
from wf_cli.cli.frame.screen import Screen, is_screen
from wf_cli.clock import format_duration
from wf_cli.views.progress import EpicProgress, PlanProgress

_DONE = "completed"
#: The cells of a plan's name, at least and at most; and those in which the status and the id of a job fit.
_NAME, _JOB = (14, 40), 58


class Follower:
    """Shows an epic's progress on a screen, whose stream must not be the one that JSON is printed on.

    As a context manager it gives the terminal back at the end. The last picture stays.
    """

    def __init__(self, screen: Screen, *, on_stdout: bool = False):
        """On stdout its methods raise OutputLost once the reader has left."""
        self._screen = screen
        self._on_stdout = on_stdout
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._screen.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.close()

    def show(self, now: EpicProgress) -> None:
        """Draw the picture anew or, in a pipe, print the plans that have changed."""
        if self._screen.live:
            self._screen.draw(picture(now, *self._screen.room))
        else:
            for plan in now.plans:
                line = _plan_line(plan)
                if self._said.get(plan.plan_id) != line:
                    self._said[plan.plan_id] = line
                    self._screen.say(f"[{format_duration(now.elapsed_s):>6}] {line}")
        self._look_for_the_reader()

    @property
    def kept(self) -> bool:
        """Whether the last picture stays on the terminal. Known after the end of the block."""
        return self._screen.kept

    def interject(self, line: str) -> None:
        """Print a line that stays above the picture."""
        self._screen.say(line)
        self._look_for_the_reader()

    def _look_for_the_reader(self) -> None:
        if self._on_stdout:
            output.stream(works=True)


def follower(*, to_stderr: bool) -> Follower:
    """A follower on stdout or stderr. It draws a picture only if that is a terminal."""
    stream = sys.stderr if to_stderr else sys.stdout
    return Follower(Screen(stream, live=is_screen(stream), keep=True), on_stdout=not to_stderr)


def summary(now: EpicProgress) -> str:
    """The epic in one line: how many plans are completed, how long it has taken, and what it has cost."""
    done = sum(plan.phase == _DONE for plan in now.plans)
    return (
        f"epic {now.name}: {now.status}, {done} of {len(now.plans)} plans completed, "
        f"{format_duration(now.elapsed_s)}, {cost(now)}"
    )


def picture(now: EpicProgress, columns: int, rows: int) -> list[str]:
    """The lines of the picture: one for the epic, and one for each plan, in ``columns`` cells.

    On a terminal of few columns the names give way before the jobs. Where ``rows`` are too few, the earliest
    completed plans are left out. Lines may be wider and more, where even that is not enough.
    """
    over = max(0, len(now.plans) + 1 - rows)
    done = [plan.plan_id for plan in now.plans if plan.phase == _DONE]
    without = set(done[: over + 1]) if over else set()  # One more, for the line that says so.
    plans = [plan for plan in now.plans if plan.plan_id not in without]
    phase = max((len(plan.phase) for plan in plans), default=0)
    longest = max((cells.width(plan.name) for plan in plans), default=0)
    name = min(longest, max(_NAME[0], min(_NAME[1], columns - phase - _JOB)))
    return [
        summary(now),
        *([f"  {len(without)} completed plan(s) are not shown"] if without else []),
        *(
            f"  {cells.padded(cells.cut(plan.name, name), name)}  {plan.phase:<{phase}}  {_job(plan)}".rstrip()
            for plan in plans
        ),
    ]


def cost(now: EpicProgress) -> str:
    """The known cost, and the number of attempts whose cost is unknown."""
    if now.cost_usd is None:
        return "cost unknown"
    unknown = f" + {now.cost_unknown} attempts of unknown cost" if now.cost_unknown else ""
    return f"${now.cost_usd:.4f}{unknown}"


def _job(plan: PlanProgress) -> str:
    """What a person asks first comes first, because the end may be cut."""
    if plan.job_id is None:
        return plan.note
    attempt = f", attempt {plan.attempt}" if plan.attempt else ""
    return f"{plan.status}{attempt}  {plan.job_id}  {f'by {plan.owner}' if plan.owner else f'for {plan.runtime}'}"


def _plan_line(plan: PlanProgress) -> str:
    line = f"plan {plan.name[:40]:<24} {plan.phase:<15}"
    if plan.job_id is not None:
        who = f" by {plan.owner}" if plan.owner else f" for {plan.runtime}"
        line += f" {plan.job_id} {plan.status}, attempt {plan.attempt}{who}"
    elif plan.note:
        line += f" {plan.note}"
    return line.rstrip()
