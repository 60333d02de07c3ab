#!/usr/bin/env python3
"""A scripted, deterministic stand-in for an OpenAI-compatible model server.

README
======

Purpose
-------
Drive a *real* coding agent (OpenCode, or anything that talks the OpenAI
chat-completions protocol) in tests, without a model and without the
internet.  The agent believes it is talking to a model; every answer comes
from a small JSON script.  Python 3.9+ standard library only.

Quick start
-----------
::

    python scripted_model_server.py --script scripted_model_example.json \\
        --port 0 --log requests.jsonl
    # first line on stdout:  http://127.0.0.1:43121/v1

Give that URL to the agent as its ``baseURL``; any API key is accepted.
``--check`` validates a script and exits (0 good, 2 bad).

From a Python test, without a subprocess::

    from scripted_model_server import ScriptedModelServer

    with ScriptedModelServer({"agents": [{"turns": [{"text": "hi"}]}]}) as s:
        ...  # s.url, s.requests (list of log records), s.reset()

Script
------
A JSON object.  Lines whose first non-blank characters are ``//`` or ``#``
are ignored, so a script can carry comments.  ::

    {
      "models":  ["scripted"],              // optional, for GET /v1/models
      "vars":    {"cwd": {"from": "system", // optional, see Placeholders
                          "regex": "Working directory: (.+)"}},
      "no_tools": {"text": "A title"},      // optional, see below
      "default": {"text": "Nothing to do."},// optional, when no agent matches
      "agents": [
        {
          "name":   "writer",               // optional, shows in the log
          "prompt": "write (?P<file>\\\\S+)", // regex, latest user prompt
          "system": "...",                  // optional regex, system prompt
          "model":  "...",                  // optional regex, model id
          "turns": [
            {"text": "On it.",
             "tool_calls": [{"name": "bash",
                             "arguments": {"command": "echo hi > {{file}}",
                                           "description": "write"}}]},
            {"expect": "regex the latest tool result must contain",
             "text": "Done."}
          ],
          "after": "repeat"                 // or "default" or "error"
        }
      ]
    }

*Choosing an agent.*  Agents are tried in order; the first whose given
regexes all match (``re.search``, multi-line, ``.`` does not match newlines
unless ``(?s)`` is used) answers.  No regex means "always".  The latest user
prompt is the text of the last message with role ``user``.

*Choosing a turn.*  The server keeps no conversation state: the turn number
is the count of assistant messages after the latest user message.  So any
number of agents can share one server, sessions can be resumed or forked, and
a retried request gets the same turn again.  When the turns run out, ``after``
decides: ``repeat`` gives the last turn's text with its tool calls dropped
(default), ``default`` gives the script's ``default``, ``error`` gives HTTP
500.  ``"times": n`` on a turn stands for writing that turn n times.

*Requests without tools.*  Agents make side requests (session titles,
summaries) that carry no tools and quote the user's prompt.  If the script has
``no_tools`` those are answered from it, unless the matching agent says
``"tools": false`` (it then answers *only* requests without tools) or
``"tools": null`` (it answers both).

Turn fields
-----------
``text``         answer text (default empty)
``reasoning``    sent as ``reasoning_content`` before the text
``tool_calls``   list of ``{"name", "arguments" (object, or a raw string that
                 is sent as is, so it may be broken JSON), "id" (optional)}``
``finish``       finish_reason; default ``tool_calls`` or ``stop``
``usage``        ``{"prompt_tokens", "completion_tokens", ...}`` sent as is;
                 default is a stable estimate (characters / 4)
``delay``        seconds to wait before the first byte
``chunks``       number of pieces the text is streamed in (default 3)
``chunk_delay``  seconds between pieces
``expect``       regex; if the latest tool result does not match, the answer
                 is HTTP 400 and the log record has ``"mismatch": true``
``status``       answer with this HTTP status and an OpenAI-style error body;
``error``        the message in that body;  ``headers`` extra headers
``fail``         list of ``{"status", "error", "headers"}`` used for the first
                 requests for this very conversation state, one each; later
                 (retried) requests get the turn itself.  ``{"drop": true}``
                 closes the connection instead of answering
``hang``         true: never answer (until the client goes away or the server
                 stops); a number: hang that many seconds and then drop
``drop``         true: stop in the middle of the stream and close

Placeholders
------------
``{{name}}`` in ``text``, ``reasoning``, ``error`` and (recursively) in
``arguments`` is replaced by: a named group of the agent's ``prompt`` regex;
``{{1}}``, ``{{2}}``... its numbered groups; ``{{prompt}}`` the latest user
prompt; ``{{tool_result}}`` the latest tool result; or a name from ``vars``,
each taken by its regex's first group from ``system``, ``prompt``,
``tool_result`` or ``all`` (every message).  An unknown name is left alone.

Other endpoints
---------------
``GET /v1/models``, ``GET /healthz``, ``GET /__requests`` (the log records as
a JSON array), ``POST /__reset`` (forget records and failure counts).

Log
---
``--log FILE`` appends one JSON object per chat request: ``seq``, ``time``,
``model``, ``stream``, ``agent``, ``turn``, ``attempt``, ``prompt``,
``tool_result``, ``tools`` (names offered), ``messages`` (count), ``answer``
(what was sent), ``outcome`` (``ok``, ``http <status>``, ``dropped``,
``client went away``), ``mismatch``; with ``--log-bodies`` also ``body``, the
request as received.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["ScriptError", "ScriptedModelServer", "check_script", "load_script"]

CREATED = 1_700_000_000  # a fixed "created" stamp keeps answers reproducible

AGENT_KEYS = {"name", "prompt", "system", "model", "tools", "turns", "after", "comment"}
TURN_KEYS = {
    "text",
    "reasoning",
    "tool_calls",
    "finish",
    "usage",
    "delay",
    "chunks",
    "chunk_delay",
    "expect",
    "status",
    "error",
    "headers",
    "fail",
    "hang",
    "drop",
    "times",
    "comment",
}
SCRIPT_KEYS = {"models", "vars", "no_tools", "default", "agents", "comment"}
VAR_SOURCES = {"system", "prompt", "tool_result", "all"}
AFTER = {"repeat", "default", "error"}


class ScriptError(ValueError):
    """The script is not usable; the message says where and why."""


# --------------------------------------------------------------------------
# Script loading and checking
# --------------------------------------------------------------------------


def load_script(path: str) -> dict:
    """Read a script file (JSON with whole-line comments) and check it."""
    with open(path, encoding="utf-8") as handle:
        lines = handle.read().splitlines()
    kept = ["" if re.match(r"\s*(//|#)", line) else line for line in lines]
    try:
        script = json.loads("\n".join(kept))
    except json.JSONDecodeError as exc:
        raise ScriptError(f"not valid JSON: {exc}") from None
    check_script(script)
    return script


def check_script(script: Any) -> None:
    """Raise ScriptError if the script is malformed."""
    _check_object(script, SCRIPT_KEYS, "script")
    for name, var in script.get("vars", {}).items():
        where = f"vars.{name}"
        _check_object(var, {"from", "regex"}, where)
        if var.get("from") not in VAR_SOURCES:
            raise ScriptError(f"{where}.from must be one of {sorted(VAR_SOURCES)}")
        if _check_regex(var.get("regex"), where + ".regex").groups < 1:
            raise ScriptError(f"{where}.regex needs a group")
    for key in ("no_tools", "default"):
        if key in script:
            _check_turn(script[key], key)
    agents = script.get("agents", [])
    if not isinstance(agents, list):
        raise ScriptError("agents must be a list")
    for number, agent in enumerate(agents):
        where = f"agents[{number}]"
        _check_object(agent, AGENT_KEYS, where)
        for key in ("prompt", "system", "model"):
            if key in agent:
                _check_regex(agent[key], f"{where}.{key}")
        if agent.get("after", "repeat") not in AFTER:
            raise ScriptError(f"{where}.after must be one of {sorted(AFTER)}")
        turns = agent.get("turns")
        if not isinstance(turns, list) or not turns:
            raise ScriptError(f"{where}.turns must be a non-empty list")
        for index, turn in enumerate(turns):
            _check_turn(turn, f"{where}.turns[{index}]")


def _check_object(value: Any, keys: set, where: str) -> None:
    if not isinstance(value, dict):
        raise ScriptError(f"{where} must be an object")
    unknown = sorted(set(value) - keys)
    if unknown:
        raise ScriptError(f"{where} has unknown keys: {', '.join(unknown)}")


def _check_regex(value: Any, where: str) -> re.Pattern[str]:
    if not isinstance(value, str):
        raise ScriptError(f"{where} must be a string")
    try:
        return re.compile(value, re.MULTILINE)
    except re.error as exc:
        raise ScriptError(f"{where} is not a regex: {exc}") from None


def _check_turn(turn: Any, where: str) -> None:
    _check_object(turn, TURN_KEYS, where)
    if "expect" in turn:
        _check_regex(turn["expect"], where + ".expect")
    for call in turn.get("tool_calls", []):
        _check_object(call, {"name", "arguments", "id"}, where + ".tool_calls")
        if not isinstance(call.get("name"), str):
            raise ScriptError(f"{where}.tool_calls: name is missing")
        if not isinstance(call.get("arguments", {}), (dict, str)):
            raise ScriptError(f"{where}.tool_calls: arguments must be an object or a string")
    times = turn.get("times", 1)
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise ScriptError(f"{where}.times must be a positive integer")


# --------------------------------------------------------------------------
# Reading a request
# --------------------------------------------------------------------------


def message_text(message: dict) -> str:
    """The text of a chat message, whose content may be a string or parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part.get("text", "")
            for part in content
            if isinstance(part, dict) and part.get("type") in (None, "text", "input_text")
        )
    return ""


