"""A turn that ended well by its protocol and has done nothing: no word and no tool call, or a refusal for an answer.

Agents swallow errors of their providers. Some end the turn as if it were done, and some say the error's message as
if the model had said it. `classify` is not for what an agent says, because an answer may speak of any error. So
words count here only where no tool was called, where no tokens of the model are told, and where they look like a
message and not like an answer. That is a judgement by form; an answer of a few words about a limit can be taken
for one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wf_cli.contract.failure import Failure
    from wf_cli.runtimes.failures.classify import Cause

#: The message of a turn that has done nothing.
NOTHING = "the agent ended its turn without a word or a tool call"
#: Characters and lines of a message at most. Answers are mostly longer.
_LENGTH, _LINES = 300, 3
#: Characters of the first line that have to hold a wording. A sentence about an error comes to it later.
_BEGIN = 60
#: Words of somebody who answers. Messages of providers speak of "you".
_ANSWERS = re.compile(r"\b(?:I|I['’](?:m|ve|ll|d)|my|means?)\b")


def refusal(said: str, tokens_out: float | None) -> Cause | None:
    """The cause, if all that an agent said in a turn without a tool call is a known refusal; None otherwise.

    ``tokens_out`` are the tokens that the model wrote, as far as they are told: with any, the words are its own.
    """
    lines = [line for line in said.strip().splitlines() if line.strip()]
    if tokens_out or not lines or len(lines) > _LINES or len(said) > _LENGTH or _ANSWERS.search(said):
        return None
    from wf_cli.runtimes.failures import classify  # compiles its table, which most turns need not pay for

    cause = classify.wording(said) if classify.wording(lines[0][:_BEGIN]) is not None else None
    return None if cause is None or cause.code == "crashed" else cause


def failure_of(said: str, *, spoke: bool, acted: bool, tokens: float | None) -> Failure | None:
    """The failure of a run that its agent calls a success; None when it may be one.

    ``spoke`` and ``acted`` are whether the agent said anything and called a tool.
    """
    if acted:
        return None
    from wf_cli.runtimes.failures import classify

    if not spoke:
        return classify.failure(NOTHING, code="crashed", idle=True)
    cause = refusal(said, tokens)
    return None if cause is None else classify.failure(said, cause=cause)
