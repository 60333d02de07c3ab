"""The pages that are made from the program are those of this program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_no_page_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "site_tools" / "reference.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
