"""One turn of an ACP agent: say hello, open or resume the session, choose the model, hand over the prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import acp
from acp.core import ClientSideConnection
from acp.schema import (
    ClientCapabilities,
    Implementation,
    InitializeResponse,
    PromptResponse,
    SessionConfigOptionSelect,
    SessionConfigSelectGroup,
)

from wf_cli import __version__
from wf_cli.runtimes.acp.conversation import Conversation
from wf_cli.runtimes.acp.report import Reporter
from wf_cli.runtimes.permissions import Permissions

#: JSON-RPC error code of "log in first" (agentclientprotocol.com/protocol/schema, ErrorCode).
AUTH_REQUIRED = -32000
#: Seconds for a login. One that a person has to finish in a browser is never finished here, and Cursor was seen not
#: to answer at all then (github.com/screenpipe/screenpipe pull 6455).
AUTH_LIMIT = 20.0
#: Choices that are named in a message.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
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

    def __init__(self, agent: ClientSideConnection, talk: Conversation, report: Reporter, job: Job):
        self._agent = agent
        self._talk = talk
        self._report = report
        self._job = job
        self.stage = "initialize"
        self.session_id: str | None = None
        self.resumed = False
        self._opened: Any = None

    @property
    def prompting(self) -> bool:
        """Whether there is a turn that could be cancelled."""
        return self.stage == "session/prompt"

    async def open(self) -> None:
        """Up to the session, which is told before any work. Raises Unusable, and RequestError of the agent."""
        hello = await self._agent.initialize(
            protocol_version=acp.PROTOCOL_VERSION,
            client_capabilities=ClientCapabilities(),
            client_info=Implementation(name="wf", version=__version__),
        )
        if hello.protocol_version != acp.PROTOCOL_VERSION:
            raise Unusable(
                "version",
                f"the agent speaks version {hello.protocol_version} of ACP, we speak {acp.PROTOCOL_VERSION}",
            )
        if not self._job.auth_on_demand:
            await self._log_in(hello)
        self._opened, lost = await self._admitted(hello)
        info = hello.agent_info
        self._report.say(
            "session",
            id=self.session_id,
            resumed=self.resumed,
            agent=f"{info.name} {info.version}" if info is not None else None,
        )
        self._report.start()
        if lost is not None:
            text = f"session {self._job.resume} cannot be resumed ({lost}); a new one was started"
            self._report.note(text, session_lost=True)
        await self._choose()

    async def prompt(self, cost_before: float | None = None) -> PromptResponse:
        """Send the prompt and wait for the end of the turn. A new session gets the whole prompt."""
        assert self.session_id is not None
        self._talk.begin(new=not self.resumed, cost_before=cost_before)
        self.stage = "session/prompt"
        text = self._job.resume_prompt if self.resumed else None
        block = acp.text_block(self._job.prompt if text is None else text)
        return await self._agent.prompt(session_id=self.session_id, prompt=[block])

    def tell_offers(self) -> None:
        """What can be chosen in the session, as lines."""
        for option in _options(self._opened):
            self._report.say(
                "offer",
                category=option.category or option.id,
                values=list(_values(option)),
                current=option.current_value,
            )

    async def cancel(self) -> None:
        """Ask the agent to end the turn; the prompt returns then."""
        if self.session_id is not None:
            await self._agent.cancel(session_id=self.session_id)

    async def _log_in(self, hello: InitializeResponse) -> bool:
        """Log in; False when there was no way to. A login that fails counts as "log in first", whatever its code."""
        method = self._job.auth_method
        if method is None or not any(offer.id == method for offer in hello.auth_methods or ()):
            return False
        self.stage = "authenticate"
        limit_s = self._job.auth_limit_s
        try:
            await asyncio.wait_for(self._agent.authenticate(method_id=method), limit_s)
        except TimeoutError:
            text = f"the agent wants a login, and {method} had not ended after {limit_s:g} s"
            raise Unusable("rpc", text, code=AUTH_REQUIRED) from None
        except acp.RequestError as error:
            text = f"the agent wants a login, and {method} failed: {error}"
            raise Unusable("rpc", text, code=AUTH_REQUIRED, data=error.data) from error
        return True

    async def _admitted(self, hello: InitializeResponse) -> tuple[Any, str | None]:
        """`_open_session`, after a login where the agent asks for one."""
        try:
            return await self._open_session(hello)
        except acp.RequestError as error:
            if error.code != AUTH_REQUIRED or not self._job.auth_on_demand or not await self._log_in(hello):
                raise
        return await self._open_session(hello)

    async def _open_session(self, hello: InitializeResponse) -> tuple[Any, str | None]:
        """The session's options, and why the one to resume was lost, if it was."""
        lost = None
        if self._job.resume is not None:
            opened, lost = await self._resume(hello, self._job.resume)
            if lost is None:
                self.session_id, self.resumed = self._job.resume, True
                return opened, None
        self.stage = "session/new"
        made = await self._agent.new_session(cwd=self._job.cwd, mcp_servers=[])
        self.session_id = made.session_id
        return made, lost

    async def _resume(self, hello: InitializeResponse, session: str) -> tuple[Any, str | None]:
        """Resume the session, if possible by the call that does not tell the whole history again."""
        can = hello.agent_capabilities
        again = can.session_capabilities.resume if can is not None and can.session_capabilities else None
        try:
            if again is not None:
                self.stage = "session/resume"
                return await self._agent.resume_session(cwd=self._job.cwd, session_id=session, mcp_servers=[]), None
            if can is not None and can.load_session:
                self.stage = "session/load"
                return await self._agent.load_session(cwd=self._job.cwd, session_id=session, mcp_servers=[]), None
        except acp.RequestError as error:
            if error.code == AUTH_REQUIRED:
                raise
            return None, str(error)[:200]
        return None, "the agent loads no sessions"

    async def _choose(self) -> None:
        assert self.session_id is not None
        modes = self._opened.modes
        wishes = [(*wish, False) for wish in self._job.prefer.items()]
        for category, value, needed in wishes + [(*wish, True) for wish in self._job.choose.items()]:
            option = _option(self._opened, category)
            if not needed and (option is None or value not in _values(option)):
                continue
            if option is None and category == "mode" and modes is not None:
                offered = [mode.id for mode in modes.available_modes]
            elif option is None:
                raise Unusable("choice", f"the agent offers no choice of {category}: {value}", category=category)
            else:
                offered = list(_values(option))
            if value not in offered:
                listed = ", ".join(offered[:_SHOWN]) + (", ..." if len(offered) > _SHOWN else "")
                raise Unusable(
                    "choice", f"{category} not found: {value}; offered: {listed}", category=category, value=value
                )
            self.stage = f"set {category}"
            if option is None:
                await self._agent.set_session_mode(session_id=self.session_id, mode_id=value)
            else:
                # The choice of a model may change the others' options.
                self._opened = await self._agent.set_config_option(
                    session_id=self.session_id, config_id=option.id, value=value
                )


def _option(opened: Any, category: str) -> SessionConfigOptionSelect | None:
    """The option of a category, or, where the agent tells no categories, of that name."""
    options = _options(opened)
    return next((option for option in options if option.category == category), None) or next(
        (option for option in options if option.id == category), None
    )


def _options(opened: Any) -> list[SessionConfigOptionSelect]:
    return [option for option in opened.config_options or () if isinstance(option, SessionConfigOptionSelect)]


def _values(option: SessionConfigOptionSelect) -> Iterator[str]:
    for item in option.options:
        if isinstance(item, SessionConfigSelectGroup):
            yield from (inner.value for inner in item.options)
        else:
            yield item.value
