"""CPU seconds of an attempt: the worker's part, the launcher, the ACP client and the agent.

The agent says 200 words. The baseline is the same program by the adapter ``command``, which has no
client. A worker's own start is left out, because two runs of different length are compared.
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
    yield Figure("an attempt by ACP", f"{by_acp:.2f} CPU seconds", f"the same program by command: {by_command:.2f}")


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
