"""The arguments of contract commands: a `Spec` describes what a command takes, and `parse` reads the words by it.

Typer is not used, because the rules of wf-cli 0.3.x are others. A help token counts at any place, ``-x`` is an
ordinary word, an option may not be abbreviated, and a value that starts with ``--`` or is empty can be given as
``--option=value`` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from wf_cli import ecmascript
from wf_cli.errors import UsageError
from wf_cli.frozen import frozen

HELP_TOKENS = frozenset({"--help", "-h"})


@frozen
class Spec:
    """The arguments that a command takes.

    ``required`` words must be there and not be empty; ``optional`` ones may follow. ``values`` maps each option that
    takes a value to its name in `Parsed`, and two options of one name are aliases. With ``by_position`` the first
    words are taken whatever they look like, flags are searched among the rest, and other words are ignored.
    """

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)
    by_position: bool = False
    #: Empty words are ignored at any place. Otherwise an empty word after the last expected one is refused.
    skips_empty: bool = False


@frozen
class Parsed:
    """The arguments that were given, by name. ``flags`` has each flag once, ordered by its last mention."""

    words: Mapping[str, str]
    values: Mapping[str, str]
    flags: tuple[str, ...]

    def word(self, name: str) -> str:
        """A required word."""
        return self.words[name]

    def value(self, name: str) -> str | None:
        """The last value given for an option; None when there is none."""
        return self.values.get(name)

    def flag(self, name: str) -> bool:
        """Whether the flag was given."""
        return name in self.flags

    def last_of(self, *names: str) -> str | None:
        """The one of these flags that was given last, for flags that contradict each other. None without any."""
        return next((flag for flag in reversed(self.flags) if flag in names), None)

    def items(self, name: str) -> list[str]:
        """The items of a value that is a list separated by semicolons."""
        return [item for part in self.values.get(name, "").split(";") if (item := ecmascript.trim(part))]


class ArgumentError(UsageError):
    """The arguments do not fit the command."""

    code = "INVALID_ARGS"


def wants_help(words: Sequence[str]) -> bool:
    """Whether a help token is among the words. It counts also as the value of an option (quirk 30)."""
    return not HELP_TOKENS.isdisjoint(words)


def parse(spec: Spec, words: Sequence[str], usage: str) -> Parsed:
    """Read ``words`` by ``spec``; raises ArgumentError, with ``usage`` as its hint."""
    names = (*spec.required, *spec.optional)
    if spec.by_position:
        parsed = _by_position(spec, words, names)
    else:
        parsed = _in_order(spec, words, names, usage)
    for name in spec.required:
        if not parsed.words.get(name):
            raise ArgumentError(f"{name} is missing", hint=f"usage: {usage}")
    return parsed


def _by_position(spec: Spec, words: Sequence[str], names: tuple[str, ...]) -> Parsed:
    given = dict(zip(names, words, strict=False))
    return Parsed(given, {}, tuple(dict.fromkeys(word for word in words[len(given) :] if word in spec.flags)))


def _in_order(spec: Spec, words: Sequence[str], names: tuple[str, ...], usage: str) -> Parsed:
    words_by_name: dict[str, str] = {}
    values: dict[str, str] = {}
    flags: dict[str, None] = {}
    rest = iter(words)
    for word in rest:
        option, equals, attached = word.partition("=")
        if not word.startswith("--"):
            if not word and spec.skips_empty:
                continue
            # The next word takes the place of an empty one.
            name = next((name for name in names if not words_by_name.get(name)), None)
            if name is None:
                raise ArgumentError(f"unexpected argument: {word!r}", hint=f"usage: {usage}")
            words_by_name[name] = word
        elif word in spec.flags:
            flags.pop(word, None)
            flags[word] = None
        elif option in spec.values:
            values[spec.values[option]] = attached if equals else _separate(option, next(rest, None))
        else:
            raise ArgumentError(f"unknown option: {word}", hint=f"usage: {usage}")
    return Parsed(words_by_name, values, tuple(flags))


def _separate(option: str, value: str | None) -> str:
    """The word after ``option`` as its value. Only ``--option=`` can give an empty one."""
    if not value or value.startswith("--"):
        raise ArgumentError(
            f"{option} needs a value", hint=f"a value that starts with -- is written {option}=--value"
        )
    return value


def positive_number(parsed: Parsed, name: str, option: str) -> float | None:
    """The value of an option that has to be a number above 0; None when it was not given."""
    text = parsed.value(name)
    if text is None:
        return None
    number = ecmascript.number(text)
    if number is None or number <= 0:
        raise ArgumentError(f"{option} needs a number above 0, not {text!r}")
    return number
