#!/usr/bin/env python3
"""An agent made with the library's agent side, which reads and writes every message: `acp_agent`, as a check on it.

``WF_FAKE_ACP`` is JSON: with ``login`` it opens no session before ``authenticate``, with ``ask`` a turn asks for
permission, and with ``hangs`` it ends by a cancel alone.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from support.acp_library import import_library

import_library()  # Each start would take a second otherwise. The models are the same, but are built on first use.

import acp  # noqa: E402
from acp.schema import (  # noqa: E402
    AgentCapabilities,
    AuthenticateResponse,
    AuthMethodAgent,
    Cost,
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

from support.acp_agent import KNOWN, SESSION, note  # noqa: E402

TOLD: dict[str, Any] = json.loads(os.environ.get("WF_FAKE_ACP") or "{}")


def options(model: str = "small") -> list[SessionConfigOptionSelect]:
    values = [SessionConfigSelectOption(value=name, name=name) for name in ("small", "large")]
    return [
        SessionConfigOptionSelect(
            id="m", name="Model", category="model", type="select", current_value=model, options=values
        )
    ]


class LibraryAgent:
    """Not a subclass of `acp.Agent`: what is missing here is not offered."""

    def __init__(self) -> None:
        self._client: Any = None
        self._cancelled = asyncio.Event()
        self._logged_in = not TOLD.get("login")

    def on_connect(self, conn: Any) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        return InitializeResponse(
            protocol_version=protocol_version,
            agent_capabilities=AgentCapabilities(load_session=True),
            agent_info=Implementation(name="Fake", version="1.0"),
            auth_methods=[AuthMethodAgent(id="cursor_login", name="Log in")],
        )

    async def authenticate(self, method_id: str, **_: Any) -> AuthenticateResponse:
        note("authenticate", method=method_id)
        self._logged_in = True
        return AuthenticateResponse()

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:
        self._let_in()
        return NewSessionResponse(session_id=SESSION, config_options=options())

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> LoadSessionResponse:
        self._let_in()
        if session_id != KNOWN:
            raise acp.RequestError.resource_not_found(session_id)
        await self._update(acp.update_agent_message_text("what I said in the first attempt"), session_id)
        await self._spent(0.5, session_id)
        return LoadSessionResponse(config_options=options())

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **_: Any
    ) -> SetSessionConfigOptionResponse:
        note("option", id=config_id, value=value)
        return SetSessionConfigOptionResponse(config_options=options(str(value)))

    async def cancel(self, session_id: str, **_: Any) -> None:
        note("cancel")
        self._cancelled.set()

    async def prompt(self, prompt: list[Any], session_id: str, **_: Any) -> PromptResponse:
        note("prompt", text="".join(block.text for block in prompt), session=session_id)
        if TOLD.get("hangs"):
            await self._cancelled.wait()
            return PromptResponse(stop_reason="cancelled")
        if TOLD.get("ask"):
            await self._ask(session_id)
        await self._update(acp.update_agent_message_text("All "), session_id)
        await self._update(acp.update_agent_message_text("done."), session_id)
        await self._spent(0.75, session_id)
        usage = Usage(
            total_tokens=1530, input_tokens=1000, output_tokens=20, cached_read_tokens=500, thought_tokens=10
        )
        return PromptResponse(stop_reason="end_turn", usage=usage)

    async def _ask(self, session_id: str) -> None:
        await self._update(acp.start_tool_call("t", "rm -rf build", kind="execute", status="pending"), session_id)
        choices = [
            PermissionOption(option_id=f"o-{kind}", name=kind, kind=kind) for kind in ("allow_once", "reject_once")
        ]
        asked = acp.update_tool_call("t", status="pending")
        answer = await self._client.request_permission(session_id=session_id, tool_call=asked, options=choices)
        note("answer", option_id=answer.outcome.option_id)
        await self._update(acp.update_tool_call("t", status="failed"), session_id)

    async def _update(self, update: Any, session_id: str) -> None:
        await self._client.session_update(session_id=session_id, update=update)

    async def _spent(self, dollars: float, session_id: str) -> None:
        cost = Cost(amount=dollars, currency="USD")
        await self._update(UsageUpdate(session_update="usage_update", used=1000, size=200_000, cost=cost), session_id)

    def _let_in(self) -> None:
        if not self._logged_in:
            raise acp.RequestError.auth_required()


if __name__ == "__main__":
    asyncio.run(acp.run_agent(LibraryAgent(), use_unstable_protocol=True))  # type: ignore[arg-type]
