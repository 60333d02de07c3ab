"""``worker`` and ``workers`` with the distributed mode off. They check their arguments and have no jobs to take."""

from __future__ import annotations

from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import ArgumentError, Spec, parse, positive_number
from wf_cli.cli.frame.contract_call import Call, ContractCommand
from wf_cli.contract.step import roles

_ROLES = tuple(roles())
_NUMBERS = {"--poll-ms": "poll", "--lease-ms": "lease", "--max-jobs": "max_jobs"}
_WORKER = Spec(required=("role",), values={"--runtime": "runtime", "--id": "id", **_NUMBERS}, skips_empty=True)
_WORKER_USAGE = "wf worker <role> [--runtime name] [--id name] [--poll-ms n] [--lease-ms n] [--max-jobs n]"
#: Milliseconds between two looks for jobs, unless ``--poll-ms`` is given.
_POLL_MS = 1500.0

_GUIDANCE = """\
Workers take jobs when the distributed mode is on:

  wf config set distributed true
  wf worker --runtime cursor --watch
  wf worker --runtime opencode --watch

Each runs until Ctrl-C. With the mode off, run the phase commands yourself: wf context <plan> shows which."""


def _worker(call: Call) -> int:
    parsed = parse(_WORKER, call.words, _WORKER_USAGE)
    role = parsed.word("role")
    if role not in _ROLES:
        raise ArgumentError(f"unknown role: {role!r}", hint=f"use one of {', '.join(_ROLES)}")
    numbers = {name: positive_number(parsed, name, option) for option, name in _NUMBERS.items()}
    output.note("the distributed mode is off, so there are no jobs; turn it on: wf config set distributed true")
    if numbers["max_jobs"] is not None:
        return 0
    while True:
        call.project.clock.sleep((numbers["poll"] or _POLL_MS) / 1000)


def _workers(call: Call) -> int:
    if call.words[:1] != ("start",):
        raise ArgumentError("workers knows one action", hint="usage: wf workers start")
    output.say(_GUIDANCE)
    return 0


COMMANDS = {
    "worker": ContractCommand(
        _worker,
        (_WORKER_USAGE,),
        f"Roles: {', '.join(_ROLES)}. With the distributed mode off there is nothing to do.",
        guarded=True,
    ),
    "workers": ContractCommand(_workers, ("wf workers start",), "Says how to start workers.", guarded=True),
}