class View:
    """What the script can look at in one request."""

    def __init__(self, body: dict) -> None:
        messages = [m for m in body.get("messages") or [] if isinstance(m, dict)]
        self.messages = messages
        self.model = str(body.get("model", ""))
        self.system = "\n".join(message_text(m) for m in messages if m.get("role") in ("system", "developer"))
        last_user = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
        self.prompt = message_text(messages[last_user]) if last_user >= 0 else ""
        tail = messages[last_user + 1 :]
        self.turn = sum(1 for m in tail if m.get("role") == "assistant")
        results = [message_text(m) for m in messages if m.get("role") == "tool"]
        self.tool_result = results[-1] if results else ""
        self.all = "\n".join(message_text(m) for m in messages)
        self.tools = [
            (t.get("function") or {}).get("name") or t.get("name") or "?"
            for t in body.get("tools") or []
            if isinstance(t, dict)
        ]
        self.key = hashlib.sha256(
            json.dumps([self.model, bool(self.tools), messages], sort_keys=True).encode()
        ).hexdigest()


class Choice:
    """The turn that answers a request, and the placeholders it may use."""

    def __init__(self, agent: str, number: int, turn: dict, names: dict) -> None:
        self.agent, self.number, self.turn, self.names = agent, number, turn, names

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda m: self.names.get(m.group(1), m.group(0)), value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return value


