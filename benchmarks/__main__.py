"""`python -m benchmarks [--write FILE] [NAME ...]`: run some or all, print the figures, write them as a page."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import (
    agents,
    backlog,
    checkout,
    crash,
    growth,
    idle,
    large,
    latency,
    million,
    mounts,
    startup,
    transitions,
)
from benchmarks.figures import Figure

ALL = {
    "transitions": transitions,
    "backlog": backlog,
    "latency": latency,
    "crash": crash,
    "idle": idle,
    "agents": agents,
    "startup": startup,
    "large": large,
    "checkout": checkout,
}
#: What needs more than this project: run when named.
NAMED = {"mounts": mounts, "million": million, "growth": growth}


def main() -> None:
    """Run the benchmarks named on the command line, or all of them."""
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*ALL, *NAMED]))
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as a page of the documentation")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ALL | NAMED]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are: {', '.join([*ALL, *NAMED])}")
    found: dict[str, list[Figure]] = {}
    for name in options.names or ALL:
        print(f"\n{name}: {_about(name)[0]}")
        for figure in (ALL | NAMED)[name].run():
            found.setdefault(name, []).append(Figure(*figure))
            print(f"  {figure[0]:<58} {figure[1]}", flush=True)
            for line in found[name][-1].beside.split("; "):
                if line:
                    print(f"  {'':<58}   {line}", flush=True)
        if options.write is not None:  # after each, because a whole run takes long
            options.write.write_text(_page(found), encoding="utf-8")


def _about(name: str) -> tuple[str, str]:
    """The first line of the benchmark's description, and the rest."""
    first, _, rest = ((ALL | NAMED)[name].__doc__ or "").strip().partition("\n")
    return first, rest.strip()


def _page(found: dict[str, list[Figure]]) -> str:
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    lines = [
        "# Performance",
        "",
        "Made by `make bench`; do not edit. Figures of different machines, and of different runs of one machine,",
        "cannot be compared. So each figure stands beside a floor or a baseline that took turns with it in the same",
        "run, and the ratio of the two counts.",
        "",
        f"{system}, {time.strftime('%Y-%m-%d')}, load {os.getloadavg()[0]:.1f} at its end.",
    ]
    for name, figures in found.items():
        first, rest = _about(name)
        lines += ["", f"## {first.rstrip('.:')}", ""]
        lines += [rest, ""] if rest else []
        lines += ["| what | figure | beside it |", "| --- | --- | --- |"]
        lines += [f"| {f.what} | {f.value} | {f.beside.replace('; ', '<br>')} |" for f in figures]
    return "\n".join(lines) + "\n"


main()
