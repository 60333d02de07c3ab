"""The start of an attempt as an exclusive link, ``started/<job>.a<n>.json``, where listings can be old (``shared``).

There a job can come to have two tokens: a repair trusted an old listing, or a backup, rsync or a person put an old
token back. Two sessions may then claim the same attempt, each by a rename that succeeds. The link lets one of them
start it, so the attempt never has two agents (invariant 1). The token of the other one is a *twin*. It never ends the
attempt, because the attempt belongs to the session that started it.

On ``local`` listings are never old. The rename alone decides there, and this module makes no file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from wf_cli import fsio, ids
from wf_cli.contract.token import Token, is_word, outcome_name
from wf_cli.seams import step
from wf_cli.spool import records
from wf_cli.spool.layout import Spool


@dataclass(frozen=True, slots=True)
class Start:
    """What ``started/`` tells of an attempt. ``owner`` is empty for a file that cannot be understood."""

    owner: str


def claim_start(spool: Spool, token: Token) -> bool:
    """Whether this claim, and no other, starts the attempt. True at once on ``local``.

    Durable when it returns. To be called once for a claim, because each call offers a nonce of its own: a second one
    says False. Raises OSError when the disk does not tell.
    """
    if spool.version.topology == "local":
        return True
    content = json.dumps({"owner": token.owner, "nonce": ids.nonce()}) + "\n"
    path = spool.path("started", outcome_name(token.job_id, token.attempt))
    with spool.part(content.encode()) as part:
        step("start.part")
        try:
            ours = fsio.publish(part, path)
        except FileNotFoundError:
            spool.make_folder("started")  # The spool was made by a wf that did not know it.
            ours = fsio.publish(part, path)
    step("start.linked")
    spool.sync("started")
    step("start.durable")
    return ours


def start_of(spool: Spool, job_id: str, attempt: int) -> Start | None:
    """Who started an attempt; None when no session did, and always on ``local``. OSError when that cannot be told."""
    if spool.version.topology == "local":
        return None
    try:
        data = records.read(spool, spool.path("started", outcome_name(job_id, attempt)))
        if data is None:
            return None
        owner = json.loads(data)["owner"]
    except FileNotFoundError:
        return None  # The spool was made by a wf that did not know it.
    except (ValueError, KeyError, TypeError):
        return Start("")
    return Start(owner if isinstance(owner, str) and is_word(owner) else "")


def is_twin(spool: Spool, token: Token) -> bool:
    """Whether another session than the owner of ``token`` started its attempt. Raises OSError as `start_of` does."""
    start = start_of(spool, token.job_id, token.attempt)
    return start is not None and start.owner != token.owner
