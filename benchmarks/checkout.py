"""The list of a checkout's files, as a grant of a synced folder has it, beside `git status` of the same checkout.

The checkout has 10,000 files of 1 KiB in 500 folders, a tenth of them untracked. *Warm* means that the digests are
remembered from the run before. Wall seconds of one call, in a process that runs already; the best of five.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure
from wf_cli.synced.barrier import Checkout
from wf_cli.synced.hashes import SETTLED_S
from wf_cli.synced.trees import Tree

FILES, FOLDERS, ROUNDS = 10_000, 500, 5


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        root, memory = Path(folder) / "checkout", Path(folder) / "memory.json"
        _fill(root)
        time.sleep(SETTLED_S + 0.5)
        status = f"git status: {_best(lambda: _git(root, 'status', '--porcelain')):.2f} s"
        cold = time.perf_counter()
        tree = Checkout(root, memory).whole()
        yield Figure(f"listing {FILES:,} files, cold", f"{time.perf_counter() - cold:.2f} s", status)
        yield Figure(
            f"listing {FILES:,} files, warm", f"{_best(lambda: Checkout(root, memory).whole()):.2f} s", status
        )
        compare = _best(lambda: _assert_closed(root, memory, tree))
        yield Figure(f"a barrier of {FILES:,} files, warm", f"{compare:.2f} s", status)
        size = len(tree.encode())
        yield Figure("the list as a file", f"{size / 1e6:.1f} MB", f"encoding it: {_best(tree.encode):.2f} s")


def _assert_closed(root: Path, memory: Path, tree: Tree) -> None:
    assert Checkout(root, memory).compare(tree).closed


def _fill(root: Path) -> None:
    for n in range(FILES):
        path = root / f"folder-{n % FOLDERS}" / ("new" if n % 10 == 0 else "old") / f"file-{n}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{n:06d} " * 146)
    _git(root, "init", "-q")
    _git(root, "add", "*/old/*")


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def _best(what: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        what()
        best = min(best, time.perf_counter() - begin)
    return best
