"""Whether an agent CLI is logged in, as far as it tells. Nothing secret is read from it, and nothing is opened.

Each question is a short command under `AgentRun`: with closed stdin, a limit, and its whole tree ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from wf_cli import fsio
from wf_cli.clock import Clock
from wf_cli.runtimes.base import AgentEvent, CannotStart, Exit, Launch, Limits, Request, Verdict
from wf_cli.runtimes.command import exit_failure
from wf_cli.runtimes.cursor.adapter import KEYS
from wf_cli.runtimes.opencode.adapter import major
from wf_cli.runtimes.presets.gemini import KEYS as GEMINI_KEYS
from wf_cli.runtimes.process.supervise import AgentRun

#: Seconds for one question. Both programs need one to three on an idle machine.
LIMIT = 20.0
#: Bytes of a settings file that are looked at; a larger one is not the agent's.
_LARGEST = 1_000_000
#: Lines of an answer that are looked at.
_LINES = 2000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Login(NamedTuple):
    """``known``: True logged in, False not, None when it cannot be told. ``text`` says how one knows."""

    known: bool | None
    text: str


def of_cursor(command: Sequence[str], arguments: Sequence[str], request: Request, clock: Clock) -> Login:
    """A key, or what ``cursor-agent status`` says, which does not know of keys."""
    given = next((name for name in KEYS if request.environment.get(name)), None)
    given = given or next((word for word in arguments if word in ("--api-key", "--auth-token")), None)
    if given is not None:
        return Login(True, f"{given} is given")
    request = replace(request, environment={"NO_OPEN_BROWSER": "1", **request.environment})
    said = _ask([*command, "status", "--format", "json"], request, clock)
    if said is None:
        return Login(None, f"unknown: cursor-agent status did not end within {LIMIT:g} s")
    status = _json(said, "{", "}")
    if isinstance(status, dict) and isinstance(status.get("isAuthenticated"), bool):
        account = _masked(str((status.get("userInfo") or {}).get("email") or status.get("email") or ""))
        return Login(True, f"logged in{account}") if status["isAuthenticated"] else Login(False, "not logged in")
    said = _ask([*command, "status"], request, clock) or ""  # builds without --format
    if re.search(r"not (logged|signed) in|unauthenticated|not authenticated", said, re.IGNORECASE):
        return Login(False, "not logged in")
    found = re.search(r"(?:logged|signed) in(?: as (\S+))?", said, re.IGNORECASE)
    if found is not None:
        return Login(True, f"logged in{_masked(found[1] or '')}")
    return Login(None, "unknown: cursor-agent status says neither yes nor no")


def of_opencode(command: Sequence[str], version: str, request: Request, clock: Clock) -> Login:
    """Keys of providers: in the injected configuration, stored, and in the environment.

    Of none of them nothing follows: a provider in opencode.json may have a key of its own, or need none.
    """
    injected = _injected(request.environment)
    if injected:
        return Login(True, f"OPENCODE_CONFIG_CONTENT has a key of {', '.join(injected)}")
    new = major(version) >= 2
    # Without --standalone 2.x would start its background service, which stays.
    more = ("--standalone", "--format", "json") if new else ()
    said = _ask([*command, "auth", "list", *more], request, clock)
    if said is None:
        return Login(None, f"unknown: opencode auth list did not end within {LIMIT:g} s")
    if new:
        listed = _json(said, "[", "]")
        if not isinstance(listed, list):
            return Login(None, "unknown: opencode auth list says no list")
        count = sum(len(item.get("connections") or ()) for item in listed if isinstance(item, dict))
        return Login(count > 0, f"connections to providers: {count}")
    counts = {what: int(number) for number, what in re.findall(r"(\d+) (credential|environment variable)", said)}
    if "credential" not in counts:
        return Login(None, "unknown: opencode auth list says no number of credentials")
    stored, keys = counts["credential"], counts.get("environment variable", 0)
    return Login(stored + keys > 0, f"credentials stored: {stored}, keys in the environment: {keys}")


def of_claude(command: Sequence[str], request: Request, clock: Clock) -> Login:
    """What ``claude auth status`` says. It knows of keys in the environment, and asks no provider."""
    said = _ask([*command, "auth", "status"], request, clock)
    if said is None:
        return Login(None, f"unknown: claude auth status did not end within {LIMIT:g} s")
    status = _json(said, "{", "}")
    if not isinstance(status, dict) or not isinstance(status.get("loggedIn"), bool):
        return Login(None, "unknown: claude auth status says neither yes nor no")
    if not status["loggedIn"]:
        return Login(False, "not logged in")
    how = _word(status.get("apiKeySource")) or _word(status.get("authMethod"))
    return Login(True, f"logged in ({how}); a provider was not asked" if how else "logged in")


def of_codex(command: Sequence[str], request: Request, clock: Clock) -> Login:
    """A key, or what ``codex login status`` says, which does not know of keys of providers in config.toml."""
    if request.environment.get("CODEX_API_KEY"):
        return Login(True, "CODEX_API_KEY is given")
    said = _ask([*command, "login", "status"], request, clock)
    if said is None:
        return Login(None, f"unknown: codex login status did not end within {LIMIT:g} s")
    if re.search(r"not logged in", said, re.IGNORECASE):
        folder = request.environment.get("CODEX_HOME") or str(Path(request.environment.get("HOME", "/")) / ".codex")
        if _mentions(Path(folder) / "config.toml", "model_provider"):
            return Login(None, f"not logged in at OpenAI; {folder}/config.toml names a provider of its own")
        return Login(False, "not logged in")
    if re.search(r"logged in|API key configured", said, re.IGNORECASE):
        return Login(True, "a login is stored; a provider was not asked")
    return Login(None, "unknown: codex login status says neither yes nor no")


def of_gemini(request: Request) -> Login:
    """A key in the environment, or the file of a login. Gemini CLI has no command that tells."""
    environment = request.environment
    given = next((name for name in GEMINI_KEYS if environment.get(name)), None)
    if given is not None:
        return Login(True, f"{given} is given")
    file = Path(environment.get("GEMINI_CLI_HOME") or environment.get("HOME", "/")) / ".gemini" / "oauth_creds.json"
    if file.is_file():
        return Login(True, "a login is stored; a provider was not asked")
    return Login(None, f"unproven: no key in the environment and no {file}")


def _word(value: Any) -> str:
    """``value`` if it is a short word that may be shown."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w .-]{1,40}", value, re.ASCII) else ""


