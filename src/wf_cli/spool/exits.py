"""The exit of an agent, which its launcher keeps in ``sessions/<attempt's mark>.exit.json``.

A worker can die after its agent has ended and before it published the outcome. Its launcher goes on, and whoever ends
the attempt finds there how the agent ended, so that finished work is not done again. The launcher writes the file
before its worker can read the exit, as a part in ``tmp/`` that is renamed. No process but a launcher writes it.

The file is a claim like an agent's own words, and decides nothing by itself. It counts only for the attempt in its
name, for the launcher that the session's record names (an attempt may run a second agent), and as far as the
agent's program is judged by its exit code. It is not synced: after a power cut the agent runs again. Whoever ends
the attempt removes it; `retention` removes what a killed one left. Format: one JSON object (fields of `KeptExit`).
"""

from __future__ import annotations

import json
from typing import Any, Literal, get_args

from wf_cli import fsio, ids
from wf_cli.contract.token import TIME_DIGITS, Token, exit_name, mark
from wf_cli.frozen import frozen
from wf_cli.spool.layout import Spool
from wf_cli.spool.session import Agent

#: What the exit code of a program proves that ended by itself: how the attempt ended, that it succeeded (when the
#: code is 0, and also when the program was asked to end), or nothing.
Proves = Literal["end", "success", "nothing"]
_LIMIT = 4096


@frozen
class KeptExit:
    """How an agent ended, as its launcher says."""

    mark: str
    #: The launcher.
    pid: int
    #: The exit code. Never negative, because the exit of an agent that a signal ended is not kept.
    code: int
    #: Whether it ended before its launcher sent it a signal.
    by_itself: bool
    proves: Proves
    #: When the attempt's agent was started, by the clock of its worker's host.
    started_ms: int
    #: Whether a person's own patterns tell by its words why such an agent failed (``runtimes.<name>.failures``).
    words_decide: bool


def order(spool: Spool, token: Token, *, started_ms: int, words_decide: bool) -> dict[str, Any]:
    """What a launcher needs to keep the exit of the attempt's agent (`runtimes.process.launcher`)."""
    return {
        "root": str(spool.root),
        "part": str(spool.path("tmp", f"{ids.nonce()}.part")),
        "path": str(spool.path("sessions", exit_name(mark(token)))),
        "mode": spool.shared_mode,
        "record": {"mark": mark(token), "started_ms": started_ms, "words_decide": words_decide},
    }


def read(spool: Spool, agent: Agent) -> KeptExit | None:
    """The exit of ``agent``; None when none was kept, or when it is another launcher's or makes no sense.

    Raises OSError when the disk does not tell.
    """
    try:
        found = json.loads(fsio.read_regular(spool.path("sessions", exit_name(agent.mark)), _LIMIT))
        kept = KeptExit(**{name: found[name] for name in KeptExit.__dataclass_fields__})
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    whole = all(type(number) is int for number in (kept.pid, kept.code, kept.started_ms))
    said = all(type(answer) is bool for answer in (kept.by_itself, kept.words_decide))
    if not whole or not said or kept.proves not in get_args(Proves):
        return None
    plausible = 0 <= kept.code <= 255 and 0 <= kept.started_ms < 10**TIME_DIGITS
    return kept if plausible and (kept.mark, kept.pid) == (agent.mark, agent.pid) else None


def discard(spool: Spool, token: Token) -> None:
    """Remove what was kept of the attempt. OSError when the disk refuses that."""
    fsio.unlink_quietly(spool.path("sessions", exit_name(mark(token))))
