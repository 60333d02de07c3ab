"""``runtimes.<name>.failures`` of wf.config: a person's own patterns of messages, and what each means.

They win over all that wf knows of a failure. A regular expression can take longer than the age of the universe, and
`re` cannot be interrupted, so the patterns are matched in a process of their own, which is ended after `LIMIT`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from wf_cli.config.model import MEANINGS
from wf_cli.contract.failure import Failure
from wf_cli.runtimes.failures import classify
from wf_cli.runtimes.jsonlines import brief, words

#: Seconds for all patterns.
LIMIT = 5.0
#: Characters at the end of what was said that are looked at.
TEXT_LIMIT = 20_000
#: What a pattern may stand for -> the code of the failure: codes themselves, and the names of classes.
CODES: Mapping[str, str] = {
    **{meaning: meaning for meaning in MEANINGS},
    "parked": "usage_limit",
    "transient": "crashed",
    "host": "outdated",
    "permanent": "policy_denied",
}


def applied(failure: Failure, patterns: Mapping[str, str], say: Callable[[str], None]) -> Failure:
    """``failure`` with the code of the pattern that matches what was said; as it is when none does.

    ``say`` is told when the patterns could not be matched in time.
    """
    if not patterns:
        return failure
    said = "\n".join([*words({k: v for k, v in failure.details.items() if k != "evidence"}), failure.message])
    try:
        found = _matched(list(patterns), said[-TEXT_LIMIT:])
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        say(f"the patterns of runtimes.*.failures were passed over: {brief(str(error))}")
        return failure
    if found is None:
        return failure
    number, matched, line = found
    pattern, kind = list(patterns.items())[number]
    cause = classify.Cause(CODES.get(kind, "crashed"), "config", pattern, brief(line or matched))
    known: dict[str, Any] = {k: v for k, v in failure.details.items() if k != "evidence"}
    told = classify.failure(failure.message, cause=cause, said=said, retry_after_s=failure.retry_after_s)
    return replace(told, details={**known, **told.details})


def _matched(patterns: list[str], text: str) -> tuple[int, str, str] | None:
    done = subprocess.run(
        # -I: neither the checkout nor the agent's environment decides what is imported.
        [sys.executable, "-I", "-m", "wf_cli.runtimes.failures.match"],
        input=json.dumps({"patterns": patterns, "text": text}),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
        start_new_session=True,
    )
    value = json.loads(done.stdout)
    return None if value is None else (int(value[0]), str(value[1]), str(value[2]))
