"""Idempotency: the key of a job, and the job id made from it.

A plan step's key is ``epic:01|plan:03|it:0|cmd:code|role:plan-coder`` (``repo:`` first if set, ``epic:``
only if the plan has one, this order always); its id is ``e01-p03-i0-code-plan-coder``. The step of an epic has a
key without a plan: ``epic:01|it:0|cmd:split|role:orchestrator``, with the id ``e01-i0-split-orchestrator``. A job of
one's own has the key ``key:<text>``; its id is the text itself where that is a plain word, else ``k--`` and an
escaped form. Both forms are reversible, so equal ids mean equal keys. The runtime is no part of identity, because
re-routing a role must not run a step twice.
"""

from __future__ import annotations

import re
from functools import lru_cache

from wf_cli.contract.step import EPIC_STEPS, STEPS
from wf_cli.contract.token import JOB_ID_LIMIT, is_word
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen

#: Commands of plans that a job may carry out.
COMMANDS = tuple(STEPS)

_PLAN_COMMAND, _EPIC_COMMAND = "|".join(STEPS), "|".join(EPIC_STEPS)
_ITERATION = "(?P<it>0|[1-9][0-9]{0,8})"
_PLAN_KEY = re.compile(
    rf"(?:repo:(?P<repo>[a-z0-9]+)\|)?(?:epic:(?P<epic>[0-9]+)\|)?plan:(?P<plan>[0-9]+)\|it:{_ITERATION}"
    rf"\|cmd:(?P<cmd>{_PLAN_COMMAND})\|role:(?P<role>[a-z0-9-]+)",
    re.ASCII,
)
_EPIC_KEY = re.compile(
    rf"(?:repo:(?P<repo>[a-z0-9]+)\|)?epic:(?P<epic>[0-9]+)\|it:{_ITERATION}"
    rf"\|cmd:(?P<cmd>{_EPIC_COMMAND})\|role:(?P<role>[a-z0-9-]+)",
    re.ASCII,
)
_PLAN_ID = re.compile(
    rf"(?:r(?P<repo>[a-z0-9]+)-)?(?:e(?P<epic>[0-9]+)-)?p(?P<plan>[0-9]+)-i{_ITERATION}"
    rf"-(?P<cmd>{_PLAN_COMMAND})-(?P<role>[a-z0-9-]+)",
    re.ASCII,
)
_EPIC_ID = re.compile(
    rf"(?:r(?P<repo>[a-z0-9]+)-)?e(?P<epic>[0-9]+)-i{_ITERATION}-(?P<cmd>{_EPIC_COMMAND})-(?P<role>[a-z0-9-]+)",
    re.ASCII,
)
_PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@frozen
class Target:
    """The step of a plan, or of an epic, that a job stands for. A step of an epic has no ``plan_id``."""

    plan_id: str | None
    iteration: int
    command: str
    role: str
    epic_id: str | None = None
    repo_id: str | None = None

    @property
    def plan(self) -> str:
        """The number of the plan; ContractError for the step of an epic."""
        if self.plan_id is None:
            raise ContractError(f"{self.command} is a step of epic {self.epic_id}, not of a plan")
        return self.plan_id

    @property
    def dedupe_key(self) -> str:
        """The idempotency key; ContractError when a part does not fit the grammar."""
        key = self._key()
        if parse_step_key(key) != self or not is_word(self.role):
            raise ContractError(f"{key!r} is not the key of a step")
        return key

    def _key(self) -> str:
        """The key of parts that are known to fit the grammar."""
        repo = f"repo:{self.repo_id}|" if self.repo_id else ""
        epic = f"epic:{self.epic_id}|" if self.epic_id else ""
        plan = f"plan:{self.plan_id}|" if self.plan_id is not None else ""
        return f"{repo}{epic}{plan}it:{self.iteration}|cmd:{self.command}|role:{self.role}"


def parse_step_key(key: str) -> Target | None:
    """The step of a key; None when it is not one of a step."""
    return _target(_PLAN_KEY.fullmatch(key) or _EPIC_KEY.fullmatch(key))


def _parse_step_id(job_id: str) -> Target | None:
    return _target(_PLAN_ID.fullmatch(job_id) or _EPIC_ID.fullmatch(job_id))


def _target(match: re.Match[str] | None) -> Target | None:
    if match is None:
        return None
    return Target(
        plan_id=match["plan"] if "plan" in match.re.groupindex else None,
        iteration=int(match["it"]),
        command=match["cmd"],
        role=match["role"],
        epic_id=match["epic"],
        repo_id=match["repo"],
    )


