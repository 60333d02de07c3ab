"""Puts this folder on the path: tests import their tools as ``support.<module>``."""

from __future__ import annotations

import signal

from hypothesis import settings

# A shell that runs the tests in the background (``make test &`` in a script) has SIGINT ignored, and every process
# below inherits that: tests of Ctrl-C would wait for ever. A handler, unlike SIG_IGN, is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A deadline for one example is an assertion about time, which a busy machine fails.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
