"""Requests to an ACP agent, and those that it sends: JSON-RPC 2.0 over a `LineTransport`.

The ten messages that a turn needs are written by hand. The package ``acp`` describes the protocol in 280 pydantic
models, whose import alone costs most of the CPU time of a short attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from wf_cli.runtimes.acp.messages import Malformed
from wf_cli.runtimes.acp.transport import LineTransport
from wf_cli.runtimes.jsonlines import brief

#: JSON-RPC error codes of answers.
_NOT_FOUND, _INVALID = -32601, -32602
#: Code and message of an error that the agent did not word.
_UNKNOWN = (-32603, "Error")

#: What answers a request, or hears a notification, by its params.
Handler = Callable[[Mapping[str, Any]], dict[str, Any] | None]


class AgentError(Exception):
    """The agent answered a request with an error."""

    def __init__(self, code: int, message: str, data: Any = None):
        super().__init__(message)
        self.code = code
        self.data = data


class Peer:
    """The agent at the other end. Messages are handled in the order in which they come, one after the other."""

    def __init__(self, transport: LineTransport, handlers: Mapping[str, Handler], on_trouble: Callable[[str], None]):
        """``on_trouble`` hears of messages that cannot be understood; they cost themselves only."""
        self._transport = transport
        self._handlers = handlers
        self._on_trouble = on_trouble
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self._ended = False
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The agent's result, of whatever shape. Raises AgentError, and ConnectionError when it answers no more."""
        if self._ended:
            raise ConnectionError("the agent has closed its stdout")
        number, self._next = self._next, self._next + 1
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            await self._transport.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            return await answer
        finally:
            self._pending.pop(number, None)

    async def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification, which has no answer."""
        if self._ended:
            raise ConnectionError("the agent has closed its stdout")
        await self._transport.send({"jsonrpc": "2.0", "method": method, "params": params})

    async def _read(self) -> None:
        try:
            while (message := await self._transport.receive()) is not None:
                if "method" in message:
                    answer = self._handled(message)
                    if answer is not None:
                        with contextlib.suppress(ConnectionError):  # It may read no more, and still have its say.
                            await self._transport.send(answer)
                elif "id" in message:
                    self._answered(message)
        except ConnectionError:
            pass
        finally:
            self._ended = True
            for waiting in self._pending.values():
                if not waiting.done():
                    waiting.set_exception(ConnectionError("the agent has closed its stdout"))

    def _answered(self, message: Mapping[str, Any]) -> None:
        number = message["id"]
        answer = self._pending.get(number) if isinstance(number, int) else None
        if answer is None or answer.done():
            return
        if "error" in message and "result" not in message:
            answer.set_exception(_error(message["error"]))
        else:
            answer.set_result(message.get("result"))

    def _handled(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a request; None for a notification, whatever became of it."""
        method, params = message["method"], message.get("params")
        handler, error, result = self._handlers.get(method), None, None
        if handler is None:
            error = {"code": _NOT_FOUND, "message": "Method not found", "data": {"method": method}}
        else:
            try:
                result = handler(params if isinstance(params, dict) else {})
            except Malformed as malformed:
                self._on_trouble(f"{method}: {malformed}")
                error = {"code": _INVALID, "message": "Invalid params", "data": {"details": str(malformed)}}
        if "id" not in message:
            return None
        said = {"result": result} if error is None else {"error": error}
        return {"jsonrpc": "2.0", "id": message["id"], **said}


def _error(told: Any) -> AgentError:
    told = told if isinstance(told, dict) else {}
    code, text = told.get("code"), told.get("message")
    if not isinstance(code, int) or isinstance(code, bool):
        code = _UNKNOWN[0]
    if not isinstance(text, str):
        text = _UNKNOWN[1]
        with contextlib.suppress(ValueError, RecursionError):
            text = brief(json.dumps(told.get("message"))) if "message" in told else text
    return AgentError(code, text, told.get("data"))
