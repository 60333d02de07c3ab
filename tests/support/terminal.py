"""A small terminal for tests: what a program wrote becomes the lines that a person would see."""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """``lines`` as they stand after `feed`; nothing wraps and nothing scrolls. ``cursor``: whether it shows."""

    def __init__(self) -> None:
        self.lines = [""]
        self.cursor = True
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        at = 0
        for part in _PART.finditer(text):
            assert part.start() == at, f"a terminal would not know {text[at : part.start()]!r}"
            at = part.end()
            argument, letter, control, plain = part.groups()
            if control == "\r":
                self._column = 0
            elif control == "\n":
                self._row, self._column = self._row + 1, 0
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif plain is not None:
                old = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = old[: self._column] + plain + old[self._column + len(plain) :]
                self._column += len(plain)
            elif letter == "A":
                self._row -= int(argument or 1)
                assert self._row >= 0, "the cursor went above the first line"
            elif (argument, letter) == ("2", "K"):
                self.lines[self._row] = ""
            elif (argument, letter) in (("?25", "l"), ("?25", "h")):
                self.cursor = letter == "h"
            else:
                assert letter == "m", f"a sequence that this terminal does not know: {part[0]!r}"
        assert at == len(text), f"a terminal would not know {text[at:]!r}"

    @property
    def shown(self) -> list[str]:
        """The lines without empty ones at the end."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n").split("\n")
