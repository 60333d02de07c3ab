"""Named points between the steps of a transition, where tests stop, delay or kill a process.

Only tests set a hook; no command, variable or option does. Without a hook a step costs one comparison.
"""

from __future__ import annotations

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def step(name: str) -> None:
    """The process has reached the point ``name`` (``<transition>.<what was just done>``)."""
    if _hook is not None:
        _hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Call ``hook`` at every step from now on; ``None`` removes it. For tests."""
    global _hook
    _hook = hook
