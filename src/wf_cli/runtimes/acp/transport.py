"""JSON-RPC lines between the client and an ACP agent, in bounded memory whatever the agent prints.

`LineTransport` takes the place of the byte streams of `acp.connect_to_agent`, because those would keep a line without
end, and would give up for good on a line of JSON that is no message. The protocol allows only messages on stdout. Any
other line is handed to ``on_noise`` and otherwise ignored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

#: Bytes of one message. The longest ones carry the content of files.
MESSAGE_LIMIT = 32 << 20
_CHUNK = 1 << 16


class LineTransport:
    """One end of the conversation. ``on_message`` hears of every message that came, before it is handled.

    Requests outside the protocol that ``answer`` has a result for are answered with it (Cursor waits for ever
    when its ``cursor/...`` questions get an error).
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        on_message: Callable[[], None],
        on_noise: Callable[[str], None],
        answer: Callable[[str], Any] = lambda method: None,
        limit: int = MESSAGE_LIMIT,
    ):
        self._reader = reader
        self._writer = writer
        self._on_message = on_message
        self._on_noise = on_noise
        self._answer = answer
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0
        self._dropping = False

    async def send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None at the end of the stream."""
        while (line := await self._line()) is not None:
            # Reads of buffered lines never suspend, so without this the handlers of a flood would pile up.
            await asyncio.sleep(0)
            message = self._message(line)
            if message is None:
                continue
            self._on_message()
            result = self._answer(message.get("method", "")) if "id" in message else None
            if result is None:
                return message
            await self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
        return None

    async def close(self) -> None:
        self._writer.close()

    async def _line(self) -> bytes | None:
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                self._searched = 0
                if not self._dropping:
                    return line
                self._dropping = False
                continue
            if len(self._buffer) > self._limit and not self._dropping:
                self._on_noise(f"a line of more than {self._limit} bytes was dropped")
                self._dropping = True
            if self._dropping:
                self._buffer.clear()
            self._searched = len(self._buffer)
            chunk = await self._reader.read(_CHUNK)
            if not chunk:
                return None
            self._buffer += chunk

    def _message(self, line: bytes) -> dict[str, Any] | None:
        """The message that ``line`` is, in a shape that the library can take; None for anything else."""
        if not line.strip():
            return None
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        ours = isinstance(message, dict) and isinstance(message.get("id"), int | str | None)
        if not ours or not isinstance(message.get("method", ""), str):
            self._on_noise(line[:500].decode("utf-8", "replace"))
            return None
        assert isinstance(message, dict)
        if "error" in message and not isinstance(message["error"], dict):
            message["error"] = {"code": -32603, "message": str(message["error"])[:500]}
        return message
