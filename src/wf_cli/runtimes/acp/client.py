"""The process between the worker and an ACP agent: ``python -m wf_cli.runtimes.acp``.

The launcher takes this process for the agent. It reads one job (`acp.turn.Job`, JSON) from stdin, starts the real
agent, speaks the Agent Client Protocol with it (agentclientprotocol.com, version 1), and prints lines of its own
(`acp.report`). So the worker's clocks, its transcript and its ways to end a tree are the same for every runtime, and
asyncio stays in this process.

Guarantees:

- the first line is printed once the session is there, so the startup clock covers all of the opening;
- the last line is a result, an error or a cancellation; an agent that ends without an answer is an error;
- the exit code is 0 when the turn did its work, and never otherwise, also after a SIGTERM: so the exit tells it when
  nobody has heard the lines (`wf_cli.spool.exits`);
- SIGTERM cancels the turn (``session/cancel``): the agent ends what it runs, and the session can be resumed;
- this process ends by itself after its last line, and within the grace after SIGTERM. The launcher ends what the
  agent leaves running.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from wf_cli import proc
from wf_cli.runtimes.acp import logs, retries
from wf_cli.runtimes.acp.conversation import Conversation
from wf_cli.runtimes.acp.messages import Ended, Malformed
from wf_cli.runtimes.acp.peer import AgentError, Peer
from wf_cli.runtimes.acp.report import NO_MESSAGE, Reporter, cut
from wf_cli.runtimes.acp.retries import Retry
from wf_cli.runtimes.acp.transport import LineTransport
from wf_cli.runtimes.acp.turn import Job, Turn, Unusable

if TYPE_CHECKING:
    from wf_cli.runtimes.opencode.server import OpencodeServer

#: Seconds for an agent to end by itself once its stdin is closed, then after SIGTERM; at most the grace, each.
CLOSE_LIMIT = 2.0
TERM_LIMIT = 1.0
#: The part of the grace in which a cancelled turn may end by itself.
CANCEL_SHARE = 0.7
#: Seconds in which the last words of a dead agent are read.
_LAST_WORDS = 0.5
_LOOK = 0.05


class Client:
    """One job."""

    def __init__(self, job: Job, report: Reporter):
        self._job = job
        self._report = report
        self._stop = asyncio.Event()
        self._server = _opencode_server() if job.opencode else None
        self._log = logs.of(job.command, os.environ)
        self._process: Process | None = None
        self._turn: Turn | None = None

    async def run(self) -> int:
        """From the start of the agent to its end; the exit code."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        try:
            process = await self._spawn()
        except OSError as error:
            self._error("spawn", f"{self._job.command[0]}: {error}", missing=isinstance(error, FileNotFoundError))
            return 1
        self._process = process
        talk = Conversation(self._report, self._job.permissions)
        assert process.stdin is not None
        assert process.stdout is not None
        transport = LineTransport(
            process.stdout,
            process.stdin,
            on_message=lambda: self._report.alive("message"),
            on_noise=lambda line: self._report.note(f"{NO_MESSAGE}{line}"),
            answer=talk.outside,
        )
        agent = Peer(transport, talk.handlers, self._report.note)
        self._turn = Turn(agent, talk, self._report, self._job)
        work = asyncio.create_task(self._work(self._turn, talk))
        stop = asyncio.create_task(self._stop.wait())
        gone = asyncio.create_task(self._gone(process))
        await asyncio.wait({work, stop, gone}, return_when=asyncio.FIRST_COMPLETED)
        if self._stop.is_set() and not work.done():
            return await self._cancel(self._turn, work)
        if gone.done() and not work.done():  # A child of the agent may hold the pipe open.
            await asyncio.wait({work}, timeout=_LAST_WORDS)
        if not work.done():
            self._ended_early(process)
            return 1
        code = work.result()
        await self._close(process)
        return code

    async def _spawn(self) -> Process:
        more = self._server.arguments if self._server is not None else []
        return await asyncio.create_subprocess_exec(
            *self._job.command,
            *more,
            stdin=PIPE,
            stdout=PIPE,  # The agent inherits stderr, which goes to the transcript.
            cwd=self._job.cwd,
            env={**os.environ, **(self._log.environment if self._log is not None else {})},
            preexec_fn=proc.die_with_parent,
        )

    async def _work(self, turn: Turn, talk: Conversation) -> int:
        """The turn and its last line. An error of the agent becomes that line; any other is a bug and is raised."""
        try:
            await turn.open()
            if self._job.dry:
                turn.tell_offers()
                self._report.say("result", stop_reason="end_turn", text="", dry=True)
                return 0
            if self._server is not None:
                await self._server.begin(turn.session_id or "", resumed=turn.resumed)
            response = await self._prompt(turn, talk)
        except AgentError as error:
            talk.end()
            await self._tell_usage()
            facts = await self._server.last_error() if self._server is not None and turn.prompting else None
            if not self._stop.is_set():
                self._error("rpc", str(error), code=error.code, data=error.data, provider=facts)
            return 1
        except Malformed as error:
            talk.end()
            self._error("protocol", f"an answer to {turn.stage} that is none: {error}")
            return 1
        except Unusable as error:
            talk.end()
            await self._tell_usage()
            self._error(error.source, str(error), **error.facts)
            return 1
        except ConnectionError:
            await asyncio.wait({asyncio.create_task(self._gone(self._process))}, timeout=_LAST_WORDS)
            talk.end()
            self._ended_early(self._process)
            return 1
        text = talk.end()
        if self._server is None:
            talk.tell_usage(response)
        await self._tell_usage()
        self._report.say("result", stop_reason=response.stop_reason, text=text)
        return 0 if self._report.succeeded(response.stop_reason) else 1

    async def _prompt(self, turn: Turn, talk: Conversation) -> Ended:
        """The turn. It is given up when the agent runs what is denied, and when it tries its provider in vain."""
        server = self._server
        prompt = asyncio.create_task(turn.prompt(server.cost_before if server is not None else None))
        breach = asyncio.create_task(talk.unasked.seen.wait())
        told = self._retries(turn)
        watch = asyncio.create_task(retries.watch(told, self._report)) if told is not None else None
        others = [task for task in (breach, watch) if task is not None]
        await asyncio.wait({prompt, *others}, return_when=asyncio.FIRST_COMPLETED)
        if prompt.done() and talk.unasked.breach is None:
            for task in others:
                task.cancel()
            return prompt.result()
        if not prompt.done():
            await turn.cancel()
            await asyncio.wait({prompt}, timeout=CLOSE_LIMIT)
            prompt.cancel()
        broken = talk.unasked.breach
        if broken is not None:
            text = f"the agent did not ask, and ran what is denied: {broken.what}"
            raise Unusable("denied", text, what=cut(broken.what), rule=broken.rule)
        assert watch is not None
        hopeless = watch.result()
        facts = {"attempt": hopeless.attempt, "status": hopeless.status}
        raise Unusable("retry", hopeless.message, retry_after_s=hopeless.wait_s, **facts)

    def _retries(self, turn: Turn) -> Callable[[], Awaitable[Retry | None]] | None:
        """Who tells that the provider is tried again; None where the agent tells it nowhere."""
        if self._server is not None:
            return self._server.retry
        if self._log is None:
            return None
        self._log.begin(turn.session_id or "")
        return self._log.retry

    async def _tell_usage(self) -> None:
        prompted = self._turn is not None and self._turn.prompting
        usage = await self._server.usage() if self._server is not None and prompted else None
        if usage:
            self._report.say("usage", **usage)

    async def _cancel(self, turn: Turn, work: asyncio.Task[int]) -> int:
        clean, stage = False, None if turn.prompting else turn.stage
        if turn.prompting:
            cancelling = asyncio.create_task(turn.cancel())  # An agent that does not read delays it.
            await asyncio.wait({work}, timeout=self._job.grace_s * CANCEL_SHARE)
            cancelling.cancel()
            clean = work.done() and not work.cancelled() and work.exception() is None
        self._report.say("cancelled", clean=clean, stage=stage)
        return 1

    async def _close(self, process: Process) -> None:
        """End the agent, politely first. A second request to stop ends the politeness."""
        assert process.stdin is not None
        process.stdin.close()
        grace = self._job.grace_s
        for limit, number in ((min(CLOSE_LIMIT, grace), signal.SIGTERM), (min(TERM_LIMIT, grace), signal.SIGKILL)):
            gone = asyncio.create_task(self._gone(process))
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait({gone, stop}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() or stop.done():
                return
            process.send_signal(number)
        # Waits until the kernel has let go of the agent, because the launcher would count it as left over.
        await asyncio.wait({asyncio.create_task(self._gone(process))}, timeout=_LAST_WORDS)

    async def _gone(self, process: Process | None) -> None:
        # `wait` is not used, because in some versions of Python it also waits for the ends of the pipes.
        while process is not None and process.returncode is None:
            await asyncio.sleep(_LOOK)

    def _ended_early(self, process: Process | None) -> None:
        code = process.returncode if process is not None else None
        stage = self._turn.stage if self._turn is not None else "start"
        how = "closed its stdout" if code is None else f"ended with exit code {code}" if code >= 0 else "was killed"
        self._error("exit", f"the agent {how} before it answered {stage}", exit_code=code)

    def _error(self, source: str, message: str, **facts: Any) -> None:
        stage = self._turn.stage if self._turn is not None else None
        self._report.say("error", source=source, message=cut(message), stage=stage, **facts)
        self._report.start()


def _opencode_server() -> OpencodeServer:
    # Other agents do without its import, which is a fifth of what this process costs.
    from wf_cli.runtimes.opencode.server import OpencodeServer

    return OpencodeServer.make(os.environ)


def main() -> None:
    """Run the job on stdin."""
    job = Job.from_json(json.load(sys.stdin))
    report = Reporter()
    report.listen_to_logging()

    async def run() -> None:
        code = await Client(job, report).run()
        sys.stdout.flush()
        # The process ends at once, because tasks, threads and pipes that are still there could delay it.
        os._exit(code)

    asyncio.run(run())
