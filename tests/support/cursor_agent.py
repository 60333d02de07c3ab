#!/usr/bin/env python3
"""A stand-in for Cursor's ``cursor-agent``: both its protocols, and whatever it was reported with.

The real one can only be installed by its vendor's script and works only with the vendor's servers. ``-p
--output-format stream-json`` is as its documentation has it and does the plan's work like
`scripted_agent`; ``acp`` is the agent of `acp_agent`. Use it as ``command: [python, tests/support/cursor_agent.py]``.

``WF_FAKE_CURSOR`` names a misbehaviour, or is JSON with a ``mode`` and what that needs. In both protocols, and
for `opencode_agent` too:

=================  ============================================================================
``hang_start``     answers nothing at all
``login``          waits for a browser, and says so on stderr
``refuse``         ends with ``code`` (0) at once, with ``stdout`` and ``stderr`` as its last words
``hang_prompt``    a first event, then silence
``deaf``           the same, and SIGTERM (by ACP a cancel, too) does nothing
``pause``          a first event, then SIGSTOP to itself
``slow``           an event every 0.1 s for ``seconds``
``garbage``        prints lines that are no messages, of all kinds, and works
``long_line``      prints a line of 40 MB, and works
``open_line``      prints a line without an end, for ever
``flood``          ``size`` bytes of events, and works
``complaints``     ``size`` bytes of lines on stderr, and works
``crash``          killed in the middle of the turn, with ``stderr`` as last words
``exit``           ends with ``code`` (0) in the middle, with ``stderr`` as last words
``orphan_pipe``    ends with 3 in the middle, a child of its own keeps stdout open
``kill_parent``    kills whoever started it
``kill_launcher``  kills the launcher above it
``close_stdout``   a first event, then closes its stdout and lives on
``close_stdin``    closes its stdin before anybody can hand over the prompt; in print mode it works then
``unread``         never reads its prompt; in print mode it works, and ends, all the same
``child``          works; a child in a session of its own stays
``daemon``         works; an orphan with an empty environment stays
``hydra``          works; a child stays that starts another one when it is to end
``error``          an error: ``message`` (and ``code`` and ``data``, by ACP)
``nonzero``        a good result, exit code 1
``stays``          a good result, does not end and ignores SIGTERM (print: with a child in its own session)
``chatters``       a good result, then garbage for ever (print)
=================  ============================================================================

``-p`` alone:

=================  ============================================================================
``untrusted``      refuses the workspace in plain text, exit code 0
``usage_limit``    an error text and exit code 1, no result
``is_error``       a result with ``is_error: true``, exit code 0
``shapeless``      a result that does not say whether it is an error
``long_result``    a good result with a text of 2 MB
``no_result``      works, prints no result, exit code 0
``silent``         prints nothing at all, and ignores SIGTERM
``quiet``          prints its first line and then nothing, and ignores SIGTERM
``asks``           asks a person to trust the workspace, and waits (older builds)
``no_chat``        does not know the chat that is to be resumed and says so; by itself it starts another one
``unended``        no newline after the result
=================  ============================================================================

``acp`` alone: those of `acp_agent`, and ``no_session_now``, an error of ``session/new`` that goes away by itself.

``WF_FAKE_CURSOR_OPTIONS`` is JSON, the options of the scripted agent. ``WF_FAKE_CURSOR_ARGS`` names a file that
gets the arguments and the prompt as JSON, ``WF_FAKE_NOTES`` one that gets all prompts, as JSON lines.
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
from typing import Any, NoReturn

VERSION = "2026.09.18-0fa4e11"
SESSION = "0b9a3a52-5c0e-4f7e-9a55-9b1c8e8f7a10"
#: Of `acp_agent`.
ACP_SESSION = "sess-4711"
MODELS = ("auto", "composer-2", "gpt-5.2", "gpt-5.2-codex", "opus-4.6", "sonnet-4.6")
#: What a misbehaving agent is told: its mode, and what that needs.
Told = dict[str, Any]


# -- what any agent may do, whatever it speaks


def told(variable: str) -> Told:
    """The orders in an environment variable."""
    text = os.environ.get(variable, "")
    found: Told = json.loads(text) if text.startswith("{") else {}
    return {"mode": text, **found}


def note(what: str, **facts: Any) -> None:
    """For the test."""
    if "WF_FAKE_NOTES" in os.environ:
        with Path(os.environ["WF_FAKE_NOTES"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **facts}) + "\n")


def raw(data: bytes, fd: int = 1) -> None:
    """All of it: the pipe is not always a blocking one."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            time.sleep(0.001)


