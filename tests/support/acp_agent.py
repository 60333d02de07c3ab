#!/usr/bin/env python3
"""A stand-in for an agent that speaks ACP: ``acp_agent.py [acp]``.

It writes the protocol by hand (`Connection`), because the library's import takes a second of every attempt.
``acp_library_agent`` is the library's own agent side, for the tests that show that the client fits it.

Does the plan's work like `scripted_agent` when it is given a job, else says a word and ends its turn.
``WF_FAKE_ACP`` is JSON with a ``mode`` and what that needs:

====================  ======================================================================================
``hang_start``        answers nothing, not even ``initialize``
``hang_new``          answers no ``session/new``
``hang_prompt``       a first update, then silence; a cancel ends the turn
``silent``            not even that; a cancel ends the turn
``retries``           writes ``log`` where Gemini CLI writes its own, and is silent then; a cancel ends the turn
``deaf``              as ``hang_prompt``, and neither a cancel nor SIGTERM does anything
``garbage``           prints lines that are no messages, of all kinds, and works
``long_line``         prints a line of 40 MB without an end, and works
``flood``             ``size`` bytes of updates, and works
``crash``             killed in the middle of the turn
``exit``              ends with ``code`` (0) instead of answering the prompt, with ``stderr`` as last words
``orphan_pipe``       the same, but a child of its own keeps stdout open
``error``             answers ``at`` (``session/prompt``) with ``code``, ``message``, ``data``
``stop``              ends the turn with ``reason``
``bad_stop``          ends the turn with a reason that does not exist
``version``           speaks version 99 of the protocol
``permission``        asks for ``execute: rm -rf build``, and goes on; with ``stop`` (a reason, or true) or ``error``
                      it ends there if denied
``unasked``           says that it runs ``title`` (``cd . && rm -rf build``), without asking, and that this ``ends``
                      with a status; waits for a cancel, or ends its turn well (``goes_on``)
``late``              says that it runs ``rm -rf build`` and asks then, as ``permission`` does
``elicitation``       asks a person
``question``          asks the way Cursor does
``stays``             a good turn, then neither EOF nor SIGTERM ends it
``child``             a good turn; a child in a session of its own stays
``slow``              works for ``seconds``, with an update every 0.1 s
``mute``              ends its turn without a word, after a thought
``says``              ends its turn after nothing but ``text``, and tells ``usage``
``split``             says the secret in ``WF_TEST_TOKEN`` in pieces of three characters
====================  ======================================================================================

Whatever the mode: ``loads`` false is an agent that loads no sessions, ``resumes`` one that announces
``session/resume``: it works (``ok``), or is answered with the error that it is; ``lists`` true tells models and modes
in the older lists and in no options; ``models`` are those it offers, and with
``login`` it opens no session before ``authenticate``, which then succeeds (``ok``), fails (``fails``) or never
ends (``hangs``).

``WF_FAKE_ACP_NOTES`` names a file that gets what it was asked, as JSON lines.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SESSION = "sess-4711"
KNOWN = "sess-0815"
#: What an agent is told: its mode, and what that needs.
Told = dict[str, Any]
Facts = dict[str, Any]
LOG_IN_FIRST = (-32000, "Authentication required")


def note(what: str, **facts: Any) -> None:
    if "WF_FAKE_ACP_NOTES" in os.environ:
        with Path(os.environ["WF_FAKE_ACP_NOTES"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **facts}) + "\n")


def raw(text: str, fd: int = 1) -> None:
    """Past the protocol, and all of it: the pipe is not always a blocking one."""
    data = memoryview(text.encode("utf-8", "surrogateescape"))
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            time.sleep(0.001)


class RequestError(Exception):
    """A request is answered with this error."""

    def __init__(self, code: int, message: str, data: Any = None):
        super().__init__(message)
        self.answer = {"code": code, "message": message, "data": data}


class Connection:
    """The agent's end of the protocol.

    Requests are handled one after the other in the main thread; a thread reads, so that a cancel reaches the turn
    that it cancels. The end of stdin ends the process, whatever the turn is waiting for, unless it is `deaf_to_eof`.
    """

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.deaf_to_eof = False
        self._requests: queue.Queue[Facts | None] = queue.Queue()
        self._answers: queue.Queue[Facts] = queue.Queue()
        self._asked = 0
        #: Requests that have come and are not ready to be answered.
        self._open = 0

    def serve(self, handlers: dict[str, Callable[[Facts], Facts]], on_cancel: Callable[[], None]) -> None:
        """Until the client closes the connection."""
        threading.Thread(target=self._read, args=(on_cancel,), daemon=True).start()
        while (request := self._requests.get()) is not None:
            answer: Facts = {"jsonrpc": "2.0", "id": request["id"]}
            handler = handlers.get(request["method"])
            try:
                if handler is None:
                    raise RequestError(-32601, "Method not found", {"method": request["method"]})
                answer["result"] = handler(request.get("params", {}))
            except RequestError as error:
                answer["error"] = error.answer
            self._open -= 1  # before the answer, after which the client may close the connection at any time
            raw(json.dumps(answer) + "\n")

    def update(self, session_id: str, **update: Any) -> None:
        """A ``session/update``; the keyword arguments as the protocol names them."""
        params = {"sessionId": session_id, "update": update}
        raw(json.dumps({"jsonrpc": "2.0", "method": "session/update", "params": params}) + "\n")

    def say(self, text: str, session_id: str = SESSION, kind: str = "agent_message_chunk") -> None:
        """A piece of text."""
        self.update(session_id, sessionUpdate=kind, content={"type": "text", "text": text})

    def ask(self, method: str, **params: Any) -> Facts:
        """A request to the client; its result."""
        self._asked += 1
        raw(json.dumps({"jsonrpc": "2.0", "id": f"a{self._asked}", "method": method, "params": params}) + "\n")
        result: Facts = self._answers.get()["result"]
        return result

    def _read(self, on_cancel: Callable[[], None]) -> None:
        with open(0, "rb", closefd=False) as stdin:
            for line in stdin:
                message = json.loads(line)
                if message.get("method") == "session/cancel":
                    on_cancel()
                elif "method" in message:
                    self._open += 1
                    self._requests.put(message)
                elif str(message.get("id")).startswith("a"):
                    self._answers.put(message)
        if self._open and not self.deaf_to_eof:
            os._exit(0)
        self._requests.put(None)


class FakeAgent:
    """The agent. A method named like a mode, with an underscore, is that misbehaviour in the middle of a turn.

    It gets the session's id. A reason that it returns ends the turn, None goes on to the work.
    """

    def __init__(self, told: Told):
        self.told = told
        self.mode: str = told.get("mode", "")
        self.client = Connection()
        self._models: list[str] = told.get("models", ["small", "large"])
        self._logged_in = "login" not in told

    def serve(self) -> None:
        """Until the client closes the connection."""
        handlers = {
            "initialize": self.initialize,
            "authenticate": self.authenticate,
            "session/new": self.new_session,
            "session/load": self.load_session,
            "session/resume": self.resume_session,
            "session/set_model": self.set_model,
            "session/set_mode": self.set_mode,
            "session/set_config_option": self.set_config_option,
            "session/prompt": self.prompt,
        }
        self.client.serve(handlers, self._cancel)

    # -- what it is asked

    def initialize(self, params: Facts) -> Facts:
        self._fail_as_told("initialize")
        if self.mode == "hang_start":
            threading.Event().wait()
        return {
            "protocolVersion": 99 if self.mode == "version" else params["protocolVersion"],
            "agentCapabilities": {
                "loadSession": self.told.get("loads", True),
                **({"sessionCapabilities": {"resume": {}}} if "resumes" in self.told else {}),
            },
            "agentInfo": {"name": "Fake", "version": "1.0"},
            "authMethods": [{"id": "cursor_login", "name": "Log in"}],
        }

    def authenticate(self, params: Facts) -> Facts:
        note("authenticate", method=params["methodId"])
        match self.told.get("login"):
            case "hangs":
                threading.Event().wait()
            case "fails":
                raise RequestError(-32602, "Invalid params", {"message": "Failed to open browser for login"})
        self._logged_in = True
        return {}

    def new_session(self, params: Facts) -> Facts:
        note("new", cwd=params["cwd"])
        self._let_in()
        self._fail_as_told("session/new")
        if self.mode == "hang_new":
            threading.Event().wait()
        return {"sessionId": SESSION, **self.offers()}

    def load_session(self, params: Facts) -> Facts:
        session_id = params["sessionId"]
        note("load", session=session_id)
        self._let_in()
        if session_id != KNOWN:
            raise RequestError(-32002, "Resource not found", {"uri": session_id})
        self.client.say("what I said in the first attempt", KNOWN)
        self.spent(0.5, KNOWN)
        return self.offers()

    def resume_session(self, params: Facts) -> Facts:
        note("resume", session=params["sessionId"])
        self._let_in()
        if self.told.get("resumes") != "ok":
            raise RequestError(*self.told.get("resumes", (-32601, "Method not found")))
        return self.offers()

    def set_model(self, params: Facts) -> Facts:
        note("model", value=params["modelId"])
        return {}

    def set_mode(self, params: Facts) -> Facts:
        note("mode", value=params["modeId"])
        return {}

    def set_config_option(self, params: Facts) -> Facts:
        note("option", id=params["configId"], value=params["value"])
        return {"configOptions": self.options(str(params["value"]))}

    def prompt(self, params: Facts) -> Facts:
        session_id: str = params["sessionId"]
        note("prompt", text="".join(block["text"] for block in params["prompt"]), session=session_id)
        self._fail_as_told("session/prompt")
        misbehave = getattr(self, f"_{self.mode}", None) if self.mode else None
        reason = misbehave(session_id) if misbehave is not None else None
        if reason is not None:
            return {"stopReason": reason, **({"usage": self.told["usage"]} if "usage" in self.told else {})}
        if "WF_JOB_ID" in os.environ and os.environ.get("WF_ROOT"):
            errors = self._work(session_id)
            if errors:
                raise RequestError(-32603, errors[0])
        self.client.say("All ", session_id)
        self.client.say("done.", session_id)
        self.spent(0.75, session_id)
        tokens = {"totalTokens": 1530, "inputTokens": 1000, "outputTokens": 20, "cachedReadTokens": 500}
        return {"stopReason": "end_turn", "usage": {**tokens, "thoughtTokens": 10}}

    def _cancel(self) -> None:
        note("cancel")
        if self.mode != "deaf":
            self.client.cancelled.set()

    def _let_in(self) -> None:
        if not self._logged_in:
            raise RequestError(*LOG_IN_FIRST)

    def _fail_as_told(self, at: str) -> None:
        if self.mode == "error" and self.told.get("at", "session/prompt") == at:
            raise RequestError(self.told["code"], self.told["message"], self.told.get("data"))

    # -- what it says

    def offers(self) -> Facts:
        """What can be chosen in a session."""
        if not self.told.get("lists"):
            return {"configOptions": self.options()}
        models = [{"modelId": name, "name": name.title()} for name in self._models]
        modes = [{"id": name, "name": name} for name in ("default", "yolo")]
        return {
            "models": {"availableModels": models, "currentModelId": self._models[0]},
            "modes": {"availableModes": modes, "currentModeId": "default"},
        }

    def options(self, model: str | None = None) -> list[Facts]:
        """The session's options, with the current model."""
        values = [{"value": name, "name": name} for name in self._models]
        current = self._models[0] if model is None else model
        named = {"id": "m", "name": "Model", "category": "model", "type": "select"}
        return [{**named, "currentValue": current, "options": values}]

    def spent(self, dollars: float, session_id: str) -> None:
        """What the session has cost so far."""
        cost = {"amount": dollars, "currency": "USD"}
        self.client.update(session_id, sessionUpdate="usage_update", used=1000, size=200_000, cost=cost)

    def tool(self, title: str, status: str, session_id: str = SESSION, call: str = "t") -> None:
        """The beginning of a tool call."""
        facts = {"title": title, "kind": "execute", "status": status}
        self.client.update(session_id, sessionUpdate="tool_call", toolCallId=call, **facts)

    # -- the work

    def _work(self, session_id: str) -> list[str]:
        from wf_cli.runtimes.scripted.agent import ScriptedAgent

        errors: list[str] = []

        def say(kind: str, **facts: Any) -> None:
            match kind:
                case "text":
                    self.client.say(facts["text"] + "\n", session_id)
                case "tool":
                    self.tool(facts["text"], "in_progress", session_id, "c1")
                case "error":
                    errors.append(facts["message"])

        ScriptedAgent(os.environ, self.told.get("options", {}), say).run()
        return errors

    # -- misbehaviour

    def _hang_prompt(self, session_id: str) -> str:
        self.client.say("let me ")
        self.client.cancelled.wait()
        return "cancelled"

    def _silent(self, session_id: str) -> str:
        self.client.cancelled.wait()
        return "cancelled"

    def _retries(self, session_id: str) -> str:
        with open(os.environ["GEMINI_DEBUG_LOG_FILE"], "a") as log:
            log.write(self.told["log"])
        return self._silent(session_id)

    def _deaf(self, session_id: str) -> str:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return self._hang_prompt(session_id)

    def _slow(self, session_id: str) -> str | None:
        end = time.monotonic() + self.told["seconds"]
        while time.monotonic() < end and not self.client.cancelled.is_set():
            self.client.say("hm", kind="agent_thought_chunk")
            self.client.cancelled.wait(0.1)
        return "cancelled" if self.client.cancelled.is_set() else None

    def _garbage(self, session_id: str) -> None:
        lines = ["Loading...", "[1, 2]", "17", '"text"', "null", "{", '{"id": [1]}', '{"id": 9, "error": "no"}']
        lines += [
            '{"method": 7}',
            '{"id": 1e400, "result": {}}',
            "[" * 100_000,
            '{"jsonrpc": "2.0", "method": "x/y"}',
        ]
        lines += ['{"method": "session/update", "params": {"sessionId": "s", "update": {"sessionUpdate": "newest"}}}']
        raw("\n".join(lines) + "\n\udcff\x00\n\n")

    def _long_line(self, session_id: str) -> None:
        raw("x" * 40_000_000 + "\n")

    def _flood(self, session_id: str) -> None:
        piece = "word " * 800
        for _ in range(self.told["size"] // len(piece)):
            self.client.say(piece)

    def _crash(self, session_id: str) -> None:
        self.tool("make", "in_progress")
        os.kill(os.getpid(), signal.SIGKILL)

    def _exit(self, session_id: str) -> None:
        print(self.told.get("stderr", ""), file=sys.stderr, flush=True)
        os._exit(self.told.get("code", 0))

    def _orphan_pipe(self, session_id: str) -> None:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        os._exit(3)

    def _stop(self, session_id: str) -> str:
        return str(self.told["reason"])

    def _mute(self, session_id: str) -> str:
        self.client.say("hm", session_id, kind="agent_thought_chunk")
        return "end_turn"

    def _says(self, session_id: str) -> str:
        self.client.say(self.told["text"], session_id)
        return "end_turn"

    def _bad_stop(self, session_id: str) -> None:
        raw('{"jsonrpc": "2.0", "id": 2, "result": {"stopReason": "fed_up"}}\n')
        threading.Event().wait()

    def _permission(self, session_id: str) -> str | None:
        self.tool("rm -rf build", "pending")
        choices = [
            {"optionId": f"o-{kind}", "name": kind, "kind": kind}
            for kind in ("allow_always", "allow_once", "reject_once")
        ]
        asked = {"toolCallId": "t", "status": "pending"}
        params = {"sessionId": session_id, "toolCall": asked, "options": choices}
        outcome = self.client.ask("session/request_permission", **params)["outcome"]
        note("answer", outcome=outcome["outcome"], option_id=outcome.get("optionId"))
        allowed = outcome.get("optionId", "").startswith("o-allow")
        status = "completed" if allowed else "failed"
        self.client.update(session_id, sessionUpdate="tool_call_update", toolCallId="t", status=status)
        if allowed:
            return None
        if "error" in self.told:
            raise RequestError(*self.told["error"])
        if "last_words" in self.told:
            self.client.say(self.told["last_words"])
        return {True: "end_turn"}.get(self.told.get("stop"), self.told.get("stop"))

    def _unasked(self, session_id: str) -> str:
        self.tool(self.told.get("title", "cd . && rm -rf build"), "in_progress", session_id)
        if "ends" in self.told:
            self.client.update(session_id, sessionUpdate="tool_call_update", toolCallId="t", status=self.told["ends"])
        if self.told.get("goes_on"):
            self.client.say("Done.", session_id)
            return "end_turn"
        self.client.cancelled.wait(60)
        return "cancelled" if self.client.cancelled.is_set() else "end_turn"

    def _late(self, session_id: str) -> str | None:
        self.tool("rm -rf build", "in_progress", session_id)
        return self._permission(session_id)

    def _elicitation(self, session_id: str) -> None:
        form = {"mode": "form", "sessionId": session_id, "requestedSchema": {"type": "object"}}
        note("answer", action=self.client.ask("elicitation/create", message="Which branch?", **form)["action"])

    def _question(self, session_id: str) -> None:
        raw('{"jsonrpc": "2.0", "id": 99, "method": "cursor/ask_question", "params": {"questions": []}}\n')

    def _stays(self, session_id: str) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _child(self, session_id: str) -> None:
        subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)

    def _split(self, session_id: str) -> str | None:
        said = f"the token is {os.environ['WF_TEST_TOKEN']} and "
        for start in range(0, len(said), 3):
            self.client.say(said[start : start + 3])
            time.sleep(0.06)
        return None


def main(agent: type[FakeAgent] = FakeAgent) -> None:
    if "--version" in sys.argv:
        print(os.environ.get("WF_FAKE_ACP_VERSION", "2026.09.18-0fa4e11"))
        return
    note("start", argv=sys.argv[1:])
    told = json.loads(os.environ.get("WF_FAKE_ACP") or "{}")
    agent(told).serve()
    while told.get("mode") == "stays":
        time.sleep(60)


if __name__ == "__main__":
    main()
