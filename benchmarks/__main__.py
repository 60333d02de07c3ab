"""`python -m benchmarks`: run some or all, print one table."""

from __future__ import annotations

import sys

from benchmarks import idle, latency, startup, throughput

ALL = {"startup": startup, "latency": latency, "throughput": throughput, "idle": idle}


def main() -> None:
    """Run the benchmarks named on the command line, or all of them."""
    wanted = sys.argv[1:] or list(ALL)
    unknown = [name for name in wanted if name not in ALL]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are: {', '.join(ALL)}")
    for name in wanted:
        print(f"\n{name}: {(ALL[name].__doc__ or '').splitlines()[0]}")
        for label, value in ALL[name].run():
            print(f"  {label:<58} {value}", flush=True)


main()
