"""A mutation score from a random sample of mutants: ``make mutants``.

mutmut makes the mutants and records which test calls which function. This program then draws mutants in an order
that the seed fixes, and runs the tests of each in a process of its own, quickest first, until one fails. The first N
of that order are the sample, so a longer run contains every shorter one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

MADE = Path("mutants")
#: Seconds for the tests of one mutant. A mutant that hangs them counts as killed, as it does for mutmut.
LIMIT_S = 300
SEED = 20261126


def prepare() -> None:
    """Make the mutants and look which tests call which function, where that is not done yet."""
    from mutmut import __main__ as mutmut
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test("mutant_generation")
    MADE.mkdir(exist_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(1)
    mutmut.collect_or_load_stats(mutmut.get_mutant_runner(1))


def drawn(count: int) -> list[str]:
    names = [
        name
        for file in sorted(MADE.glob("src/wf_cli/**/*.meta"))
        for name in json.loads(file.read_text())["exit_code_by_key"]
    ]
    random.Random(SEED).shuffle(names)
    print(f"{len(names)} mutants, {count} of them drawn", flush=True)
    return names[:count]


def tests_of(mutant: str, stats: dict[str, dict[str, object]]) -> list[str]:
    """The test functions that call the mutated function, quickest first."""
    seconds: Counter[str] = Counter()
    for case in stats["tests_by_mangled_function_name"].get(mutant.rpartition("__mutmut_")[0], []):  # type: ignore[attr-defined]
        seconds[case.partition("[")[0]] += stats["duration_by_test"].get(case, 0)  # type: ignore[assignment]
    return sorted(seconds, key=lambda test: (seconds[test], test))


def outcome(mutant: str, tests: list[str]) -> str:
    """``killed`` or ``survived``; ``no tests`` when none calls the function."""
    if not tests:
        return "no tests"
    environment = os.environ | {"MUTANT_UNDER_TEST": mutant, "PYTHONPATH": str((MADE / "src").resolve())}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=MADE, env=environment, capture_output=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return "killed"
    if done.returncode not in (0, 1, 2):  # 2: the mutant does not even let the tests be collected.
        sys.exit(f"{mutant}: pytest ended with {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}")
    return "killed" if done.returncode else "survived"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="how many mutants are tried")
    parser.add_argument("mutants", nargs="*", help="these instead of a sample")
    wanted = parser.parse_args()
    prepare()
    stats = json.loads((MADE / "mutmut-stats.json").read_text())
    mutants = wanted.mutants or drawn(wanted.count)
    every = sorted({case.partition("[")[0] for case in stats["duration_by_test"]})
    if outcome("none", every) != "survived":
        sys.exit("the tests fail without a mutant")
    score: dict[str, Counter[str]] = {}
    for n, mutant in enumerate(mutants, 1):
        began = time.monotonic()
        is_so = outcome(mutant, tests_of(mutant, stats))
        score.setdefault(mutant.split(".")[1], Counter())[is_so] += 1
        print(f"{n:4} {is_so:9} {time.monotonic() - began:6.1f} s  {mutant}", flush=True)
    for package, counts in sorted(score.items()):
        print(f"{package:10} {counts['killed']:4} of {counts.total():4} killed, {dict(counts)}")
    killed, total = sum(c["killed"] for c in score.values()), sum(c.total() for c in score.values())
    print(f"{'all':10} {killed:4} of {total:4} killed: {100 * killed / total:.0f} %")


if __name__ == "__main__":
    main()
