"""A soak (`support.soak`): ``make soak MINUTES=30``, and a slice of two minutes in ``.ci/run``.

``WF_SOAK_MINUTES`` and ``WF_SOAK_SEED`` are other values. The seed decides what is done, and not when it happens.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.box import Box
from support.soak import PROMISES, Soak, told

MINUTES = float(os.environ.get("WF_SOAK_MINUTES") or 2)
SEED = int(os.environ.get("WF_SOAK_SEED") or random.SystemRandom().randrange(10**6))

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Box]:
    """A project whose processes end with the test, also after Ctrl-C."""
    box = Box(tmp_path)
    try:
        box.ok("init")
        box.ok("set-model", "gpt-5.2")
        yield box
    finally:
        box.close()


def test_no_promise_is_broken(project: Box) -> None:
    print(f"\nsoak of {MINUTES:g} minutes, WF_SOAK_SEED={SEED}", flush=True)
    soak = Soak(project, SEED, say=lambda line: print(line, flush=True))
    began = time.monotonic()
    soak.run(MINUTES)
    seconds = time.monotonic() - began
    soak.settle()
    figures = soak.figures()
    print(told(figures, seconds), flush=True)
    broken = {name: figures[name] for name in PROMISES if figures[name]}
    if broken:
        kept = Path(os.environ.get("WF_SOAK_KEEP") or Path.cwd() / ".cache" / "soak")
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(project.root.parent, kept, symlinks=True)
        (kept / "figures.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
        pytest.fail(f"seed {SEED} broke {', '.join(broken)}; spool, evidence and logs are in {kept}")
    kills = sum(figures["kills"].values())
    again = len(figures["finished_again"]) - len(figures["finished_again_with_launcher_killed"])
    assert again <= max(1, kills // 1000), f"{again} finished agents ran again although their launchers lived"
