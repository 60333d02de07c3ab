#!/usr/bin/env python3
"""A stand-in for an agent that speaks ACP, with the library's agent side: ``acp_agent.py [acp]``.

Does the plan's work like `scripted_agent` when it is given a job, else says a word and ends its turn.
``WF_FAKE_ACP`` is JSON with a ``mode`` and what that needs:

====================  ======================================================================================
``hang_start``        answers nothing, not even ``initialize``
``hang_new``          answers no ``session/new``
``hang_prompt``       a first update, then silence; a cancel ends the turn
``deaf``              the same, and neither a cancel nor SIGTERM does anything
``garbage``           prints lines that are no messages, of all kinds, and works
``long_line``         prints a line of 40 MB without an end, and works
``flood``             ``size`` bytes of updates, and works
``crash``             killed in the middle of the turn
``exit``              ends with ``code`` (0) instead of answering the prompt, with ``stderr`` as last words
``orphan_pipe``       the same, but a child of its own keeps stdout open
``error``             answers ``at`` (``session/prompt``) with ``code``, ``message``, ``data``
``stop``              ends the turn with ``reason``
``bad_stop``          ends the turn with a reason that does not exist
``version``           speaks version 99 of the protocol
``permission``        asks for ``execute: rm -rf build``, and goes on; with ``stop`` true it ends there if denied
``elicitation``       asks a person
``question``          asks the way Cursor does
``stays``             a good turn, then neither EOF nor SIGTERM ends it
``child``             a good turn; a child in a session of its own stays
``slow``              works for ``seconds``, with an update every 0.1 s
``split``             says the secret in ``WF_TEST_TOKEN`` in pieces of three characters
====================  ======================================================================================

Whatever the mode: ``loads`` false is an agent that loads no sessions, ``models`` are those it offers, and with
``login`` it opens no session before ``authenticate``, which then succeeds (``ok``), fails (``fails``) or never
ends (``hangs``).

``WF_FAKE_ACP_NOTES`` names a file that gets what it was asked, as JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import acp
from acp.schema import (
    AgentCapabilities,
    AuthenticateResponse,
    AuthMethodAgent,
    ElicitationFormSessionMode,
    ElicitationSchema,
    Implementation,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PermissionOption,
    PromptResponse,
    SessionConfigOptionSelect,
    SessionConfigSelectOption,
    SetSessionConfigOptionResponse,
    Usage,
    UsageUpdate,
)
from acp.schema import Cost as CostSoFar

from wf_cli.runtimes.scripted.agent import ScriptedAgent

SESSION = "sess-4711"
KNOWN = "sess-0815"
TOLD: dict[str, Any] = json.loads(os.environ.get("WF_FAKE_ACP") or "{}")
MODE = TOLD.get("mode", "")


def note(what: str, **facts: Any) -> None:
    if "WF_FAKE_ACP_NOTES" in os.environ:
        with Path(os.environ["WF_FAKE_ACP_NOTES"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **facts}) + "\n")


def raw(text: str) -> None:
    """Past the protocol, and all of it: the pipe is not blocking and holds less than some of this."""
    data = memoryview(text.encode("utf-8", "surrogateescape"))
    while data:
        try:
            data = data[os.write(1, data) :]
        except BlockingIOError:
            time.sleep(0.001)


MODELS: list[str] = TOLD.get("models", ["small", "large"])


def options(model: str = MODELS[0]) -> list[SessionConfigOptionSelect]:
    values = [SessionConfigSelectOption(value=name, name=name) for name in MODELS]
    return [
        SessionConfigOptionSelect(
            id="m", name="Model", category="model", type="select", current_value=model, options=values
        )
    ]


class FakeAgent:
    """The agent's side. Not a subclass of `acp.Agent`: what is missing here is not offered."""

    def __init__(self) -> None:
        self._client: Any = None
        self._cancelled = asyncio.Event()
        self._logged_in = "login" not in TOLD

    def on_connect(self, conn: Any) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        self._fail_as_told("initialize")
        if MODE == "hang_start":
            await asyncio.Event().wait()
        return InitializeResponse(
            protocol_version=99 if MODE == "version" else protocol_version,
            agent_capabilities=AgentCapabilities(load_session=TOLD.get("loads", True)),
            agent_info=Implementation(name="Fake", version="1.0"),
            auth_methods=[AuthMethodAgent(id="cursor_login", name="Log in")],
        )

    async def authenticate(self, method_id: str, **_: Any) -> AuthenticateResponse:
        note("authenticate", method=method_id)
        match TOLD.get("login"):
            case "hangs":
                await asyncio.Event().wait()
            case "fails":
                raise acp.RequestError(-32602, "Invalid params", {"message": "Failed to open browser for login"})
        self._logged_in = True
        return AuthenticateResponse()

    def _let_in(self) -> None:
        if not self._logged_in:
            raise acp.RequestError.auth_required()

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:
        note("new", cwd=cwd)
        self._let_in()
        self._fail_as_told("session/new")
        if MODE == "hang_new":
            await asyncio.Event().wait()
        return NewSessionResponse(session_id=SESSION, config_options=options())

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> LoadSessionResponse:
        note("load", session=session_id)
        self._let_in()
        if session_id != KNOWN:
            raise acp.RequestError.resource_not_found(session_id)
        await self._update(acp.update_agent_message_text("what I said in the first attempt"), KNOWN)
        await self._spent(0.5, KNOWN)
        return LoadSessionResponse(config_options=options())

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **_: Any
    ) -> SetSessionConfigOptionResponse:
        note("option", id=config_id, value=value)
        return SetSessionConfigOptionResponse(config_options=options(str(value)))

    async def cancel(self, session_id: str, **_: Any) -> None:
        note("cancel")
        if MODE != "deaf":
            self._cancelled.set()

    async def prompt(self, prompt: list[Any], session_id: str, **_: Any) -> PromptResponse:
        note("prompt", text="".join(block.text for block in prompt), session=session_id)
        self._fail_as_told("session/prompt")
        misbehave = getattr(self, f"_{MODE}", None)
        if misbehave is not None:
            reason = await misbehave(session_id)
            if reason is not None:
                return PromptResponse(stop_reason=reason)
        if "WF_JOB_ID" in os.environ and target_is_there():
            errors = await self._work(session_id)
            if errors:
                raise acp.RequestError(-32603, errors[0])
        await self._update(acp.update_agent_message_text("All "), session_id)
        await self._update(acp.update_agent_message_text("done."), session_id)
        await self._spent(0.75, session_id)
        usage = Usage(
            total_tokens=1530, input_tokens=1000, output_tokens=20, cached_read_tokens=500, thought_tokens=10
        )
        return PromptResponse(stop_reason="end_turn", usage=usage)

    # -- the work

    async def _work(self, session_id: str) -> list[str]:
        errors: list[str] = []
        loop = asyncio.get_running_loop()

        def say(kind: str, **facts: Any) -> None:
            match kind:
                case "text":
                    update: Any = acp.update_agent_message_text(facts["text"] + "\n")
                case "tool":
                    update = acp.start_tool_call("c1", facts["text"], kind="execute", status="in_progress")
                case "error":
                    errors.append(facts["message"])
                    return
                case _:
                    return
            asyncio.run_coroutine_threadsafe(self._update(update, session_id), loop).result()

        await asyncio.to_thread(ScriptedAgent(os.environ, TOLD.get("options", {}), say).run)
        return errors

    async def _update(self, update: Any, session_id: str = SESSION) -> None:
        await self._client.session_update(session_id=session_id, update=update)

    async def _spent(self, dollars: float, session_id: str) -> None:
        cost = CostSoFar(amount=dollars, currency="USD")
        await self._update(UsageUpdate(session_update="usage_update", used=1000, size=200_000, cost=cost), session_id)

    def _fail_as_told(self, at: str) -> None:
        if MODE == "error" and TOLD.get("at", "session/prompt") == at:
            raise acp.RequestError(TOLD["code"], TOLD["message"], TOLD.get("data"))

    # -- misbehaviour: a reason ends the turn with it, None goes on to the work

    async def _hang_prompt(self, session_id: str) -> str:
        await self._update(acp.update_agent_message_text("let me "))
        await self._cancelled.wait()
        return "cancelled"

    async def _deaf(self, session_id: str) -> str:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return await self._hang_prompt(session_id)

    async def _slow(self, session_id: str) -> str | None:
        end = time.monotonic() + TOLD["seconds"]
        while time.monotonic() < end and not self._cancelled.is_set():
            await self._update(acp.update_agent_thought_text("hm"))
            await asyncio.sleep(0.1)
        return "cancelled" if self._cancelled.is_set() else None

    async def _garbage(self, session_id: str) -> None:
        lines = ["Loading...", "[1, 2]", "17", '"text"', "null", "{", '{"id": [1]}', '{"id": 9, "error": "no"}']
        lines += [
            '{"method": 7}',
            '{"id": 1e400, "result": {}}',
            "[" * 100_000,
            '{"jsonrpc": "2.0", "method": "x/y"}',
        ]
        lines += ['{"method": "session/update", "params": {"sessionId": "s", "update": {"sessionUpdate": "newest"}}}']
        raw("\n".join(lines) + "\n\udcff\x00\n\n")

    async def _long_line(self, session_id: str) -> None:
        raw("x" * 40_000_000 + "\n")

    async def _flood(self, session_id: str) -> None:
        piece = "word " * 800
        for _ in range(TOLD["size"] // len(piece)):
            await self._update(acp.update_agent_message_text(piece), session_id)

    async def _crash(self, session_id: str) -> None:
        await self._update(acp.start_tool_call("t", "make", kind="execute", status="in_progress"))
        os.kill(os.getpid(), signal.SIGKILL)

    async def _exit(self, session_id: str) -> None:
        print(TOLD.get("stderr", ""), file=sys.stderr, flush=True)
        os._exit(TOLD.get("code", 0))

    async def _orphan_pipe(self, session_id: str) -> None:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        os._exit(3)

    async def _stop(self, session_id: str) -> str:
        return str(TOLD["reason"])

    async def _bad_stop(self, session_id: str) -> None:
        raw('{"jsonrpc": "2.0", "id": 2, "result": {"stopReason": "fed_up"}}\n')
        await asyncio.Event().wait()

    async def _permission(self, session_id: str) -> str | None:
        call = acp.start_tool_call("t", "rm -rf build", kind="execute", status="pending")
        await self._update(call)
        choices = [
            PermissionOption(option_id=f"o-{kind}", name=kind, kind=kind)
            for kind in ("allow_always", "allow_once", "reject_once")
        ]
        asked = acp.update_tool_call("t", status="pending")
        answer = await self._client.request_permission(session_id=session_id, tool_call=asked, options=choices)
        note("answer", **answer.outcome.model_dump(by_alias=False, exclude={"field_meta"}))
        allowed = getattr(answer.outcome, "option_id", "").startswith("o-allow")
        await self._update(acp.update_tool_call("t", status="completed" if allowed else "failed"))
        return "end_turn" if TOLD.get("stop") and not allowed else None

    async def _elicitation(self, session_id: str) -> None:
        mode = ElicitationFormSessionMode(session_id=session_id, requested_schema=ElicitationSchema(type="object"))
        answer = await self._client.create_elicitation(message="Which branch?", mode=mode)
        note("answer", action=answer.action)

    async def _question(self, session_id: str) -> None:
        raw('{"jsonrpc": "2.0", "id": 99, "method": "cursor/ask_question", "params": {"questions": []}}\n')

    async def _stays(self, session_id: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def _child(self, session_id: str) -> None:
        subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)

    async def _split(self, session_id: str) -> None:
        said = f"the token is {os.environ['WF_TEST_TOKEN']} and "
        for start in range(0, len(said), 3):
            await self._update(acp.update_agent_message_text(said[start : start + 3]), session_id)
            await asyncio.sleep(0.06)


def target_is_there() -> bool:
    return bool(os.environ.get("WF_ROOT"))


def main(after: Callable[[], None] = lambda: None) -> None:
    if "--version" in sys.argv:
        print(os.environ.get("WF_FAKE_ACP_VERSION", "2026.09.18-0fa4e11"))
        return
    note("start", argv=sys.argv[1:])
    asyncio.run(acp.run_agent(FakeAgent(), use_unstable_protocol=True))  # type: ignore[arg-type]
    while MODE == "stays":
        time.sleep(60)


if __name__ == "__main__":
    main()
