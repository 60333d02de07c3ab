#!/usr/bin/env python3
"""`acp_agent` with more modes: ``spends`` tells costs while it works; ``idle`` and ``split`` do none of the work.

``spends`` reports the sums in ``dollars`` one after the other and then waits to be cancelled;
``works_and_spends`` does the step's work before. ``idle`` knows the session that it opened, in whatever process: a
retry resumes it.
"""

from __future__ import annotations

import time

from support import acp_agent
from support.acp_agent import Facts, FakeAgent, note


class Spender(FakeAgent):
    """More of the same."""

    def load_session(self, params: Facts) -> Facts:
        note("load", session=params["sessionId"])
        return {"configOptions": self.options()}

    def _spends(self, session_id: str) -> str:
        for dollars in self.told["dollars"]:
            self.spent(dollars, session_id)
            time.sleep(0.3)
        self.client.cancelled.wait()
        return "cancelled"

    def _works_and_spends(self, session_id: str) -> str:
        assert self._work(session_id) == []
        return self._spends(session_id)

    def _split(self, session_id: str) -> str:
        super()._split(session_id)
        return "end_turn"

    def _idle(self, session_id: str) -> str:
        self.client.say("All done, boss.", session_id)
        return "end_turn"


if __name__ == "__main__":
    acp_agent.main(Spender)