def own_key(text: str) -> str:
    """The idempotency key of a job outside any plan."""
    if not text:
        raise ContractError("the key of a job is empty", hint="give --key some text that names the work")
    return f"key:{text}"


def job_id_for(dedupe_key: str) -> str:
    """The file-safe id of a key; ContractError when it gets longer than a name may be."""
    target = parse_step_key(dedupe_key)
    if target is not None:
        job_id = "-".join(
            [f"r{target.repo_id}"] * bool(target.repo_id)
            + [f"e{target.epic_id}"] * bool(target.epic_id)
            + [f"p{target.plan_id}"] * (target.plan_id is not None)
            + [f"i{target.iteration}", target.command, target.role]
        )
    elif dedupe_key.startswith("key:"):
        job_id = _own_id(dedupe_key[4:])
    else:
        raise ContractError(f"{dedupe_key!r} is neither the key of a step nor starts with 'key:'")
    if len(job_id) > JOB_ID_LIMIT:
        raise ContractError(
            f"the key makes a job id of {len(job_id)} characters; {JOB_ID_LIMIT} are allowed",
            hint="use a shorter key, of lower-case letters, digits and single dashes",
            code="KEY_TOO_LONG",
        )
    if not is_word(job_id) or key_of(job_id) != dedupe_key:
        raise ContractError(f"{dedupe_key!r} has no job id", code="INVALID_KEY")
    return job_id


def key_of(job_id: str) -> str | None:
    """The key a job id was made from; None when it was made from none."""
    return key_and_step(job_id)[0]


def key_and_step(job_id: str) -> tuple[str | None, Target | None]:
    """The same, and the step that the key is of; None for a job of one's own."""
    target = _parse_step_id(job_id)
    if target is not None:
        # The id's grammar has the same parts as the key's, but for a role that is no word.
        return (target._key(), target) if is_word(target.role) else (None, None)
    if job_id.startswith("k--"):
        text = _unescape(job_id[3:])
        # Only the form that job_id_for makes is accepted, because two ids of one key would be two jobs.
        return (f"key:{text}" if text and _own_id(text) == job_id else None), None
    return (f"key:{job_id}" if _PLAIN.fullmatch(job_id) else None), None


@lru_cache(maxsize=32768)
def target_of(job_id: str) -> Target | None:
    """The step that a job id stands for; None for a job of one's own.

    Each job id is parsed once, because every look at a spool asks for it. The cache is bounded.
    """
    return key_and_step(job_id)[1]


_NUMBER_PART = re.compile(r"[.-]p([0-9]+)-i[0-9]")


def plan_number(name: str) -> str | None:
    """The number of the plan that a token's name is of, if it is one; None when it is of no plan.

    This costs a fraction of parsing the name. A foreign name has to be parsed before its number is believed.
    """
    found = _NUMBER_PART.search(name)
    return found[1] if found is not None else None


def _own_id(text: str) -> str:
    """The id of a job of one's own: its text, or the escaped form where that is no plain word or a step's id."""
    plain = _PLAIN.fullmatch(text) and _parse_step_id(text) is None
    return text if plain else "k--" + _escape(text)


def _escape(text: str) -> str:
    """``[a-z0-9]`` and dashes between two of them stay; every other byte becomes ``--hh``.

    The result never starts or ends with a lone dash, and ``--`` stands for nothing but an escape.
    """
    data = text.encode("utf-8", "surrogatepass")
    out = []
    for i, byte in enumerate(data):
        char = chr(byte)
        inner = 0 < i < len(data) - 1 and all(chr(data[j]) in _ALNUM for j in (i - 1, i + 1))
        out.append(char if char in _ALNUM or (char == "-" and inner) else f"--{byte:02x}")
    return "".join(out)


_ALNUM = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def _unescape(text: str) -> str | None:
    out = bytearray()
    i = 0
    while i < len(text):
        if text.startswith("--", i):
            pair = text[i + 2 : i + 4]
            if re.fullmatch(r"[0-9a-f]{2}", pair) is None:
                return None
            out.append(int(pair, 16))
            i += 4
        else:
            out.append(ord(text[i]))
            i += 1
    try:
        return out.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def matches_prefix(job_id: str, prefix: str) -> bool:
    """Whether ``prefix`` names ``job_id``: whole, or by its leading components (``i1`` is none of ``i10``)."""
    return job_id == prefix or job_id.startswith(prefix.rstrip("-") + "-")
