#!/usr/bin/env python3
"""A stand-in for OpenCode: ``run --format json`` (events as 1.18.33 prints them) and ``acp``.

For what the real one cannot be made to do; tests/e2e/test_opencode_real.py drives that. It does no plan's work.

``WF_FAKE_OPENCODE`` names a misbehaviour, or is JSON with a ``mode`` and what that needs: those of `cursor_agent`
for any agent, and:

================  ==============================================================================
``error``         ``run``: an event with ``error``, ``stderr``, exit code ``code`` (1); ``acp``: see there
``reason``        ``run``: its last step ends with ``reason``, exit code 0
``rejected``      ``run``: a permission was rejected by itself, the run stops there, exit code 0
``cut``           ``run``: the stream was cut in a step, the next one goes on
``no_session``    ``run``: does not know the session that is to be resumed, exit code 0 (older versions)
================  ==============================================================================

By ACP, ``server`` is what its HTTP server says, which there is none of without it: ``{"status": ..}`` of the
session, the ``error`` of its last message, and ``"mute"`` for a server that takes requests and never answers.

``WF_FAKE_OPENCODE_VERSION`` is its version. ``WF_FAKE_NOTES`` names a file that gets all prompts, as JSON lines.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1]))

from support import cursor_agent as any_agent
from support.cursor_agent import ACP_SESSION, Told, note, option

VERSION = os.environ.get("WF_FAKE_OPENCODE_VERSION", "1.18.33")
SESSION = "ses_dfd9ef73effeXvHbIPkZQHwjQ7"
MODELS = ("scripted/scripted", "anthropic/sonnet-4.6")


def event(kind: str, *, end: str = "\n", **facts: Any) -> None:
    line = {"type": kind, "timestamp": int(time.time() * 1000), "sessionID": SESSION, **facts}
    print(json.dumps(line), end=end, flush=True)


def part(kind: str, *, end: str = "\n", **facts: Any) -> None:
    ids = {"id": "prt_1", "messageID": "msg_1", "sessionID": SESSION}
    event(kind, part={**ids, "type": kind.replace("_", "-"), **facts}, end=end)


def text(said: str) -> None:
    part("text", text=said, time={"start": 1, "end": 2})


def finish(reason: str, *, end: str = "\n") -> None:
    tokens = {"input": 1000, "output": 70, "reasoning": 10, "cache": {"read": 500, "write": 0}}
    part("step_finish", reason=reason, cost=0.25, tokens=tokens, end=end)


def fail(error: dict[str, Any], told: Told) -> int:
    event("error", error=error)
    any_agent.raw(told.get("stderr", "").encode(), 2)
    return int(told.get("code", 1))


def wrong_flags() -> str | None:
    """An argument that this version does not have."""
    unknown = ("--dir", "--variant") if VERSION.startswith("2.") else ("--standalone",)
    return next((flag for flag in unknown if flag in sys.argv), None)


def run(told: Told) -> int:
    """One run; the exit code."""
    mode = told["mode"]
    if mode in ("unread", "close_stdin"):
        os.close(0)
    prompt = "" if mode in ("unread", "close_stdin") else sys.stdin.read()
    note("prompt", text=prompt, resume=option("-s"))
    if option("-s") not in (None, SESSION):
        print("Error: Session not found", file=sys.stderr)
        return 0 if mode == "no_session" else 1
    if option("-m") not in (None, *MODELS):
        known = "level=ERROR message=failed ref=err_1 error="
        told = {**told, "stderr": f'{known}"ProviderModelNotFoundError: Model not found: {option("-m")}."\n'}
        data = {"message": "Unexpected server error. Check server logs for details.", "ref": "err_1"}
        return fail({"name": "UnknownError", "data": data}, told)
    part("step_start")
    any_agent.misbehave(told, text)
    match mode:
        case "error":
            return fail(told["error"], told)
        case "reason":
            text("Let me see.")
            finish(told["reason"])
            return 0
        case "rejected":
            refused = "The user rejected permission to use this specific tool call."
            state = {"status": "error", "input": {"command": "rm -rf build"}, "error": refused, "time": {"start": 1}}
            part("tool_use", tool="bash", callID="call_1", state=state)
            finish("tool-calls")
            return 0
        case "cut":
            text("Let me ")
            finish("unknown")
            part("step_start")
    text("All done.")
    finish("stop", end="" if mode == "unended" else "\n")
    any_agent.after_the_result(told)
    return 1 if mode == "nonzero" else 0


def serve(port: int, says: Any) -> None:
    """The HTTP server that ``opencode acp`` has, in threads."""
    if says == "mute":
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=lambda: [listener.accept() for _ in iter(int, 1)], daemon=True).start()
        return
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    status = says.get("status")
    if status is not None and "wait_s" in status:  # told as a moment
        status = {**status, "next": int((time.time() + status["wait_s"]) * 1000)}
    tokens = {"input": 1000, "output": 20, "reasoning": 10, "cache": {"read": 500, "write": 0}}
    answers: dict[str, Any] = {
        "/session/status": {ACP_SESSION: status} if status else {},
        f"/session/{ACP_SESSION}": {"id": ACP_SESSION, "tokens": tokens, "cost": 0.75},
        f"/session/{ACP_SESSION}/message": [{"info": {"role": "assistant", "error": says.get("error")}}],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def acp(told: Told) -> int:
    port = int(option("--port") or 0)
    if port and "server" in told:
        serve(port, told["server"])
    return any_agent.speak_acp(told)


def main() -> int:
    words = sys.argv[1:]
    if "--version" in words:
        print(VERSION)
        return 0
    flag = wrong_flags()
    if flag is not None:
        print(f"opencode: unknown option {flag}\n\nopencode run [message..]", file=sys.stderr)
        return 1
    orders = any_agent.told("WF_FAKE_OPENCODE")
    any_agent.before_anything(orders)
    return acp(orders) if "acp" in words else run(orders)


if __name__ == "__main__":
    sys.exit(main())