def wait_for_ever(*, deaf: bool = False) -> NoReturn:
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def refuse(told: Told) -> NoReturn:
    for fd, name in ((1, "stdout"), (2, "stderr")):
        raw(told.get(name, "").encode(), fd)
    os._exit(told.get("code", 0))


def before_anything(told: Told) -> None:
    """The misbehaviours that need no protocol."""
    match told["mode"]:
        case "hang_start":
            wait_for_ever()
        case "login":
            raw(b"Waiting for the browser: open https://cursor.example/loginDeepControl\n", 2)
            wait_for_ever()
        case "refuse":
            refuse(told)


GARBAGE = (
    *("Loading...", "[1, 2]", "17", '"text"', "null", "{", "[" * 100_000, '{"a": ' * 5000, "{}", '{"type": 7}'),
    *('{"type": "assistant", "message": 7}', '{"type": "tool_call", "tool_call": [1]}', '{"type": "newest"}'),
    *('{"type": "text", "part": "x"}', '{"type": "tool_use", "part": []}', '{"type": "text", "sessionID": [1]}'),
    '{"type": "system", "session_id": "--share"}',
    '{"type": "assistant", "message": {"content": [{"type": "text", "text": "\\ud800"}]}}',
    '{"type": "text", "part": {"text": "\\ud800\\u0000"}}',
)


def garbage(told: Told) -> None:
    raw("\n".join(GARBAGE).encode() + b"\n\xff\xfe\x00\x1b[2J\r\n\n")


def open_line(told: Told) -> NoReturn:
    while True:
        raw(b"x" * 65536)
        time.sleep(0.01)