def choose(script: dict, view: View) -> Choice:
    """Pick the turn for a request.  Pure: same script and request, same turn."""
    names = {"prompt": view.prompt, "tool_result": view.tool_result}
    for name, var in script.get("vars", {}).items():
        found = re.search(var["regex"], getattr(view, var["from"]), re.MULTILINE)
        if found:
            names[name] = (found.group(1) or "").strip()

    for position, agent in enumerate(script.get("agents", [])):
        wants_tools = agent.get("tools", True if "no_tools" in script else None)
        if wants_tools is not None and bool(wants_tools) != bool(view.tools):
            continue
        found = re.search(agent.get("prompt", ""), view.prompt, re.MULTILINE)
        if not found:
            continue
        if "system" in agent and not re.search(agent["system"], view.system, re.MULTILINE):
            continue
        if "model" in agent and not re.search(agent["model"], view.model, re.MULTILINE):
            continue
        for index, group in enumerate(found.groups(), 1):
            names[str(index)] = group or ""
        names.update({k: v or "" for k, v in found.groupdict().items()})
        label = agent.get("name") or f"agents[{position}]"
        turns = [turn for turn in agent["turns"] for _ in range(turn.get("times", 1))]
        if view.turn < len(turns):
            return Choice(label, view.turn, turns[view.turn], names)
        after = agent.get("after", "repeat")
        if after == "error":
            turn = {"status": 500, "error": f"script ran out of turns for {label}"}
        elif after == "default":
            turn = script.get("default", {"text": "Nothing to do."})
        else:
            turn = {"text": turns[-1].get("text") or "Done."}
        return Choice(label, view.turn, turn, names)

    if not view.tools and "no_tools" in script:
        return Choice("no_tools", view.turn, script["no_tools"], names)
    return Choice("default", view.turn, script.get("default", {"text": "Nothing to do."}), names)


