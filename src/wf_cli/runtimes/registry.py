"""Adapters by name."""

from __future__ import annotations

from collections.abc import Callable

from wf_cli.config.model import Config, Runtime
from wf_cli.contract import nearest
from wf_cli.errors import ConfigError
from wf_cli.runtimes.acp.adapter import AcpAdapter
from wf_cli.runtimes.base import Adapter, RuntimeSettings
from wf_cli.runtimes.command import CommandAdapter
from wf_cli.runtimes.cursor.adapter import CursorAdapter
from wf_cli.runtimes.opencode.adapter import OpencodeAdapter
from wf_cli.runtimes.permissions import Permissions
from wf_cli.runtimes.presets.claude import ClaudeAdapter
from wf_cli.runtimes.presets.codex import CodexAdapter
from wf_cli.runtimes.presets.gemini import GeminiAdapter
from wf_cli.runtimes.scripted.adapter import ScriptedAdapter

#: The values of ``runtimes.<name>.adapter``.
ADAPTERS: dict[str, Callable[[RuntimeSettings], Adapter]] = {
    "acp": AcpAdapter,
    "claude": ClaudeAdapter,
    "codex": CodexAdapter,
    "command": CommandAdapter,
    "cursor": CursorAdapter,
    "gemini": GeminiAdapter,
    "opencode": OpencodeAdapter,
    "scripted": ScriptedAdapter,
}


def settings_of(config: Config, runtime: Runtime) -> RuntimeSettings:
    """The settings of an adapter: one entry of ``runtimes:``, completed by what wf.config says for all of them."""
    permissions = runtime.permissions or config.permissions
    return RuntimeSettings(
        name=runtime.name,
        adapter=runtime.adapter,
        command=tuple(runtime.command),
        argv=tuple(runtime.argv),
        options=runtime.options,
        output=runtime.output,
        protocol=runtime.protocol or "auto",
        permissions=Permissions(permissions.default, permissions.allow, permissions.deny),
    )


def make(settings: RuntimeSettings) -> Adapter:
    """The adapter of one ``runtimes:`` entry; ConfigError, naming the key path, when it is not usable."""
    adapter = ADAPTERS.get(settings.adapter)
    if adapter is None:
        path = f"runtimes.{settings.name}.adapter"
        near = nearest.names(settings.adapter, ADAPTERS, most=1)
        known = f"known adapters: {', '.join(ADAPTERS)}"
        raise ConfigError(
            f"{path}: there is no adapter {settings.adapter!r}",
            hint=f"did you mean {near[0]}? {known}" if near else known,
            path=path,
        )
    return adapter(settings)
