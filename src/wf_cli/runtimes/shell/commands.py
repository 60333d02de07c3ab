"""What the commands of a line of shell run: themselves, and others by ``env``, ``sudo``, ``sh -c``, ``eval``.

Errs on the side of more: a word that might be a command behind ``sudo`` is read as one. So `Command.forms` is for
denials. `Command.text` is the command as it stands, for permissions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from wf_cli.runtimes.shell.words import Script, Simple, Word

#: Programs that run another one, which stands somewhere behind their options.
_RUNNERS = frozenset(
    """busybox builtin caffeinate chroot chronic chrt command doas entr env exec flock ionice nice nohup nsenter
    parallel pkexec proxychains4 runuser setarch setpriv setsid strace stdbuf su sudo systemd-run taskset time timeout
    toybox unbuffer unshare watch xargs""".split()
)
_SHELLS = frozenset("ash bash dash fish ksh mksh sh yash zsh".split())
#: Builtins whose arguments are read as shell.
_READ_ARGUMENTS = frozenset({"eval", "trap", "alias"})
#: Programs that take a whole line of shell as one argument: env -S 'git push', su -c 'git push'.
_STRINGS = frozenset("env su runuser flock script watch entr parallel xargs".split())
#: Words of the language that may stand before a command.
_RESERVED = frozenset("! { } if then elif else fi while until do done coproc esac".split())
#: Words that begin something in which no command stands.
_NO_COMMAND = frozenset("for select case [[".split())
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?=")
#: Options before a subcommand that are passed over (``git -C folder push``), and words of a runner that are read.
_OPTIONS, _BEHIND = 8, 60
#: Commands of one line, words of one command, and characters of all its scripts; more are not read.
_MOST, _WORDS, _CHARACTERS = 2000, 1000, 200_000


class Command(NamedTuple):
    """One command of a line."""

    #: Its words, unquoted, with assignments and redirections.
    text: str
    #: The ways in which it may be written: without assignments, path, options, and what it runs.
    forms: frozenset[str]
    #: Whether it is only a way to write others, which are listed by themselves: ``sh -c``, a word of the language.
    open: bool = False


class Line(NamedTuple):
    """A line of shell."""

    commands: tuple[Command, ...]
    #: False when something in it cannot be seen through: a command in a variable, a script from elsewhere.
    complete: bool


def read(line: str) -> Line:
    """The commands of ``line``. Never raises."""
    reading = _Reading()
    reading.script(line, 0)
    return Line(tuple(reading.commands), reading.complete)


class _Reading:
    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.complete = True
        self._characters = 0

    def script(self, text: str, depth: int) -> None:
        self._characters += len(text) + 1
        if self._characters > _CHARACTERS:
            self.complete = False
            return
        script = Script(text, depth)
        self.complete = self.complete and script.complete
        for simple in script.commands:
            if len(self.commands) >= _MOST:
                self.complete = False
                return
            self._command(simple, depth)

    def _command(self, simple: Simple, depth: int) -> None:
        argv = [word for word in simple.words if not word.redirection]
        while argv and argv[0].fixed and argv[0].text in _RESERVED | {"function"}:
            argv = argv[2 if argv[0].text == "function" else 1 :]
        if not argv or (argv[0].text in _NO_COMMAND and argv[0].fixed):
            self.commands.append(Command(_joined(simple.words), frozenset(), open=True))
            return
        first = next(n for n, word in enumerate(simple.words) if word is argv[0])
        text = _joined([word for n, word in enumerate(simple.words) if n >= first or word.redirection])
        forms = {text}
        self.complete = self.complete and len(argv) <= _WORDS
        argv = argv[:_WORDS]
        opened = self._runs(argv, forms, simple, depth, set()) and not _ASSIGNMENT.match(argv[0].text)
        self.commands.append(Command(text, frozenset(forms), opened))

    def _runs(self, argv: Sequence[Word], forms: set[str], simple: Simple, depth: int, seen: set[int]) -> bool:
        """Add the forms of a command; True when it is a shell whose script was read.

        ``seen`` are the ends of the simple command that were looked at, by their length: ``sudo sudo sudo ..``.
        """
        forms.add(_joined(argv))
        begin = next((n for n, word in enumerate(argv) if not _ASSIGNMENT.match(word.text)), len(argv))
        argv = argv[begin:]
        if not argv or len(argv) in seen:
            return False
        if len(seen) > _BEHIND:
            self.complete = False
            return False
        seen.add(len(argv))
        name = argv[0].text.rpartition("/")[2]
        argv = [replace(argv[0], text=name), *argv[1:]]
        forms.add(_joined(argv))
        forms.update(_without_options(argv))
        if name in _SHELLS:
            return self._shell(argv, simple, depth)
        if name in _READ_ARGUMENTS:
            for script in {" ".join(word.text for word in argv[1:]), *(_value(word.text) for word in argv[1:])}:
                self.script(script, depth + 1)
        if name in _STRINGS:
            for word in argv[1:]:
                if " " in word.text:
                    self.script(word.text.removeprefix("-S"), depth + 1)
        behind = list(_behind(name, argv))
        for rest in behind:
            self._runs(rest, forms, simple, depth + 1, seen)
        run = next((rest[0] for rest in behind if not _ASSIGNMENT.match(rest[0].text)), argv[0])
        self.complete = self.complete and argv[0].fixed and run.fixed
        return False

    def _shell(self, argv: Sequence[Word], simple: Simple, depth: int) -> bool:
        rest = argv[1:]
        flags = [word.text for word in rest if word.text[:1] in "-+" and not word.text.startswith("--")]
        operands = [word for word in rest if word.text[:1] not in ("-", "+") or not word.text]
        if any("c" in flag for flag in flags):
            # The script is the first operand, but for options that take one (-o pipefail). Each that may be is read.
            for word in operands[:2]:
                self.script(word.text, depth + 1)
            return bool(operands)
        if operands and not any("s" in flag for flag in flags):
            return False  # a file
        # It reads its script from stdin.
        for body in simple.bodies:
            self.script(body, depth + 1)
        before = simple.piped_from
        while before is not None:
            for body in before.bodies:
                self.script(body, depth + 1)
            said = [word.text for word in before.words if not word.redirection]
            begin = next((n + 1 for n, word in enumerate(said) if word in ("echo", "printf")), len(said))
            self.script(" ".join(word for word in said[begin:] if not word.startswith("-")), depth + 1)
            before = before.piped_from
        self.complete = self.complete and bool(simple.bodies)
        return bool(simple.bodies)


def _behind(name: str, argv: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """What a command that runs another one may run, whatever its options take."""
    if name in _RUNNERS:
        for start in range(1, min(len(argv), _BEHIND)):
            if not argv[start].text.startswith("-"):
                yield argv[start:]
    elif name in ("find", "fd", "fdfind"):
        for start, word in enumerate(argv[:-1]):
            if word.text in ("-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"):
                yield argv[start + 1 :]


def _without_options(argv: Sequence[Word]) -> Iterator[str]:
    """``git push`` for ``git -C folder -c a=b push``: which options take a value is not known, so each may."""
    start = 1
    while start < min(len(argv), _OPTIONS) and argv[start].text.startswith("-"):
        for behind in (start + 1, start + 2):
            if behind < len(argv):
                yield _joined([argv[0], *argv[behind:]])
        start += 1 if start + 1 < len(argv) and argv[start + 1].text.startswith("-") else 2


def _value(text: str) -> str:
    """What an alias stands for."""
    return text.partition("=")[2] if _ASSIGNMENT.match(text) else text


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
