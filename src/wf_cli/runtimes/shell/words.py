"""Splits a line of shell into simple commands, the way a POSIX shell and bash do, without expanding anything.

Commands inside of ``$(...)``, backticks, ``<(...)``, subshells, groups and loops are commands like all others. What
is quoted is unquoted, so that ``g"i"t 'push'`` reads ``git push``. Nothing is looked up: an expansion stays as it is
written, and `Word.fixed` is false then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wf_cli.frozen import frozen

#: Characters of a line, and levels of nesting; what is beyond is not read.
LENGTH, DEPTH = 50_000, 40
_ENDS = " \t\n;&|<>()"
_REDIRECTION = re.compile(r"&>>?|<<<|<<-?|<&|<>|<|>>|>&|>\||>")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
#: What bash makes several words of: {git,push} and {1..9}.
_BRACES = re.compile(r"\{[^\s{}]*(?:,|\.\.)[^\s}]*\}")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}


@frozen
class Word:
    """A word without its quotes."""

    text: str
    #: False when the shell would put something else in its place: a variable, a substitution, a pattern, braces.
    fixed: bool = True
    #: A redirection with its target, which is no argument.
    redirection: bool = False


@dataclass(slots=True)
class Simple:
    """One simple command."""

    words: list[Word]
    #: The texts of its heredocs and here-strings, which a shell would read as a script.
    bodies: list[str] = field(default_factory=list)
    #: The command whose output it reads.
    piped_from: Simple | None = None


class Script:
    """Reads a whole text at once: ``commands`` in their order, and whether all of it could be read."""

    def __init__(self, text: str, depth: int = 0):
        self.commands: list[Simple] = []
        self.complete = len(text) <= LENGTH and depth <= DEPTH
        self._text = text.replace("\\\n", "")[:LENGTH]
        self._at = 0
        self._depth = depth
        #: Heredocs whose text has not come: the command, the last line, whether it is quoted, whether tabs go.
        self._heredocs: list[tuple[Simple, str, bool, bool]] = []
        #: Where ``$((`` was tried and is none. Without it, nested ones would be tried again at each level.
        self._no_arithmetic: set[int] = set()
        if self.complete:
            self._list("")
            self.complete = self.complete and not self._heredocs

    # -- commands

    def _list(self, end: str) -> None:
        """Commands up to ``end``, which is a closing parenthesis or the end of the text."""
        self._depth += 1
        if self._depth > DEPTH:
            self.complete, self._at = False, len(self._text)
        before: Simple | None = None
        now = Simple([])
        while True:
            char = self._skip_blanks()
            if char == "" or char in ")\n;|(" or (char == "&" and not self._next("&>")):
                if now.words:
                    now.piped_from, before = before, now
                    self.commands.append(now)
                before = before if char == "|" and not self._next("||") else None
                now = Simple([])
                self._at += 1
                if char == "":
                    self.complete = self.complete and not end
                    break
                if char == ")" and end:
                    break
                if char == "|" and (self._next("|") or self._next("&")):
                    self._at += 1
                elif char == "(":
                    self._list(")")
                elif char == "\n":
                    self._read_heredocs()
            elif char == "#":
                found = self._text.find("\n", self._at)
                self._at = len(self._text) if found < 0 else found
            elif not self._redirection(now):
                word = self._word()
                if self._text[self._at : self._at + 1] in ("<", ">") and word.text.isdigit():
                    continue  # The number of a descriptor.
                now.words.append(word)
        self._depth -= 1

    def _skip_blanks(self) -> str:
        while self._text[self._at : self._at + 1] in (" ", "\t", "\r"):
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _next(self, what: str) -> bool:
        return self._text.startswith(what, self._at)

    def _redirection(self, command: Simple) -> bool:
        """Take a redirection with its target; False when there is none."""
        found = _REDIRECTION.match(self._text, self._at)
        if found is None or self._next("<(") or self._next(">("):
            return False
        self._at = found.end()
        self._skip_blanks()
        begin = self._at
        target = self._word()
        command.words.append(Word(f"{found[0]} {target.text}", target.fixed, redirection=True))
        if found[0] == "<<<":
            command.bodies.append(target.text)
        elif found[0].startswith("<<"):
            quoted = self._text[begin : self._at] != target.text
            self._heredocs.append((command, target.text, quoted, found[0] == "<<-"))
        return True

    def _read_heredocs(self) -> None:
        for command, last, quoted, tabs in self._heredocs:
            lines = []
            while True:
                if self._at >= len(self._text):
                    self.complete = False
                    break
                end = self._text.find("\n", self._at)
                end = len(self._text) if end < 0 else end
                line, self._at = self._text[self._at : end], end + 1
                if (line.lstrip("\t") if tabs else line) == last:
                    break
                lines.append(line)
            body = "\n".join(lines)
            command.bodies.append(body)
            if not quoted:
                self._inside(body)
        self._heredocs = []

    def _inside(self, text: str) -> None:
        """The substitutions of a text that a shell expands."""
        inner = Script("", self._depth)
        inner._text, inner._at = text, 0
        inner._quoted("")
        self._take(inner)

    def _take(self, inner: Script) -> None:
        self.commands += inner.commands
        self.complete = self.complete and inner.complete

    # -- words

    def _word(self) -> Word:
        out: list[str] = []
        fixed = True
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "<>" and self._text[self._at + 1 : self._at + 2] == "(" and not out:
                begin, self._at = self._at, self._at + 2
                self._list(")")
                out.append(self._text[begin : self._at])
                fixed = False
                continue
            if char in _ENDS:
                break
            if char == "'":
                out.append(self._until("'"))
            elif char == '"':
                self._at += 1
                said, plain = self._quoted('"')
                out.append(said)
                fixed = fixed and plain
            elif char == "\\":
                out.append(self._text[self._at + 1 : self._at + 2])
                self._at += 2
            elif char in "$`":
                said, plain = self._expansion()
                out.append(said)
                fixed = fixed and plain
            else:
                fixed = fixed and char not in "*?[" and not (char == "{" and _BRACES.match(self._text, self._at))
                out.append(char)
                self._at += 1
        said = "".join(out)
        return Word(said, fixed or said in ("[", "[["))

    def _until(self, quote: str) -> str:
        """What stands between two quotes in which nothing else counts."""
        end = self._text.find(quote, self._at + 1)
        if end < 0:
            self.complete, end = False, len(self._text)
        said, self._at = self._text[self._at + 1 : end], end + 1
        return said

    def _quoted(self, end: str) -> tuple[str, bool]:
        """The rest of a double-quoted text, up to ``end``; whether nothing in it is expanded."""
        out: list[str] = []
        fixed = True
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == end:
                self._at += 1
                return "".join(out), fixed
            if char == "\\":
                escaped = self._text[self._at + 1 : self._at + 2]
                out.append(escaped if escaped in '$`"\\' else char + escaped)
                self._at += 2
            elif char in "$`":
                said, plain = self._expansion()
                out.append(said)
                fixed = fixed and plain
            else:
                out.append(char)
                self._at += 1
        self.complete = self.complete and not end
        return "".join(out), fixed

    def _expansion(self) -> tuple[str, bool]:
        """What begins with ``$`` or a backtick, as it is written, and whether it stands for itself."""
        self._depth += 1
        try:
            if self._depth > DEPTH:
                self.complete, self._at = False, len(self._text)
                return "", False
            return self._expanded()
        finally:
            self._depth -= 1

    def _expanded(self) -> tuple[str, bool]:
        begin = self._at
        if self._text[begin] == "`":
            script = re.sub(r"\\([`$\\])", r"\1", self._until_backtick())
            self._take(Script(script, self._depth + 1))
        elif self._next("$'"):
            return self._ansi(), True
        elif self._next('$"'):
            self._at += 2
            return self._quoted('"')
        elif self._next("$((") and self._arithmetic():
            pass
        elif self._next("$("):
            self._at = begin + 2
            self._list(")")
        elif self._next("${"):
            self._at += 2
            self._quoted("}")
        else:
            name = _NAME.match(self._text, begin + 1)
            self._at = begin + 1 if name is None else name.end()
            return self._text[begin : self._at], name is None
        return self._text[begin : self._at], False

    def _until_backtick(self) -> str:
        found = re.compile(r"(?:[^`\\]|\\.)*", re.DOTALL).match(self._text, self._at + 1)
        assert found is not None
        self.complete = self.complete and self._text[found.end() : found.end() + 1] == "`"
        self._at = found.end() + 1
        return found[0]

    def _arithmetic(self) -> bool:
        """Take ``$((...))``; False, and nothing taken, when it is a substitution that begins with a subshell."""
        begin, known, complete = self._at, len(self.commands), self.complete
        if begin in self._no_arithmetic:
            return False
        self._at += 3
        level = 2
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in "$`":
                self._expansion()
                continue
            level += {"(": 1, ")": -1}.get(char, 0)
            self._at += 1
            if level == 0 and self._text[self._at - 2] == ")":
                return True
            if level == 0:
                break
        self._no_arithmetic.add(begin)
        self._at, self.complete = begin, complete
        del self.commands[known:]
        return False

    def _ansi(self) -> str:
        """``$'...'`` with its escapes."""
        found = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(self._text, self._at + 2)
        assert found is not None
        self.complete = self.complete and self._text[found.end() : found.end() + 1] == "'"
        self._at = found.end() + 1
        return _ESCAPE.sub(_unescaped, found[0])


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
    elif code[0] in "01234567":
        number = int(code, 8)
    else:
        return _ESCAPES.get(code, code)
    return chr(number) if number < 0x110000 else ""
