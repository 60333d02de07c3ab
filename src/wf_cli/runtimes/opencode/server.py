"""Asks the private HTTP server of OpenCode 1.x's ``acp`` process for facts that OpenCode does not tell by ACP.

Seen with 1.18.33: ACP is silent while a provider is retried, for as long as its Retry-After says; an error comes
without its HTTP status and headers; the usage of a turn is that of its last request. ``GET /session/status`` tells
the retry with its time, ``GET /session/<id>`` the sums, and the last message holds the error. Without an answer these
facts are unknown, and the run goes on.

OpenCode opens this server in any case (``--port 0`` by default, for every user of the host). Here it has a password,
which the adapter makes. The password is part of the agent's environment, so redaction keeps it out of transcripts.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wf_cli.runtimes.acp.retries import Retry
from wf_cli.runtimes.jsonlines import count, number, obj, text
from wf_cli.runtimes.opencode import SERVER_PASSWORD

#: Seconds for an answer. A limit is needed, because a request during the start was seen to be never answered.
LIMIT = 3.0
_BODY = 4 << 20
#: Headers that tell when to come back (`classify.retry_after`).
_WAIT = ("retry-after", "ratelimit")


class OpencodeServer:
    """One agent's server; `begin` names the session."""

    def __init__(self, port: int, user: str, password: str):
        self._port = port
        self._login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._session = ""
        self._before: Mapping[str, Any] | None = None
        #: For the command line of the agent.
        self.arguments = ["--port", str(port), "--hostname", "127.0.0.1"]

    @classmethod
    def make(cls, environ: Mapping[str, str]) -> OpencodeServer:
        """One on a port that is free now, with the login of the agent's environment."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        user = environ.get("OPENCODE_SERVER_USERNAME") or "opencode"
        return cls(port, user, environ.get(SERVER_PASSWORD, ""))

    async def begin(self, session: str, *, resumed: bool) -> None:
        """A turn of ``session`` begins. The earlier usage of a resumed session is taken off later."""
        self._session = session
        self._before = await self._session_facts() if resumed else {}

    @property
    def cost_before(self) -> float | None:
        """The cost of the session when the turn began; None when it is not known."""
        return number(self._before.get("cost")) if self._before else None

    async def usage(self) -> dict[str, Any] | None:
        """The tokens and the cost of the turn; None when they are not known."""
        after, before = await self._session_facts(), self._before
        if after is None or before is None:
            return None
        read, written, cost = (new - old for new, old in zip(_sums(after), _sums(before), strict=True))
        # OpenCode says 0 for models whose price it does not know.
        return {"tokens_in": int(read), "tokens_out": int(written), "cost_usd": cost if cost > 0 else None}

    async def last_error(self) -> dict[str, Any] | None:
        """The error that ended the last message: ``{name, data: {message, statusCode, responseHeaders, ..}}``."""
        messages = await self._get(f"/session/{quote(self._session, safe='')}/message?limit=1")
        last = messages[-1] if isinstance(messages, list) and messages else {}
        error = obj(last, "info", "error")
        data = obj(error, "data")
        if not error:
            return None
        return {
            "name": text(error.get("name"))[:100],
            "status": count(data.get("statusCode")) or None,
            "retryable": data.get("isRetryable"),
            "message": text(data.get("message"))[:1000],
            "headers": {
                k: v for k, v in obj(data, "responseHeaders").items() if any(word in k.lower() for word in _WAIT)
            },
        }

    async def retry(self) -> Retry | None:
        """The retry that the provider is waited for now; None when there is none."""
        status = obj(await self._get("/session/status"), self._session)
        if status.get("type") != "retry":
            return None
        # Both times are of this host's clock, because OpenCode computes this one from the seconds it was told.
        wait = (number(status.get("next")) or 0.0) / 1000 - time.time()
        return Retry(text(status.get("message"))[:1000], count(status.get("attempt")), max(0.0, wait))

    async def _session_facts(self) -> dict[str, Any] | None:
        found = await self._get(f"/session/{quote(self._session, safe='')}")
        return found if isinstance(found, dict) and "tokens" in found else None

    async def _get(self, path: str) -> Any:
        """The JSON at ``path``; None when there is none in time."""
        return await asyncio.to_thread(self._fetch, path)

    def _fetch(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT)
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {self._login}"})
            response = connection.getresponse()
            return json.loads(response.read(_BODY)) if response.status == 200 else None
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


def _sums(session: Mapping[str, Any]) -> tuple[int, int, float]:
    """Tokens read and written, as the print adapter counts them, and the cost."""
    tokens = obj(session, "tokens")
    cache = obj(tokens, "cache")
    read = count(tokens.get("input")) + count(cache.get("read")) + count(cache.get("write"))
    return read, count(tokens.get("output")) + count(tokens.get("reasoning")), number(session.get("cost")) or 0.0
