"""System calls that fail, or do their work and say that they failed (docs/explanation/file-systems.md)."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from support.stand_ins import stand_in


class Fault:
    """The ``n``-th call of ``os.<call>`` answers with ``code``; performed before that when ``lying``."""

    def __init__(self, call: str, code: int, n: int, *, lying: bool):
        self.call, self.code, self.lying = call, code, lying
        self._left = n
        self.hit = False

    def wrap(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            if self.call == "open" and not args[1] & os.O_CREAT:
                return real(*args, **options)
            self._left -= 1
            if self._left != 0:
                return real(*args, **options)
            self.hit = True
            if self.lying:
                real(*args, **options)
            if isinstance(args[0], int):  # a descriptor: the system knows no name
                raise OSError(self.code, os.strerror(self.code))
            raise OSError(self.code, os.strerror(self.code), os.fspath(args[0]))

        return wrapped


@contextmanager
def fault(call: str, code: int, n: int, *, lying: bool = False) -> Iterator[Fault]:
    """A `Fault` for the block."""
    real = getattr(os, call)
    made = Fault(call, code, n, lying=lying)
    setattr(os, call, stand_in(call, made.wrap(real)))
    try:
        yield made
    finally:
        setattr(os, call, real)


def counts(calls: Iterable[str], function: Callable[[], object]) -> dict[str, int]:
    """How often ``function`` makes each of these calls of ``os`` (of ``open``: to create something), in one run."""
    with ExitStack() as stack:
        probes = {call: stack.enter_context(fault(call, errno.EIO, 10**9)) for call in calls}
        function()
    return {call: 10**9 - probe._left for call, probe in probes.items()}


def count(call: str, function: Callable[[], object]) -> int:
    """How often ``function`` calls ``os.<call>``."""
    return counts([call], function)[call]