# --------------------------------------------------------------------------
# Building an answer
# --------------------------------------------------------------------------


def build_answer(choice: Choice, view: View) -> dict:
    """The answer in a neutral form: text, reasoning, calls, finish, usage."""
    turn = choice.turn
    calls = []
    for index, call in enumerate(turn.get("tool_calls", [])):
        arguments = choice.fill(call.get("arguments", {}))
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        # Distinct within a conversation, and the same for the same request.
        default_id = f"call_{view.key[:8]}_{choice.number}_{index}"
        calls.append(
            {
                "id": call.get("id") or default_id,
                "type": "function",
                "function": {"name": call["name"], "arguments": arguments},
            }
        )
    text = choice.fill(turn.get("text", ""))
    reasoning = choice.fill(turn.get("reasoning", ""))
    sent = len(text) + len(reasoning) + sum(len(c["function"]["arguments"]) for c in calls)
    usage = turn.get("usage") or {
        "prompt_tokens": max(1, len(view.all) // 4),
        "completion_tokens": max(1, sent // 4),
    }
    usage = dict(usage)
    usage.setdefault("total_tokens", usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0))
    return {
        "text": text,
        "reasoning": reasoning,
        "tool_calls": calls,
        "usage": usage,
        "finish": turn.get("finish") or ("tool_calls" if calls else "stop"),
    }


def split_text(text: str, pieces: int) -> list:
    if not text:
        return []
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[i : i + size] for i in range(0, len(text), size)]


def stream_chunks(answer: dict, base: dict, pieces: int, with_usage: bool):
    """Yield chat.completion.chunk objects for an answer."""

    def chunk(delta: dict, finish: str | None = None) -> dict:
        return {
            **base,
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }

    yield chunk({"role": "assistant", "content": ""})
    for piece in split_text(answer["reasoning"], pieces):
        yield chunk({"reasoning_content": piece})
    for piece in split_text(answer["text"], pieces):
        yield chunk({"content": piece})
    for index, call in enumerate(answer["tool_calls"]):
        function = call["function"]
        yield chunk(
            {
                "tool_calls": [
                    {
                        "index": index,
                        "id": call["id"],
                        "type": "function",
                        "function": {"name": function["name"], "arguments": ""},
                    }
                ]
            }
        )
        for piece in split_text(function["arguments"], 2):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, answer["finish"])
    if with_usage:
        yield {**base, "object": "chat.completion.chunk", "choices": [], "usage": answer["usage"]}


# --------------------------------------------------------------------------
# The server
# --------------------------------------------------------------------------


