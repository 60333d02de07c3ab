"""The one form in which wf writes a spec, recognised without reading it as JSON.

A check of a spec by `Spec.from_json` costs as much as opening and reading its file four times, and looks at a whole
spool read each. Nearly all of them are as `Spec.encode` wrote them. In that form everything follows from the job id
but a few fields, and those have plain patterns.
"""

from __future__ import annotations

import json
import re

from wf_cli.contract.identity import key_and_step
from wf_cli.contract.token import JOB_ID_LIMIT, WORD

#: What comes after ``dedupe_key``. Text with escapes, other numbers and longer names are left to the full check.
_REST = re.compile(
    r'"nonce": "[0-9a-f]{16}", "created_at": "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", '
    rf'"target": \{{"executor_role": "(?P<role>{WORD})", "executor_runtime": "(?P<runtime>{WORD})"'
    r'(?P<step>(?:, "[a-z_]+": (?:[0-9]+|"[a-z0-9-]+"))*)\}, "payload": (?:null|(?P<payload>.*)), '
    r'"priority": [0-9], "max_attempts": [1-9][0-9]{0,5}, "source": "[ !#-\[\]-~]*"\}\n',
    re.ASCII | re.DOTALL,
)
_NAME_LIMIT, _DIGITS_LIMIT = 46, 32
#: Brackets in a payload. With more of them the full check decides, because only it knows how deep JSON may be.
_BRACKETS = 100


def role_in(data: bytes, job_id: str) -> str | None:
    """The role in the spec of ``job_id``, if ``data`` is that spec as `Spec.encode` writes it.

    A role is proof that `Spec.from_json` takes the document and that it is the spec of ``job_id``. None says nothing:
    the spec may be damaged, or sound in another form.
    """
    if len(job_id) > JOB_ID_LIMIT:
        return None
    key, step = key_and_step(job_id)
    if key is None:
        return None
    quoted = f'"{key}"' if step is not None or key == f"key:{job_id}" else json.dumps(key, ensure_ascii=False)
    head = f'{{"schema_version": 1, "contract_version": 2, "job_id": "{job_id}", "dedupe_key": {quoted}, '
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if not text.startswith(head):
        return None
    rest = _REST.fullmatch(text, len(head))
    if rest is None or len(rest["role"]) > _NAME_LIMIT or len(rest["runtime"]) > _NAME_LIMIT:
        return None
    declared = ""
    if step is not None:
        if rest["role"] != step.role or max(len(step.plan_id or ""), len(step.epic_id or "")) > _DIGITS_LIMIT:
            return None
        plan = f', "plan_id": "{step.plan_id}"' if step.plan_id is not None else ""
        epic = f', "epic_id": "{step.epic_id}"' if step.epic_id else ""
        repo = f', "repo_id": "{step.repo_id}"' if step.repo_id else ""
        declared = f'{plan}, "plan_iteration": {step.iteration}, "workflow_command": "{step.command}"{epic}{repo}'
    if rest["step"] != declared:
        return None
    return rest["role"] if _is_json(rest["payload"]) else None


def _is_json(payload: str | None) -> bool:
    if payload is None:
        return True
    if payload.count("[") + payload.count("{") > _BRACKETS:
        return False
    try:
        json.loads(payload)
    except ValueError:
        return False
    return True
