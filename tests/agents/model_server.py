"""A scripted model behind the APIs of Anthropic, OpenAI (chat and Responses) and Gemini.

The script is that of `support.scripted_model_server`. A call ``{"name": "$shell", "arguments": {"command": ..}}``
becomes one of the shell tool that the agent offers. Other requests (telemetry, say) are answered with ``{}``.
"""

from __future__ import annotations

import json
import re
from typing import Any

from agents import dialects
from support import scripted_model_server as scripted
from support.scripted_model_server import ScriptedModelServer


class _Handler(scripted._Handler):
    api = "chat"

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/models") and "v1beta" not in path:
            super().do_GET()
        else:
            self._json(200, {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].rstrip("/")
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return self._json(200, {})
        if path.endswith(("/count_tokens", ":countTokens")):
            return self._json(200, {"input_tokens": len(raw) // 4, "totalTokens": len(raw) // 4})
        if path.endswith("/messages"):
            self.api, said = "anthropic", list(dialects.from_anthropic(body))
        elif path.endswith("/responses"):
            self.api, said = "responses", list(dialects.from_responses(body))
        elif path.endswith("enerateContent"):
            self.api, said = "gemini", list(dialects.from_gemini(body))
            body["model"] = re.sub(r".*/models/([^:]+):.*", r"\1", path)
            body["stream"] = "stream" in path
        elif path.endswith("/chat/completions"):
            self.api, said = "chat", body.get("messages") or []
        else:
            return self._json(200, {})
        self.schemas = dialects.tool_schemas(body)
        asked = {key: body.get(key) for key in ("model", "stream", "stream_options")}
        return self._chat({**asked, "messages": said, "tools": [{"name": name} for name in self.schemas]})

    def _answer(self, body: dict[str, Any], view: Any, choice: Any, attempt: int, entry: dict[str, Any]) -> None:
        calls = []
        for call in choice.turn.get("tool_calls", []):
            if call["name"] == "$shell":
                name, arguments = dialects.shell_call(self.schemas, call["arguments"]["command"])
                call = {**call, "name": name, "arguments": arguments}
            calls.append(call)
        if calls:
            choice.turn = {**choice.turn, "tool_calls": calls}
        super()._answer(body, view, choice, attempt, entry)

    def _error(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._json(status, dialects.error_body(self.api, status, message), headers)

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        if status == 200 and isinstance(value, dict) and value.get("object") == "chat.completion":
            message = value["choices"][0]["message"]
            answer = {"text": message.get("content") or "", "tool_calls": message.get("tool_calls") or []}
            answer["usage"] = value["usage"]
            whole = {
                "anthropic": dialects.anthropic_message,
                "responses": dialects.response,
                "gemini": dialects.gemini_answer,
            }
            value = whole[self.api](answer, value) if self.api in whole else value
        super()._json(status, value, headers)

    def _stream(
        self, body: dict[str, Any], turn: dict[str, Any], answer: dict[str, Any], head: dict[str, Any]
    ) -> None:
        if self.api == "chat":
            return super()._stream(body, turn, answer, head)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.api == "gemini":
            events = [dialects.gemini_answer(answer, head)]
        elif self.api == "anthropic":
            events = list(dialects.anthropic_events(answer, head))
        else:
            events = list(dialects.response_events(answer, head))
        for event in events:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
        return None


class ModelServer(ScriptedModelServer):
    """`ScriptedModelServer` for all of these APIs. `address` is its root; each API has its own path below it."""

    def __init__(self, script: dict[str, Any]):
        super().__init__(script)
        owner = self

        class Handler(_Handler):
            server_owner = owner

        self._http.RequestHandlerClass = Handler

    @property
    def address(self) -> str:
        return self.url.removesuffix("/v1")
