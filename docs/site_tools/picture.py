"""Record a program on a pseudo terminal as an SVG that plays by itself: ``picture.py FILE.svg PROGRAM ARGUMENT...``.

The picture has the same size whatever the program prints. It needs no script, no font and nothing else from outside,
so it can be shown by any viewer of the repository. A viewer that plays no animations, or whose reader asked for none,
shows the last frame. ``make picture`` makes the one of README.
"""

from __future__ import annotations

import codecs
import fcntl
import html
import os
import pty
import re
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS, ROWS = 110, 30
#: Seconds: the least between two frames, and how long the last one stays.
STEP, HOLD = 0.8, 6.0
#: The most frames, so that the file stays small.
MOST = 40

_FONT, _WIDTH, _HEIGHT, _EDGE, _BAR = 13, 7.8, 18, 16, 30
_PARTIAL = re.compile(r"\x1b(?:\[[?0-9;]*)?\Z")
_COLOURS = (("$ ", "#a6e3a1"), ("--- ", "#f9e2af"), ("epic ", "#89b4fa"))


@dataclass(frozen=True)
class Frame:
    """What the screen showed from a time on, in seconds."""

    at: float
    lines: tuple[str, ...]


def record(argv: Sequence[str]) -> tuple[list[Frame], int]:
    """Run a program on a terminal of `COLUMNS` and `ROWS`; what it showed, and its exit code."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from support.terminal import Terminal

    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS), LINES=str(ROWS), NO_COLOR="1")
        try:
            os.execvp(argv[0], argv)
        finally:
            os._exit(127)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    screen, frames, held = Terminal(), list[Frame](), ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    begin = time.monotonic()
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says EIO when the last process has closed its side.
            data = b""
        text = held + decoder.decode(data, final=not data)
        partial = _PARTIAL.search(text)  # A sequence may be cut anywhere; its rest comes with the next read.
        held = partial[0] if partial is not None else ""
        screen.feed(text.removesuffix(held))
        frames.append(Frame(time.monotonic() - begin, wrapped(screen.shown)[-ROWS:]))
        if not data:
            break
    os.close(terminal)
    return frames, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wrapped(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines as a terminal wraps them, which `Terminal` does not do."""
    return tuple(line[at : at + COLUMNS] for line in lines for at in range(0, max(1, len(line)), COLUMNS))


def chosen(frames: Sequence[Frame]) -> list[Frame]:
    """The frames that are drawn: none that shows nothing new, few enough, and always the last one."""
    kept: list[Frame] = []
    for frame in frames:
        if kept and frame.lines == kept[-1].lines:
            continue
        if kept and frame.at - kept[-1].at < STEP:
            kept[-1] = Frame(kept[-1].at, frame.lines)
        else:
            kept.append(frame)
    if len(kept) > MOST:
        kept = [kept[round(n * (len(kept) - 1) / (MOST - 1))] for n in range(MOST)]
    return kept


def svg(frames: Sequence[Frame], title: str) -> str:
    """The picture. ``frames`` must not be empty."""
    width = round(COLUMNS * _WIDTH) + 2 * _EDGE
    height = ROWS * _HEIGHT + _BAR + _EDGE
    end = frames[-1].at + HOLD
    rules, groups = [], []
    for number, frame in enumerate(frames):
        begins = 0.0 if number == 0 else frame.at / end * 100
        ends = frames[number + 1].at / end * 100 if number + 1 < len(frames) else 100.0
        hidden = "" if number == 0 else "0%{visibility:hidden}"
        after = "" if number + 1 == len(frames) else f"{ends:.2f}%{{visibility:hidden}}"
        rules.append(f"@keyframes f{number}{{{hidden}{begins:.2f}%{{visibility:visible}}{after}}}")
        rules.append(f"#f{number}{{animation:f{number} {end:.2f}s step-end infinite}}")
        last = ' class="last"' if number + 1 == len(frames) else ""
        groups.append(f'<g id="f{number}"{last}>\n{_drawn(frame)}</g>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-labelledby="title">',
            f'<title id="title">{html.escape(title)}</title>',
            "<style>",
            f"text{{font:{_FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
            "white-space:pre;fill:#cdd6f4}",
            "g{visibility:hidden}.last{visibility:visible}",
            "@media (prefers-reduced-motion:no-preference){",
            *rules,
            "}",
            "</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#1e1e2e"/>',
            *(
                f'<circle cx="{_EDGE + 4 + 18 * number}" cy="15" r="5" fill="{colour}"/>'
                for number, colour in enumerate(("#f38ba8", "#f9e2af", "#a6e3a1"))
            ),
            *groups,
            "</svg>\n",
        ]
    )


def _drawn(frame: Frame) -> str:
    """One text for each line. Its length is given, because the viewer's font may be wider than this one."""
    drawn = []
    for row, line in enumerate(frame.lines):
        text = line.rstrip()
        if not text:
            continue
        colour = next((f' style="fill:{colour}"' for begin, colour in _COLOURS if text.startswith(begin)), "")
        indent = len(text) - len(text.lstrip())
        x, y = _EDGE + indent * _WIDTH, _BAR + (row + 1) * _HEIGHT - 5
        length = (len(text) - indent) * _WIDTH
        drawn.append(
            f'<text xml:space="preserve" x="{x:.1f}" y="{y}" textLength="{length:.1f}" '
            f'lengthAdjust="spacingAndGlyphs"{colour}>{html.escape(text.lstrip())}</text>\n'
        )
    return "".join(drawn)


def main(words: Sequence[str]) -> int:
    """Record, and write the file. A program that fails leaves no picture."""
    path, *argv = words
    frames, code = record(argv)
    if code != 0:
        print("\n".join(frames[-1].lines), file=sys.stderr)
        print(f"{argv[0]} ended with {code}: no picture was written", file=sys.stderr)
        return 1
    Path(path).write_text(svg(chosen(frames), " ".join(argv)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
