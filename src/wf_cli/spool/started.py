"""The start of an attempt as an exclusive link, ``started/<job>.a<n>.json``, where listings can be old (``shared``).

There a job can come to have two tokens: a repair trusted an old listing, or a backup, rsync or a person put an old
token back. Two claims of the same attempt may then succeed, each by a rename of its own. The link lets one of them
start it, so the attempt never has two agents (invariant 1). The other token is a *twin*. It never ends the attempt,
because the attempt belongs to the claim that started it.

On ``local`` listings are never old. The rename alone decides there, and this module makes no file.
"""

from __future__ import annotations

import json

from wf_cli import ids
from wf_cli.contract.token import Token, is_word, outcome_name
from wf_cli.frozen import frozen
from wf_cli.seams import step
from wf_cli.spool import records
from wf_cli.spool.layout import Spool


@frozen
class Start:
    """Which claim started an attempt. Both are empty for a file that cannot be understood."""

    owner: str
    #: The name of the claimed token. One session may claim a second token of an attempt that it has started.
    token: str


def claim_start(spool: Spool, token: Token) -> Start | None:
    """None when this claim, and no other, starts the attempt; else the claim that started it. None on ``local``.

    Durable when it returns. To be called once for a claim, because each call offers a nonce of its own: a second one
    finds the first. Raises OSError when the disk does not tell.
    """
    if spool.version.topology == "local":
        return None
    content = json.dumps({"owner": token.owner, "token": token.name, "nonce": ids.nonce()}) + "\n"
    with spool.part(content.encode()) as part:
        step("start.part")
        ours = spool.publish(part, "started", outcome_name(token.job_id, token.attempt))
    step("start.linked")
    spool.sync("started")
    step("start.durable")
    return None if ours else start_of(spool, token.job_id, token.attempt) or Start("", "")


def start_of(spool: Spool, job_id: str, attempt: int) -> Start | None:
    """The start of an attempt; None when no claim started it, and always on ``local``. OSError when that cannot be
    told."""
    if spool.version.topology == "local":
        return None
    try:
        data = records.read(spool, spool.path("started", outcome_name(job_id, attempt)))
        value = json.loads(data) if data is not None else None
    except FileNotFoundError:
        return None  # The spool was made by a wf that did not know it.
    except (ValueError, RecursionError):
        return Start("", "")
    if data is None:
        return None
    found = value if isinstance(value, dict) else {}
    owner, name = found.get("owner"), found.get("token")
    if isinstance(owner, str) and is_word(owner) and isinstance(name, str):
        return Start(owner, name)
    return Start("", "")


def start_of_another(spool: Spool, token: Token) -> Start | None:
    """The start of the attempt of ``token`` by another claim, so that ``token`` is a twin; else None. Raises OSError
    as `start_of` does."""
    start = start_of(spool, token.job_id, token.attempt)
    return start if start is not None and start.token != token.name else None
