"""CPU seconds of an attempt: the worker's part, the launcher and the ACP client.

The agent says 200 words, and what it costs when it is alone is taken away. The baseline is the same program by the
adapter ``command``, which has no client, and for which it says nothing. A worker's own start is left out, because two
runs of different length are compared.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator

from benchmarks import scratch
from benchmarks.figures import Figure
from wf_cli.queue.values import JobRequest

FEW, MANY = 1, 9
_AGENT = """
import json, sys
def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
word = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "word "}}
answers = {
    "initialize": {"protocolVersion": 1, "agentCapabilities": {}, "authMethods": []},
    "session/new": {"sessionId": "s-1"},
    "session/prompt": {"stopReason": "end_turn"},
}
for line in sys.stdin if "acp" in sys.argv else ():
    message = json.loads(line)
    if message.get("method") == "session/prompt":
        for _ in range(200):
            say(method="session/update", params={"sessionId": "s-1", "update": word})
    if "id" in message:
        say(id=message["id"], result=answers.get(message["method"], {}))
"""


def run() -> Iterator[Figure]:
    command = json.dumps([sys.executable, "-c", _AGENT])
    acp = json.dumps([sys.executable, "-c", _AGENT, "acp"])
    by_acp = _per_attempt(f"shell: {{adapter: acp, command: {acp}}}")
    by_command = _per_attempt(f"shell: {{adapter: command, argv: {command}}}")
    alone = _alone()
    yield Figure(
        "an attempt by ACP, beyond its agent",
        f"{by_acp - alone:.2f} CPU seconds",
        f"the agent alone: {alone:.2f}; the same program by command, beyond it: {by_command - alone:.2f}",
    )


def _alone() -> float:
    """CPU seconds of the agent, which is asked the same by nobody."""
    asked = "".join(
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method}) + "\n"
        for number, method in enumerate(("initialize", "session/new", "session/prompt"))
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(MANY):
        subprocess.run(
            [sys.executable, "-c", _AGENT, "acp"], input=asked.encode(), stdout=subprocess.DEVNULL, check=True
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / MANY


def _per_attempt(runtime: str) -> float:
    few, many = _used(runtime, FEW), _used(runtime, MANY)
    return (many - few) / (MANY - FEW)


def _used(runtime: str, jobs: int) -> float:
    with scratch.project(runtime=runtime) as (app, spool):
        app.queue(spool).enqueue_many([JobRequest("builder", "shell", key=f"bench-{i}") for i in range(jobs)])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [*scratch.WF, "worker", "--runtime", "shell", "--max-jobs", str(jobs)],
            cwd=app.root,
            env=scratch.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
