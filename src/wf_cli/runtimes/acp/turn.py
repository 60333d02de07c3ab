"""One turn of an ACP agent: say hello, open or resume the session, choose the model, hand over the prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from wf_cli import __version__
from wf_cli.frozen import frozen
from wf_cli.runtimes.acp.conversation import Conversation
from wf_cli.runtimes.acp.messages import PROTOCOL_VERSION, Choice, Ended, Hello, Offers, needed
from wf_cli.runtimes.acp.peer import AgentError, Peer
from wf_cli.runtimes.acp.report import Reporter
from wf_cli.runtimes.permissions import Permissions

#: JSON-RPC error code of "log in first" (agentclientprotocol.com/protocol/schema, ErrorCode).
AUTH_REQUIRED = -32000
#: Seconds for a login. One that a person has to finish in a browser is never finished here, and Cursor was seen not
#: to answer at all then (github.com/screenpipe/screenpipe pull 6455).
AUTH_LIMIT = 20.0
#: Choices that are named in a message.
_SHOWN = 20


@frozen
class Job:
    """What the adapter hands over on stdin."""

    command: Sequence[str]
    cwd: str
    prompt: str
    #: A session of an earlier attempt.
    resume: str | None = None
    #: The prompt for that session, when it really goes on; ``prompt`` otherwise.
    resume_prompt: str | None = None
    #: Category of a session's option (``model``, ``mode``, ``thought_level``) -> the value to set.
    choose: Mapping[str, str] = field(default_factory=dict)
    #: The same for values that are set only where the agent offers exactly them.
    prefer: Mapping[str, str] = field(default_factory=dict)
    permissions: Permissions = field(default_factory=Permissions)
    #: Seconds from SIGTERM to the end by force.
    grace_s: float = 5.0
    #: An authentication method to use before a session is opened, where the agent offers it.
    auth_method: str | None = None
    #: Use it only when the agent refuses to open a session without.
    auth_on_demand: bool = False
    auth_limit_s: float = AUTH_LIMIT
    #: Whether it is OpenCode 1.x, whose own server knows facts that ACP does not tell.
    opencode: bool = False
    #: Open a session, say what it offers, and be done: no prompt, so no request to a model.
    dry: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Job:
        return cls(**{**value, "permissions": Permissions.from_json(value.get("permissions", {}))})


class Unusable(Exception):
    """The agent cannot do this job. ``facts`` go into the error line."""

    def __init__(self, source: str, message: str, **facts: Any):
        super().__init__(message)
        self.source = source
        self.facts = facts


class Turn:
    """Runs the calls in their order; ``stage`` is the one under way."""

    def __init__(self, agent: Peer, talk: Conversation, report: Reporter, job: Job):
        self._agent = agent
        self._talk = talk
        self._report = report
        self._job = job
        self.stage = "initialize"
        self.session_id: str | None = None
        self.resumed = False
        self._offers = Offers()

    @property
    def prompting(self) -> bool:
        """Whether there is a turn that could be cancelled."""
        return self.stage == "session/prompt"

    async def open(self) -> None:
        """Up to the session, which is told before any work. Raises Unusable, AgentError and Malformed."""
        hello = Hello.of(
            await self._agent.call(
                "initialize",
                {
                    "protocolVersion": PROTOCOL_VERSION,
                    "clientCapabilities": {},
                    "clientInfo": {"name": "wf", "version": __version__},
                },
            )
        )
        if hello.version != PROTOCOL_VERSION:
            raise Unusable("version", f"the agent speaks version {hello.version} of ACP, we speak {PROTOCOL_VERSION}")
        self._talk.tools.agent = hello.agent or ""
        if not self._job.auth_on_demand:
            await self._log_in(hello)
        self._offers, lost = await self._admitted(hello)
        self._report.say(
            "session",
            id=self.session_id,
            resumed=self.resumed,
            agent=hello.agent,
        )
        self._report.start()
        if lost is not None:
            text = f"session {self._job.resume} cannot be resumed ({lost}); a new one was started"
            self._report.note(text, session_lost=True)
        await self._choose()

    async def prompt(self, cost_before: float | None = None) -> Ended:
        """Send the prompt and wait for the end of the turn. A new session gets the whole prompt."""
        assert self.session_id is not None
        self._talk.begin(new=not self.resumed, cost_before=cost_before)
        self.stage = "session/prompt"
        text = self._job.resume_prompt if self.resumed else None
        block = {"type": "text", "text": self._job.prompt if text is None else text}
        return Ended.of(await self._call("session/prompt", prompt=[block]))

    def tell_offers(self) -> None:
        """What can be chosen in the session, as lines."""
        told = {choice.category or choice.id for choice in self._offers.choices}
        lists = [choice for category, choice in self._offers.lists.items() if category not in told]
        for choice in (*self._offers.choices, *lists):
            self._report.say(
                "offer", category=choice.category or choice.id, values=list(choice.values), current=choice.current
            )

    async def cancel(self) -> None:
        """Ask the agent to end the turn; the prompt returns then."""
        if self.session_id is not None:
            await self._agent.tell("session/cancel", {"sessionId": self.session_id})

    async def _call(self, method: str, **params: Any) -> Any:
        """A call about the session."""
        return await self._agent.call(method, {"sessionId": self.session_id, **params})

    async def _log_in(self, hello: Hello) -> bool:
        """Log in; False when there was no way to. A login that fails counts as "log in first", whatever its code."""
        method = self._job.auth_method
        if method is None or method not in hello.logins:
            return False
        self.stage = "authenticate"
        limit_s = self._job.auth_limit_s
        try:
            await asyncio.wait_for(self._agent.call("authenticate", {"methodId": method}), limit_s)
        except TimeoutError:
            text = f"the agent wants a login, and {method} had not ended after {limit_s:g} s"
            raise Unusable("rpc", text, code=AUTH_REQUIRED) from None
        except AgentError as error:
            text = f"the agent wants a login, and {method} failed: {error}"
            raise Unusable("rpc", text, code=AUTH_REQUIRED, data=error.data) from error
        return True

    async def _admitted(self, hello: Hello) -> tuple[Offers, str | None]:
        """`_open_session`, after a login where the agent asks for one."""
        try:
            return await self._open_session(hello)
        except AgentError as error:
            if error.code != AUTH_REQUIRED or not self._job.auth_on_demand or not await self._log_in(hello):
                raise
        return await self._open_session(hello)

    async def _open_session(self, hello: Hello) -> tuple[Offers, str | None]:
        """The session's options, and why the one to resume was lost, if it was."""
        lost = None
        if self._job.resume is not None:
            opened, lost = await self._resume(hello, self._job.resume)
            if lost is None:
                self.session_id, self.resumed = self._job.resume, True
                return opened, None
        self.stage = "session/new"
        made = await self._agent.call("session/new", {"cwd": self._job.cwd, "mcpServers": []})
        self.session_id = needed(made, "sessionId")
        return Offers.of(made), lost

    async def _resume(self, hello: Hello, session: str) -> tuple[Offers, str | None]:
        """Resume the session: by each way that the agent announces, until one works.

        The way that does not tell the whole history again comes first. Agents were seen to announce it and not to
        have it.
        """
        ways = [("session/resume", hello.resumes), ("session/load", hello.loads)]
        params = {"sessionId": session, "cwd": self._job.cwd, "mcpServers": []}
        failed = []
        for way, announced in ways:
            if not announced:
                continue
            self.stage = way
            try:
                return Offers.of(await self._agent.call(way, params)), None
            except AgentError as error:
                if error.code == AUTH_REQUIRED:
                    raise
                failed.append(f"{way}: {str(error)[:200]}")
        return Offers(), "; ".join(failed) or "the agent loads no sessions"

    async def _choose(self) -> None:
        assert self.session_id is not None
        wishes = [(*wish, False) for wish in self._job.prefer.items()]
        for category, value, must in wishes + [(*wish, True) for wish in self._job.choose.items()]:
            offers = self._offers.of_category(category)
            choice = next((offer for offer in offers if value in offer.values), None)
            if choice is not None:
                await self._set(category, choice, value)
            elif must and not offers:
                raise Unusable("choice", f"the agent offers no choice of {category}: {value}", category=category)
            elif must:
                offered = [*dict.fromkeys(name for offer in offers for name in offer.values)]
                listed = ", ".join(offered[:_SHOWN]) + (", ..." if len(offered) > _SHOWN else "")
                raise Unusable(
                    "choice", f"{category} not found: {value}; offered: {listed}", category=category, value=value
                )

    async def _set(self, category: str, choice: Choice, value: str) -> None:
        self.stage = f"set {category}"
        if choice.id:
            # The choice of a model may change the others' options.
            told = await self._call("session/set_config_option", configId=choice.id, value=value)
            self._offers = Offers(Offers.of(told).choices, self._offers.lists)
        elif category == "model":
            await self._call("session/set_model", modelId=value)
        else:
            await self._call("session/set_mode", modeId=value)
        if not choice.id:
            changed = replace(choice, current=value)
            self._offers = Offers(self._offers.choices, {**self._offers.lists, category: changed})
