#!/usr/bin/env python3
"""A stand-in for Cursor's ``cursor-agent``: speaks its stream-json, does the plan's work like `scripted_agent`.

The real one can only be installed by its vendor's script and works only with the vendor's servers. The
format is that of its documentation (RUNTIMES.md 2.3). Use it as ``command: [python, tests/support/cursor_agent.py]``.

``WF_FAKE_CURSOR`` names a misbehaviour, all of which the real one was reported with:

=================  ============================================================================
``untrusted``      refuses the workspace in plain text, exit code 0
``usage_limit``    an error text and exit code 1, no result
``is_error``       a result with ``is_error: true``, exit code 0
``no_result``      works, prints no result, exit code 0
``nonzero``        works, a good result, exit code 1
``stays``          works, a good result, does not end and ignores SIGTERM, with a child in its own session
``silent``         prints nothing at all (the login flow that waits for a browser)
``quiet``          prints its first line and then nothing
=================  ============================================================================

``WF_FAKE_CURSOR_OPTIONS`` is JSON, the options of the scripted agent. ``WF_FAKE_CURSOR_ARGS`` names a file that
gets the arguments and the prompt as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wf_cli.runtimes.scripted_agent import ScriptedAgent

VERSION = "2026.09.18-0fa4e11"
SESSION = "0b9a3a52-5c0e-4f7e-9a55-9b1c8e8f7a10"


def emit(kind: str, **facts: Any) -> None:
    print(json.dumps({"type": kind, **facts, "session_id": SESSION}), flush=True)


def assistant(text: str) -> None:
    emit("assistant", message={"role": "assistant", "content": [{"type": "text", "text": text}]})


def result(text: str, *, is_error: bool = False) -> None:
    usage = {"inputTokens": 1200, "outputTokens": 80, "cacheReadTokens": 300, "cacheWriteTokens": 0}
    kind = "error" if is_error else "success"
    emit("result", subtype=kind, is_error=is_error, duration_ms=5, duration_api_ms=4, result=text, usage=usage)


def spoken(calls: list[str]) -> Callable[..., None]:
    """The scripted agent's lines, as Cursor would say them. Errors are kept in ``calls``."""

    def say(kind: str, **facts: Any) -> None:
        match kind:
            case "text":
                assistant(facts["text"])
            case "tool":
                call = {"shellToolCall": {"args": {"command": facts["text"]}}}
                emit("tool_call", subtype="started", call_id="c1", tool_call=call)
                done = {"shellToolCall": {**call["shellToolCall"], "result": {"success": {"exitCode": 0}}}}
                emit("tool_call", subtype="completed", call_id="c1", tool_call=done)
            case "error":
                calls.append(facts["message"])

    return say


def wait_for_ever() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def main() -> int:
    if "--version" in sys.argv:
        print(VERSION)
        return 0
    mode = os.environ.get("WF_FAKE_CURSOR", "")
    prompt = sys.stdin.read()
    if "WF_FAKE_CURSOR_ARGS" in os.environ:
        Path(os.environ["WF_FAKE_CURSOR_ARGS"]).write_text(json.dumps({"argv": sys.argv[1:], "prompt": prompt}))
    if mode == "silent":
        wait_for_ever()
    if mode == "untrusted" or "--trust" not in sys.argv:
        print("Workspace Trust Required: run with --trust to trust this workspace")
        return 0
    if mode == "usage_limit":
        print("Error: You've hit your usage limit. It resets on 12/20/2026.", file=sys.stderr)
        return 1
    emit("system", subtype="init", apiKeySource="env", cwd=os.getcwd(), model="auto", permissionMode="default")
    if mode == "quiet":
        wait_for_ever()
    errors: list[str] = []
    options = json.loads(os.environ.get("WF_FAKE_CURSOR_OPTIONS") or "{}")
    code = 0
    if mode == "is_error":
        errors.append("Connection reset by the model provider (ECONNRESET)")
    elif "WF_JOB_ID" in os.environ:
        code = ScriptedAgent(os.environ, options, spoken(errors)).run()
    if mode != "no_result":
        result(errors[0] if errors else "All done.", is_error=bool(errors))
    if mode == "stays":
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        wait_for_ever()
    return 1 if mode == "nonzero" else code


if __name__ == "__main__":
    sys.exit(main())