def complaints(told: Told) -> None:
    line = b"something is not quite right " * 30 + b"\n"
    for _ in range(told["size"] // len(line)):
        raw(line, 2)


def crash(told: Told) -> NoReturn:
    raw(told.get("stderr", "").encode(), 2)
    os.kill(os.getpid(), signal.SIGKILL)
    wait_for_ever()


def child(told: Told) -> None:
    subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def daemon(told: Told) -> None:
    reading, writing = os.pipe()
    script = f"exec </dev/null >/dev/null 2>&1; sleep 600 & echo $! >&{writing}"
    subprocess.run(["/bin/sh", "-c", script], env={}, start_new_session=True, pass_fds=[writing], check=True)
    note("process", pid=int(os.read(reading, 100)))


def hydra(told: Told) -> None:
    script = 'trap "setsid sleep 600 & exit" TERM; echo; while :; do sleep 1; done'
    with subprocess.Popen(["sh", "-c", script], start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the trap is set
        process.returncode = 0  # and it is nobody's business any more


def orphan_pipe(told: Told) -> NoReturn:
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    os._exit(3)


def kill_parent(told: Told) -> NoReturn:
    os.kill(os.getppid(), signal.SIGKILL)
    wait_for_ever()


def kill_launcher(told: Told) -> NoReturn:
    import psutil

    above = psutil.Process().parents()
    next(process for process in above if any("wf-launcher" in word for word in process.cmdline())).kill()
    wait_for_ever()


def close_stdout(told: Told) -> NoReturn:
    os.close(1)
    wait_for_ever()


#: In the middle of a turn, after a first event. Those that return go on with the work.
FAULTS: dict[str, Callable[[Told], None]] = {
    "hang_prompt": lambda told: wait_for_ever(),
    "deaf": lambda told: wait_for_ever(deaf=True),
    "pause": lambda told: os.kill(os.getpid(), signal.SIGSTOP),
    "garbage": garbage,
    "long_line": lambda told: raw(b"x" * 40_000_000 + b"\n"),
    "open_line": open_line,
    "complaints": complaints,
    "crash": crash,
    "exit": refuse,
    "orphan_pipe": orphan_pipe,
    "kill_parent": kill_parent,
    "kill_launcher": kill_launcher,
    "close_stdout": close_stdout,
    "child": child,
    "daemon": daemon,
    "hydra": hydra,
}


def after_the_result(told: Told) -> None:
    match told["mode"]:
        case "stays":
            subprocess.Popen(["sleep", "600"], start_new_session=True)
            wait_for_ever(deaf=True)
        case "chatters":
            while True:
                garbage(told)
                time.sleep(0.05)


def misbehave(told: Told, say: Callable[[str], None]) -> None:
    """In the middle of a turn of a print protocol; ``say`` prints an event with a text."""
    match told["mode"]:
        case "slow":
            end = time.monotonic() + told["seconds"]
            while time.monotonic() < end:
                say("hm")
                time.sleep(0.1)
        case "flood":
            for _ in range(told["size"] // len(FLOOD)):
                say(FLOOD)
        case mode if mode in FAULTS:
            FAULTS[mode](told)


#: Long pieces, so that a hundred megabytes are made quickly; shorter than the lines that a reader gets to see.
FLOOD = "word " * 50_000


# -- ACP


def speak_acp(told: Told) -> int:
    """Until the client closes the connection; the exit code."""
    if told["mode"] in ("unread", "close_stdin"):
        speak_and_turn_away(close=told["mode"] == "close_stdin")
    if "WF_FAKE_NOTES" in os.environ:
        os.environ["WF_FAKE_ACP_NOTES"] = os.environ["WF_FAKE_NOTES"]
    from support import acp_agent

    class Agent(acp_agent.FakeAgent):
        def new_session(self, params: Told) -> Told:
            if told["mode"] == "no_session_now":
                raise acp_agent.RequestError(-32603, "Failed to initialize session services")
            return super().new_session(params)

        def load_session(self, params: Told) -> Told:
            if params["sessionId"] != acp_agent.KNOWN and "lost" in told:
                raise acp_agent.RequestError(*told["lost"])
            return super().load_session(params)

        def _work(self, session_id: str) -> list[str]:
            from wf_cli.contract.identity import target_of

            # The scripted agent would read the payload of an own job from stdin, where the protocol is spoken.
            return [] if target_of(os.environ["WF_JOB_ID"]) is None else super()._work(session_id)

        def _flood(self, session_id: str) -> None:
            content = {"type": "text", "text": FLOOD}
            update = {"sessionUpdate": "agent_message_chunk", "content": content}
            params = {"sessionId": session_id, "update": update}
            line = json.dumps({"jsonrpc": "2.0", "method": "session/update", "params": params}).encode() + b"\n"
            for _ in range(told["size"] // len(FLOOD)):
                raw(line)

        def _crash(self, session_id: str) -> None:
            raw(told.get("stderr", "").encode(), 2)
            super()._crash(session_id)

        def _exit(self, session_id: str) -> None:
            self.client.say("let me ", session_id)
            refuse(told)

        def __getattr__(self, name: str) -> Any:
            """The misbehaviours of any agent that the parent class does not know."""
            fault = FAULTS.get(name.removeprefix("_"))
            if fault is None:
                raise AttributeError(name)

            def in_the_middle(session_id: str) -> None:
                self.client.deaf_to_eof = True
                self.client.say("let me ", session_id)
                fault(told)

            return in_the_middle

    Agent(told).serve()
    if told["mode"] == "stays":
        wait_for_ever(deaf=True)
    return 1 if told["mode"] == "nonzero" else 0


def speak_and_turn_away(*, close: bool) -> NoReturn:
    """Opens a session and reads nothing more. By hand: `acp_agent` reads as long as it lives."""
    results = {"initialize": {"protocolVersion": 1}, "session/new": {"sessionId": ACP_SESSION}}
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        while True:
            request = json.loads(stdin.readline())
            result = results[request["method"]]
            if request["method"] == "session/new" and close:
                os.close(0)
            raw(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode() + b"\n")
            if request["method"] == "session/new":
                wait_for_ever()


# -- Cursor


def emit(kind: str, *, end: str = "\n", **facts: Any) -> None:
    print(json.dumps({"type": kind, **facts, "session_id": SESSION}), end=end, flush=True)


def assistant(text: str) -> None:
    emit("assistant", message={"role": "assistant", "content": [{"type": "text", "text": text}]})


def result(text: str, *, is_error: bool = False, end: str = "\n") -> None:
    usage = {"inputTokens": 1200, "outputTokens": 80, "cacheReadTokens": 300, "cacheWriteTokens": 0}
    kind = "error" if is_error else "success"
    facts = {"subtype": kind, "is_error": is_error, "duration_ms": 5, "duration_api_ms": 4, "result": text}
    emit("result", **facts, usage=usage, end=end)


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


def option(name: str) -> str | None:
    """The value of a command line option."""
    words = sys.argv[1:]
    return words[words.index(name) + 1] if name in words[:-1] else None


def status(told: Told) -> int:
    known = told["mode"] != "login"
    if option("--format") == "json":
        word = "authenticated" if known else "unauthenticated"
        print(json.dumps({"status": word, "isAuthenticated": known}))
    else:
        print("✓ Logged in as somebody@example.invalid" if known else "Not logged in")
    return 0


def stream_json(told: Told) -> int:
    """One run of ``-p``; the exit code."""
    mode = told["mode"]
    if mode in ("unread", "close_stdin"):
        os.close(0)
    prompt = "" if mode in ("unread", "close_stdin") else sys.stdin.read()
    note("prompt", text=prompt, resume=option("--resume"))
    if "WF_FAKE_CURSOR_ARGS" in os.environ:
        Path(os.environ["WF_FAKE_CURSOR_ARGS"]).write_text(json.dumps({"argv": sys.argv[1:], "prompt": prompt}))
    if mode == "silent":
        wait_for_ever(deaf=True)
    if mode == "asks":
        raw(b"Do you trust the contents of this directory? [a] Trust this workspace  [q] Quit > ")
        wait_for_ever()
    if mode == "untrusted" or "--trust" not in sys.argv:
        print("Workspace Trust Required: run with --trust to trust this workspace")
        return 0
    if mode == "usage_limit":
        print("Error: You've hit your usage limit. It resets on 12/20/2026.", file=sys.stderr)
        return 1
    if mode == "no_chat" and option("--resume") not in (None, SESSION):
        print(f"Error: Chat {option('--resume')} not found", file=sys.stderr)
        return 1
    emit("system", subtype="init", apiKeySource="env", cwd=os.getcwd(), model="auto", permissionMode="default")
    if mode == "quiet":
        wait_for_ever(deaf=True)
    misbehave(told, assistant)
    return work(told)


def work(told: Told) -> int:
    mode = told["mode"]
    errors: list[str] = []
    code = 0
    if mode == "is_error":
        errors.append("Connection reset by the model provider (ECONNRESET)")
    elif mode == "error":
        errors.append(told["message"])
        code = told.get("code", 0)
    elif "WF_JOB_ID" in os.environ and mode not in ("unread", "close_stdin"):
        from wf_cli.runtimes.scripted.agent import ScriptedAgent

        code = ScriptedAgent(os.environ, told["options"], spoken(errors)).run()
    if mode == "shapeless":
        emit("result", subtype="done", result="All done.")
    elif mode != "no_result":
        said = "All done." * (250_000 if mode == "long_result" else 1)
        result(errors[0] if errors else said, is_error=bool(errors), end="" if mode == "unended" else "\n")
    after_the_result(told)
    return 1 if mode == "nonzero" else code


def main() -> int:
    words = sys.argv[1:]
    if "--version" in words:
        print(VERSION)
        return 0
    orders = {"options": json.loads(os.environ.get("WF_FAKE_CURSOR_OPTIONS") or "{}"), **told("WF_FAKE_CURSOR")}
    if {"status", "whoami"} & set(words):
        return status(orders)
    if {"models", "--list-models"} & set(words):
        print("Available models\n\n" + "\n".join(f"{name} - {name.title()}" for name in MODELS))
        return 0
    before_anything(orders)
    model = option("--model")
    if model is not None and model not in MODELS:
        print(f"Cannot use this model: {model}. Available models: {', '.join(MODELS)}", file=sys.stderr)
        return 1
    return speak_acp(orders) if "acp" in words else stream_json(orders)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
