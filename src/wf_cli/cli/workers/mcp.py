"""`wf mcp` serves the verbs of `wf job` to an editor's agent, over the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from wf_cli.cli.frame.options import Common, seconds, single
from wf_cli.errors import WfError


def mcp(
    common: Common,
    runtime: Annotated[
        str | None, typer.Option("--runtime", metavar="X", help="the pool; default: the client's name")
    ] = None,
    idle: Annotated[
        str, typer.Option("--idle", metavar="DUR", help="give the job back after such a silence")
    ] = "30m",
) -> None:
    """Serve next_job, heartbeat, finish, fail, release and job_context to an editor. Editors start it themselves.

    `wf init --mcp` registers it with Cursor and OpenCode. The project is the folder in WF_ROOT, or else the working
    directory. A job goes back to the queue when the editor that started this process is gone.

    \b
    wf mcp --runtime cursor
    """
    try:
        from wf_cli.editor import mcp_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "anyio"):  # mcp brings anyio
            raise
        raise WfError(
            "wf mcp needs the package mcp, which is not installed",
            hint="pip install 'wf-cli[mcp]'",
            code="MCP_MISSING",
        ) from error
    from wf_cli.editor import ancestry

    root = os.environ.get("WF_ROOT", "")
    if os.path.isabs(root):  # an editor that does not expand ${...} passes the variable's name
        os.chdir(root)
    mcp_server.Server(
        lambda: Common(common.spool, common.config).app,
        editor=ancestry.editor_of(),
        runtime=runtime,
        idle_s=max(0.05, seconds(idle, "--idle")),
        mark=os.environ.get("WF_JOB_TOKEN"),
    ).run()


mcp_app = single(mcp)