def _mentions(file: Path, word: str) -> bool:
    try:
        return word.encode() in fsio.read_regular(file, _LARGEST, follow=True)
    except (OSError, ValueError):
        return False


def _injected(environment: Mapping[str, str]) -> list[str]:
    """The providers that have a key in OPENCODE_CONFIG_CONTENT."""
    try:
        providers = json.loads(environment.get("OPENCODE_CONFIG_CONTENT") or "{}")["provider"]
        return [name for name, value in providers.items() if value["options"].get("apiKey")]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []


def _ask(argv: Sequence[str], request: Request, clock: Clock) -> str | None:
    """What a command prints, stderr where it prints nothing else; None when it does not end in time."""
    command = _Command(argv)
    limits = Limits(LIMIT, LIMIT, LIMIT, grace_s=1.0)
    try:
        with AgentRun(command, replace(request, limits=limits), clock=clock) as run:
            run.spawn()
            run.go()
            end = run.wait().exit
    except CannotStart:
        return ""
    if end.stopped is not None:
        return None
    return _ANSI.sub("", "\n".join(command.lines) or end.stderr_tail)


class _Command:
    """An adapter and its reader at once: runs a command and keeps its lines."""

    finished = False

    def __init__(self, argv: Sequence[str]):
        self._argv = argv
        self.lines: list[str] = []

    def launch(self, request: Request) -> Launch:
        return Launch(self._argv, request.environment, speaks_first=False)

    def reader(self, request: Request) -> _Command:
        return self

    def feed(self, line: str) -> list[AgentEvent]:
        if len(self.lines) < _LINES:
            self.lines.append(line)
        return []

    def verdict(self, end: Exit) -> Verdict:
        return Verdict(exit_failure(end))


def _json(said: str, first: str, last: str) -> Any:
    """The JSON value from the first ``first`` to the last ``last``; None when there is none."""
    try:
        return json.loads(said[said.index(first) : said.rindex(last) + 1])
    except (ValueError, RecursionError):
        return None


def _masked(account: str) -> str:
    """`` as k***@example.com``; nothing for no account."""
    name, at, domain = account.strip().partition("@")
    return f" as {name[:1]}***{at}{domain}" if name else ""