class ScriptedModelServer:
    """The server as an object; use as a context manager, or start()/stop()."""

    def __init__(
        self,
        script: dict,
        host: str = "127.0.0.1",
        port: int = 0,
        log: str | None = None,
        log_bodies: bool = False,
    ) -> None:
        check_script(script)
        self.script = script
        self.requests: list = []
        self.log_bodies = log_bodies
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._seq = 0
        self._attempts: dict = {}
        self._log = open(log, "a", encoding="utf-8") if log else None  # noqa: SIM115
        owner = self

        class Handler(_Handler):
            server_owner = owner

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                # A client that goes away is normal here (agents get killed).
                if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
                    super().handle_error(request, client_address)

        self._http = Server((host, port), Handler)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        return f"http://{host}:{port}/v1"

    def start(self) -> ScriptedModelServer:
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        if self._thread:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.server_close()
        with self._lock:
            if self._log:
                self._log.close()
                self._log = None

    __enter__ = start

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def reset(self) -> None:
        """Forget the request records and the ``fail`` counts."""
        with self._lock:
            self.requests.clear()
            self._attempts.clear()

    # -- used by the handler ------------------------------------------------

    def begin(self, key: str) -> tuple:
        """Number this request, and count how often this state was asked."""
        with self._lock:
            self._seq += 1
            attempt = self._attempts.get(key, 0)
            self._attempts[key] = attempt + 1
            return self._seq, attempt

    def record(self, entry: dict) -> None:
        with self._lock:
            self.requests.append(entry)
            if self._log:
                self._log.write(json.dumps(entry, ensure_ascii=False) + "\n")
                self._log.flush()

    def snapshot(self) -> list:
        with self._lock:
            return list(self.requests)


