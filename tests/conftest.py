"""Puts this folder on the path: tests import their tools as ``support.<module>``."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile

from hypothesis import settings

# A shell that runs the tests in the background (``make test &`` in a script) has SIGINT and SIGQUIT ignored, and
# nohup ignores SIGHUP. Every process below inherits that: tests of Ctrl-C would wait for ever. A handler, unlike
# SIG_IGN, is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)

# A deadline for one example is an assertion about time, which a busy machine fails.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

#: Bytes that have to be free in memory for the folders of the tests.
_ENOUGH = 2 << 30


def _memory() -> str | None:
    """A folder in memory that programs can be started from, where there is one."""
    try:
        facts = os.statvfs("/dev/shm")
    except OSError:
        return None
    usable = os.access("/dev/shm", os.W_OK) and not facts.f_flag & os.ST_NOEXEC
    return "/dev/shm" if usable and facts.f_bavail * facts.f_frsize >= _ENOUGH else None


# Thousands of tests sync each step of a spool, and on a disk that is most of their time. The calls and their order
# are the same in memory, and no test is about what a disk does with them. ``TMPDIR=/tmp make test`` runs on a disk.
if "TMPDIR" not in os.environ and (_found := _memory()) is not None:
    os.environ["TMPDIR"] = _found
    tempfile.tempdir = None

# What a configuration means is kept in the user's cache. Tests keep theirs in a folder of their own.
if "WF_TEST_CACHE" not in os.environ:
    os.environ["WF_TEST_CACHE"] = tempfile.mkdtemp(prefix="wf-test-cache-")
    atexit.register(shutil.rmtree, os.environ["WF_TEST_CACHE"], ignore_errors=True)
os.environ["XDG_CACHE_HOME"] = os.environ["WF_TEST_CACHE"]
