"""The verbs of ``wf job`` over MCP, for the agent of the editor that started this process.

The server remembers the job that it handed out, and hands out no second one beside it. Of two calls of ``next_job``
at once one is answered with no job. A tool that fails answers with the error's code, message and hint.
``STALE_ATTEMPT`` means the same as exit code 4 on the command line, which is that the agent has to stop.

Only this module imports ``mcp``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError

from wf_cli import __version__
from wf_cli.app import App
from wf_cli.clock import parse_duration
from wf_cli.contract import plain_json
from wf_cli.editor.job_in_hand import JobInHand
from wf_cli.editor.request import IDLE, Request, roles_of
from wf_cli.editor.starting import StartedKeeper, refuse_second
from wf_cli.errors import NotFound, Temporary, WfError
from wf_cli.proc import ProcessRef

#: Seconds. Longer waits are cut, because clients give up on a tool that does not answer (OpenCode after 30 s).
LONGEST_WAIT = 25.0

_INSTRUCTIONS = """\
wf hands out jobs: steps of plans, and others. Take one with next_job, do what its prompt says, and hand it in with
finish (or fail, or release). Give every wf command of the job its token: WF_JOB_TOKEN=<token> wf ... Between long
steps call heartbeat. An error STALE_ATTEMPT means that the job is not yours any more: stop, change nothing more.
"""

_T = TypeVar("_T")


class Server:
    """The server of one editor. ``app`` is made anew for each call, so that a changed configuration counts."""

    def __init__(
        self,
        app: Callable[[], App],
        *,
        editor: ProcessRef,
        runtime: str | None = None,
        idle_s: float = IDLE,
        mark: str | None = None,
    ):
        self._app = app
        self._editor = editor
        self._runtime = runtime
        self._idle_s = idle_s
        #: The mark of the job that this server's agent has, if any. The first one is that of this process itself.
        self._mark = mark
        #: Held by the ``next_job`` that looks for a job, so that the next call sees the job that it found.
        self._taking = threading.Lock()
        self.mcp = MCPServer("wf", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING")
        for tool in (self.next_job, self.heartbeat, self.finish, self.fail, self.release, self.job_context):
            self.mcp.tool()(tool)
        self.mcp.resource("wf://job/{token}", name="job", mime_type="application/json", description=_RESOURCE)(
            self.job_resource
        )

    def run(self) -> None:
        """Serve stdin and stdout until the editor closes them."""
        self.mcp.run("stdio")

    # -- the tools; the agent reads their docstrings

    async def next_job(
        self,
        ctx: Context,
        runtime: str | None = None,
        roles: list[str] | None = None,
        wait: str = "20s",
    ) -> dict[str, Any]:
        """Take one job of the pool. The answer has its token, the environment for its wf commands and its prompt
        (or payload). Without a job it has "job": null and says why; ask again later. One job at a time.

        runtime: the pool (cursor, opencode, ...); default: this editor's. roles: only their jobs. wait: at most 25s.
        """
        found = runtime or self._runtime or _client(ctx)
        if not self._taking.acquire(blocking=False):
            return {
                "job": None,
                "message": "another next_job of this editor looks for a job; ask again after its answer",
            }
        try:
            return await self._take(found, roles or [], wait)
        finally:
            self._taking.release()

    async def _take(self, runtime: str | None, roles: list[str], wait: str) -> dict[str, Any]:
        keeper = await self._call(lambda: self._start_keeper(runtime, roles, wait))
        try:
            job = await self._call(keeper.job)
            self._mark = job.token
            keeper.accept()
        except ToolError as error:
            if isinstance(error.__cause__, Temporary):
                return {"job": None, "message": error.__cause__.message}
            raise
        finally:  # When the client cancelled, the job was not accepted, so the keeper gives it back.
            keeper.close()
        return {"job": job.to_json()}

    def _start_keeper(self, runtime: str | None, roles: list[str], wait: str) -> StartedKeeper:
        app = self._app()
        app.require_distributed("mcp")
        known = sorted(app.config.runtimes)
        pool = runtime if runtime in known else next((name for name in known if name in (runtime or "")), None)
        if pool is None:
            raise NotFound(f"which pool? there is no runtime {runtime!r}", hint=f"runtime: one of {', '.join(known)}")
        refuse_second(app, self._mark)
        wait_s = min(parse_duration(wait), LONGEST_WAIT)
        return StartedKeeper(
            app, Request(pool, roles_of(app.config, pool, roles), self._editor, wait_s, self._idle_s)
        )

    async def heartbeat(self, token: str) -> dict[str, Any]:
        """Say that you are at work on the job, so that it is not given to somebody else. Between long steps."""
        return {"idle_s": await self._call(lambda: self._job(token).heartbeat())}

    async def finish(self, token: str, result: dict[str, Any] | None = None) -> dict[str, Any]:
        """Hand the job in as done. For a step of a plan the plan is checked: an error lists what is missing; put that
        right and call finish again. result: what came of a job that is no step of a plan.
        """
        return asdict(await self._call(lambda: self._job(token).finish(result)))

    async def fail(self, token: str, message: str, code: str = "crashed") -> dict[str, Any]:
        """Hand the job in as failed; message says why, and the next attempt is told. code: crashed (tried again),
        policy_denied or invalid_spec (not tried again), rate_limited or usage_limit (the pool pauses), ...
        """
        return asdict(await self._call(lambda: self._job(token).fail(message, code)))

    async def release(self, token: str, reason: str = "", delay: str = "1s") -> dict[str, Any]:
        """Give the job back undone; that costs nothing. delay: not to be taken again before so long (10s, 5m)."""
        return asdict(await self._call(lambda: self._job(token).release(reason or None, parse_duration(delay))))

    async def job_context(self, token: str) -> dict[str, Any]:
        """The job again: its prompt or payload, and its plan's phase and files as they are now."""
        return await self._call(lambda: self._job(token).context())

    async def job_resource(self, token: str) -> str:
        try:
            return plain_json.dumps(await self.job_context(token), indent=2, ensure_ascii=False)
        except ToolError as error:
            raise ResourceNotFoundError(str(error)) from error

    # -- parts

    def _job(self, token: str) -> JobInHand:
        return JobInHand(self._app(), token)

    async def _call(self, work: Callable[[], _T]) -> _T:
        """Do ``work`` in a thread. When the client cancels, this returns without waiting for it."""
        try:
            return await anyio.to_thread.run_sync(partial(work), abandon_on_cancel=True)
        except WfError as error:
            raise ToolError(_told(error)) from error


_RESOURCE = "A job that was taken: its prompt or payload, and its plan's files as they are now."


def _told(error: WfError) -> str:
    lines = [f"{error.code}: {error.message}"]
    listed = error.facts.get("errors")
    lines += [f"- {line}" for line in listed] if isinstance(listed, list) else []
    return "\n".join([*lines, *([f"hint: {error.hint}"] if error.hint else [])])


def _client(ctx: Context) -> str | None:
    """The client's name, as it said when it connected: ``opencode``, ``cursor-vscode``."""
    params = ctx.session.client_params
    return params.client_info.name.lower() if params is not None else None