class _Drop(Exception):
    """Close the connection without finishing the answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_owner: ScriptedModelServer

    def log_message(self, *_args: object) -> None:  # keep stderr quiet
        pass

    # -- plumbing -----------------------------------------------------------

    def _json(self, status: int, value: Any, headers: dict | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, content in (headers or {}).items():
            self.send_header(name, str(content))
        self.end_headers()
        self.wfile.write(data)

    def _error(self, status: int, message: str, headers: dict | None = None) -> None:
        kind = "invalid_request_error" if status < 500 else "server_error"
        self._json(status, {"error": {"message": message, "type": kind, "code": status}}, headers)

    # -- routes -------------------------------------------------------------

    def do_GET(self) -> None:
        path = self.path.split("?")[0].rstrip("/")
        if path == "/healthz":
            self._json(200, {"ok": True})
        elif path == "/__requests":
            self._json(200, self.server_owner.snapshot())
        elif path.endswith("/models"):
            ids = self.server_owner.script.get("models", ["scripted"])
            self._json(
                200,
                {
                    "object": "list",
                    "data": [{"id": i, "object": "model", "created": CREATED, "owned_by": "scripted"} for i in ids],
                },
            )
        else:
            self._error(404, f"no such path: {path}")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        path = self.path.split("?")[0].rstrip("/")
        if path == "/__reset":
            self.server_owner.reset()
            self._json(200, {"ok": True})
            return
        if not path.endswith("/chat/completions"):
            self._error(404, f"no such path: {path}")
            return
        try:
            body = json.loads(raw)
            if not isinstance(body, dict):
                raise ValueError("not an object")
        except ValueError as exc:
            self._error(400, f"bad request body: {exc}")
            return
        self._chat(body)

    # -- the one that matters -----------------------------------------------

    def _chat(self, body: dict) -> None:
        owner = self.server_owner
        view = View(body)
        choice = choose(owner.script, view)
        seq, attempt = owner.begin(view.key)
        entry = {
            "seq": seq,
            "time": time.time(),
            "model": view.model,
            "stream": bool(body.get("stream")),
            "agent": choice.agent,
            "turn": choice.number,
            "attempt": attempt,
            "prompt": view.prompt,
            "tool_result": view.tool_result,
            "tools": view.tools,
            "messages": len(view.messages),
            "answer": None,
            "outcome": "ok",
            "mismatch": False,
        }
        if owner.log_bodies:
            entry["body"] = body
        try:
            self._answer(body, view, choice, attempt, entry)
        except _Drop:
            entry["outcome"] = "dropped"
            self.close_connection = True
        except (ConnectionError, TimeoutError):
            entry["outcome"] = "client went away"
            self.close_connection = True
        finally:
            owner.record(entry)

    def _answer(self, body: dict, view: View, choice: Choice, attempt: int, entry: dict) -> None:
        turn = choice.turn
        self._wait(turn.get("delay", 0))

        fails = turn.get("fail", [])
        if attempt < len(fails):
            self._refuse(fails[attempt], choice, entry)
            return
        if turn.get("hang"):
            self._wait(float("inf") if turn["hang"] is True else float(turn["hang"]))
            raise _Drop
        if "expect" in turn and not re.search(turn["expect"], view.tool_result, re.MULTILINE):
            entry["mismatch"] = True
            entry["outcome"] = "http 400"
            self._error(
                400, f"script expected a tool result matching {turn['expect']!r}, got {view.tool_result[:500]!r}"
            )
            return
        if "status" in turn:
            self._refuse(turn, choice, entry)
            return

        answer = build_answer(choice, view)
        entry["answer"] = answer
        base = {"id": f"chatcmpl-{view.key[:12]}", "created": CREATED, "model": view.model}
        if body.get("stream"):
            self._stream(body, turn, answer, base)
            return
        if turn.get("drop"):
            raise _Drop
        message: dict = {"role": "assistant", "content": answer["text"] or None}
        if answer["reasoning"]:
            message["reasoning_content"] = answer["reasoning"]
        if answer["tool_calls"]:
            message["tool_calls"] = answer["tool_calls"]
        self._json(
            200,
            {
                **base,
                "object": "chat.completion",
                "usage": answer["usage"],
                "choices": [{"index": 0, "message": message, "finish_reason": answer["finish"]}],
            },
        )

    def _refuse(self, failure: dict, choice: Choice, entry: dict) -> None:
        if failure.get("drop"):
            raise _Drop
        status = int(failure.get("status", 500))
        entry["outcome"] = f"http {status}"
        self._error(status, choice.fill(failure.get("error", "scripted failure")), failure.get("headers"))

    def _stream(self, body: dict, turn: dict, answer: dict, base: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        chunks = list(stream_chunks(answer, base, int(turn.get("chunks", 3)), with_usage))
        if turn.get("drop"):
            chunks = chunks[: max(1, len(chunks) // 2)]
        for chunk in chunks:
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            self.wfile.flush()
            self._wait(turn.get("chunk_delay", 0))
        if turn.get("drop"):
            raise _Drop
        self.wfile.write(b"data: [DONE]\n\n")
        self.wfile.flush()

    def _wait(self, seconds: float) -> None:
        """Sleep, but give up when the client leaves or the server stops."""
        if seconds <= 0:
            return
        deadline = time.monotonic() + seconds
        self.connection.setblocking(False)
        try:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                if self.server_owner.stopping.wait(min(left, 0.1)):
                    raise _Drop
                try:
                    if self.connection.recv(1, 2) == b"":  # 2 is MSG_PEEK
                        raise ConnectionResetError("client went away")
                except BlockingIOError:
                    pass
        finally:
            self.connection.setblocking(True)


# --------------------------------------------------------------------------
# Command line
# --------------------------------------------------------------------------


def main(argv: list | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scripted_model_server.py",
        description="Answer OpenAI chat-completions requests from a JSON script. "
        "Prints its base URL as the first line on stdout, then serves "
        "until SIGTERM or SIGINT.",
        epilog="The script's format is in this file's docstring: "
        "python -c 'import scripted_model_server as s; print(s.__doc__)'",
    )
    parser.add_argument("--script", required=True, metavar="FILE", help="the JSON script")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 picks a free one (default)")
    parser.add_argument("--log", metavar="FILE", help="append one JSON line per chat request")
    parser.add_argument("--log-bodies", action="store_true", help="put the whole request body in the log as well")
    parser.add_argument("--url-file", metavar="FILE", help="also write the URL to this file")
    parser.add_argument("--check", action="store_true", help="check the script and exit")
    args = parser.parse_args(argv)

    try:
        script = load_script(args.script)
    except (OSError, ScriptError) as exc:
        print(f"scripted_model_server: {args.script}: {exc}", file=sys.stderr)
        return 2
    if args.check:
        print(f"{args.script}: ok, {len(script.get('agents', []))} agents")
        return 0

    try:
        server = ScriptedModelServer(script, args.host, args.port, args.log, args.log_bodies)
    except OSError as exc:
        print(f"scripted_model_server: {exc}", file=sys.stderr)
        return 1
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    server.start()
    print(server.url, flush=True)
    if args.url_file:
        with open(args.url_file, "w", encoding="utf-8") as handle:
            handle.write(server.url + "\n")
    done.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
