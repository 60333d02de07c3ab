#!/usr/bin/env python3
"""`acp_agent` with more modes: ``spends`` tells costs while it works; ``idle`` and ``split`` do none of the work.

``spends`` reports the sums in ``dollars`` one after the other and then waits to be cancelled;
``works_and_spends`` does the step's work before. ``idle`` knows the session that it opened, in whatever process: a
retry resumes it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import acp
from acp.schema import LoadSessionResponse

from support import acp_agent
from support.acp_agent import TOLD, FakeAgent, note, options


class Spender(FakeAgent):
    """More of the same."""

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> LoadSessionResponse:
        note("load", session=session_id)
        return LoadSessionResponse(config_options=options())

    async def _spends(self, session_id: str) -> str:
        for dollars in TOLD["dollars"]:
            await self._spent(dollars, session_id)
            await asyncio.sleep(0.3)
        await self._cancelled.wait()
        return "cancelled"

    async def _works_and_spends(self, session_id: str) -> str:
        assert await self._work(session_id) == []
        return await self._spends(session_id)

    async def _split(self, session_id: str) -> str:  # type: ignore[override]
        await super()._split(session_id)
        return "end_turn"

    async def _idle(self, session_id: str) -> str:
        await self._update(acp.update_agent_message_text("All done, boss."), session_id)
        return "end_turn"


if __name__ == "__main__":
    acp_agent.FakeAgent = Spender  # type: ignore[misc]
    acp_agent.main()
