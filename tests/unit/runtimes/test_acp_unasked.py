"""Which calls count as run without a request. The timer is set to nothing or to ten minutes, so no test waits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from wf_cli.runtimes.acp.tools import Tool
from wf_cli.runtimes.acp.unasked import Breach, Unasked
from wf_cli.runtimes.permissions import Permissions

PUSH = Breach("execute:git push origin", "execute:git push*")
NEVER, AT_ONCE = 600.0, 0.0


def told(
    steps: Sequence[str], *, deny: Sequence[str] = ("execute:git push*",), asking_s: float = NEVER
) -> Breach | None:
    """What is found after the calls ``1`` to ``9`` did what ``steps`` say: ``1 ask``, ``1 in_progress``, ..."""

    async def play() -> Breach | None:
        unasked = Unasked(Permissions(deny=tuple(deny)), asking_s)
        for step in steps:
            call, status = step.split()
            if status == "ask":
                unasked.ask(call)
            else:
                unasked.hear(call, Tool("execute", "git push origin", status))
        if asking_s == AT_ONCE:
            waits = asyncio.create_task(unasked.seen.wait())
            await asyncio.wait({waits}, timeout=0.2)
            waits.cancel()
        assert unasked.seen.is_set() == (unasked.breach is not None)
        return unasked.breach

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("steps", "asking_s", "found"),
    [
        (["1 completed"], NEVER, PUSH),
        (["1 in_progress", "1 completed"], NEVER, PUSH),
        (["1 in_progress"], AT_ONCE, PUSH),
        (["1 in_progress", "1 in_progress"], AT_ONCE, PUSH),
        (["1 ask", "2 completed"], NEVER, PUSH),
        (["1 ask", "1 completed", "1 completed"], NEVER, PUSH),
        (["1 pending"], AT_ONCE, None),
        (["1 in_progress"], NEVER, None),
        (["1 in_progress", "1 failed"], AT_ONCE, None),
        (["1 in_progress", "1 ask"], AT_ONCE, None),
        (["1 in_progress", "1 ask", "1 in_progress", "1 completed"], AT_ONCE, None),
        (["1 ask", "1 in_progress", "1 completed"], AT_ONCE, None),
    ],
)
def test_what_counts(steps: list[str], asking_s: float, found: Breach | None) -> None:
    assert told(steps, asking_s=asking_s) == found


def test_what_no_rule_denies_may_run() -> None:
    assert told(["1 completed"], deny=["execute:git pull*", "edit:*"]) is None


def test_an_agent_that_never_ends_its_calls_is_kept_in_bounds() -> None:
    async def play() -> None:
        unasked = Unasked(Permissions(deny=("execute:*",)), NEVER)
        for number in range(5000):
            unasked.hear(f"w{number}", Tool("execute", "ls", "in_progress"))
            unasked.ask(f"a{number}")
        assert len(unasked._waiting) == len(unasked._asked) == 1000
        unasked.hear("new", Tool("execute", "ls", "completed"))
        assert unasked.breach == Breach("execute:ls", "execute:*")

    asyncio.run(play())


def test_a_process_that_stood_still_gives_the_agent_its_time_again() -> None:
    """The request may wait in the pipe when the timer of a suspended process fires."""

    async def play() -> None:
        unasked = Unasked(Permissions(deny=("execute:*",)), NEVER)
        unasked._overdue("1", Breach("execute:ls", "execute:*"), asyncio.get_running_loop().time() - 60)
        assert unasked.breach is None
        assert set(unasked._waiting) == {"1"}

    asyncio.run(play())
