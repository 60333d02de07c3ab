"""A small terminal for tests: what a program wrote becomes the lines that a person would see."""

from __future__ import annotations

import re
import unicodedata

_PART = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|\x1b([78D])|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """``lines`` as they stand after `feed`, also those that scrolled out. ``cursor``: whether it shows.

    Without a size nothing wraps and nothing scrolls. ``wrapped`` counts the lines that went on in the next one.
    """

    def __init__(self, columns: int | None = None, rows: int | None = None) -> None:
        #: A wide character has a NUL after it, so that an index is a column.
        self.lines = [""]
        self.cursor = True
        #: Whether a line that is too long goes on in the next one. Otherwise its end overwrites the last column.
        self.wraps = True
        self.wrapped = 0
        self._columns, self._rows = columns, rows
        self._row = self._column = self._top = 0
        self._saved = (0, 0)

    def feed(self, text: str) -> None:
        at = 0
        for part in _PART.finditer(text):
            assert part.start() == at, f"a terminal would not know {text[at : part.start()]!r}"
            at = part.end()
            argument, letter, short, control, plain = part.groups()
            if control == "\r":
                self._column = 0
            elif control == "\n":
                self._down()
                self._column = 0
            elif short == "D":
                self._down()
            elif short == "7":
                self._saved = (self._row - self._top, self._column)
            elif short == "8":
                self._row, self._column = self._saved[0] + self._top, self._saved[1]
            elif plain is not None:
                for char in plain:
                    self._put(char)
            else:
                self._sequence(argument, letter)
        assert at == len(text), f"a terminal would not know {text[at:]!r}"

    def _sequence(self, argument: str, letter: str) -> None:
        if letter == "A":
            self._row = self._row - int(argument or 1)
            assert self._row >= self._top, "the cursor went above the first line"
        elif (argument, letter) in (("", "K"), ("", "J")):
            self.lines[self._row] = self.lines[self._row][: self._column]
            if letter == "J":
                self.lines[self._row + 1 :] = [""] * (len(self.lines) - self._row - 1)
        elif (argument, letter) == ("2", "K"):
            self.lines[self._row] = ""
        elif argument in ("?25", "?7") and letter in "lh":
            setattr(self, "cursor" if argument == "?25" else "wraps", letter == "h")
        else:
            assert letter == "m", f"a sequence that this terminal does not know: {letter!r} {argument!r}"

    def _down(self) -> None:
        self._row += 1
        self.lines += [""] * (self._row + 1 - len(self.lines))
        if self._rows is not None:
            self._top = max(self._top, self._row - self._rows + 1)

    def _put(self, char: str) -> None:
        size = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if self._columns is not None and self._column + size > self._columns:
            if self.wraps:
                self.wrapped += 1
                self._down()
                self._column = 0
            else:
                self._column = self._columns - size
        old = self.lines[self._row].ljust(self._column)
        cell = char + "\0" * (size - 1)
        self.lines[self._row] = old[: self._column] + cell + old[self._column + size :]
        self._column += size

    @property
    def shown(self) -> list[str]:
        """The lines without empty ones at the end."""
        return "\n".join(line.replace("\0", "").rstrip() for line in self.lines).rstrip("\n").split("\n")
