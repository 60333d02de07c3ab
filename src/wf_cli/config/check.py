"""Finds what is wrong with a configuration, by key path. The schema judges its shape, functions here its sense."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from wf_cli import schema
from wf_cli.clock import parse_duration
from wf_cli.config import home, isolation, model, wording
from wf_cli.config.wording import Rule
from wf_cli.contract import nearest
from wf_cli.contract.event import KINDS
from wf_cli.contract.token import POOL_LIMIT, is_word
from wf_cli.frozen import frozen

#: Seconds. A longer wait counts as a typing error, because ready times have a limited number of digits.
LONGEST_S = 365 * 86400.0
#: Seconds for one try of a notification.
_LONGEST_TRY_S = 600.0
#: Characters of a pattern of a failure.
LONGEST_PATTERN = 500
#: Sections whose keys are not wf's own, so none of them is a duration.
_FREE = ("options", "env", "failures", "output")
#: Durations that may be zero: no wait at all before a retry.
_MAY_BE_ZERO = ("base", "cap")


@frozen
class Problem:
    """One thing wrong, at a key path."""

    path: tuple[str, ...]
    message: str
    #: The path that was meant, where ``path`` is misspelt.
    near: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """The key path as people write it."""
        return ".".join(self.path) or "(top)"


def shape(tree: Mapping[str, Any]) -> list[Problem]:
    """Where ``tree`` does not follow the schema; an unknown key comes with the nearest known one."""
    version = tree.get("version", model.VERSION)
    if isinstance(version, int) and version != model.VERSION:
        # This schema describes one version, so it cannot judge the rest of the file.
        return [Problem(("version",), f"{version} is not a version this wf reads; expected: {model.VERSION}")]
    root = schema.load("wf.config")
    found: list[Problem] = []
    known = _prune(root, tree, root, (), found)
    for violation in schema.violations("wf.config", known):
        expected = wording.at(root, violation.path).get("description")
        message = wording.said(violation, secret="writeOnly" in wording.at(root, violation.path))
        found.append(Problem(violation.path, f"{message}; expected: {expected}" if expected else message))
    return exemplified(found)


def exemplified(problems: Iterable[Problem]) -> list[Problem]:
    """``problems``, each with an example of a right value where the schema has one."""
    root = schema.load("wf.config")
    return [
        replace(one, message=f"{one.message}; example: {right}") if right is not None else one
        for one in problems
        for right in [wording.example(root, one.near or one.path)]
    ]


def _prune(root: Rule, value: Any, rule: Rule, path: tuple[str, ...], out: list[Problem]) -> Any:
    """``value`` without the keys that ``rule`` does not know. Each unknown key is added to ``out``."""
    rule = wording.resolved(root, rule)
    if isinstance(value, list):
        return [_prune(root, item, rule.get("items", {}), (*path, str(i)), out) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    others = rule.get("additionalProperties", True)
    for key, item in value.items():
        inner = (*path, key)
        if key in rule.get("properties", {}):
            kept[key] = _prune(root, item, rule["properties"][key], inner, out)
        elif len(path) == 2 and path[0] == "routing" and key in root["properties"]:
            out.append(Problem(inner, f"{key} is for the whole project; set it at the top of the file", (key,)))
        elif others is False:
            near = nearest.names(key, rule["properties"], most=1, cutoff=0.5)
            allowed = ", ".join(name for name in rule["properties"] if not name.startswith("$"))
            hint = f"did you mean {near[0]}?" if near else f"known here: {allowed}"
            out.append(Problem(inner, f"unknown key; {hint}", (*path, near[0]) if near else None))
        elif "propertyNames" in rule and not is_word(key):
            expected = wording.resolved(root, rule["propertyNames"])["description"]
            out.append(Problem(inner, f"{key!r} is not a valid name; expected: {expected}"))
        else:
            kept[key] = _prune(root, item, others if isinstance(others, dict) else {}, inner, out)
    return kept


def takes_text(path: tuple[str, ...]) -> bool:
    """Whether the value at ``path`` is text, whatever else it looks like (a model called ``4.1``)."""
    rule = wording.at(schema.load("wf.config"), path)
    kinds = rule.get("type", ())
    return "string" in ([kinds] if isinstance(kinds, str) else kinds)


def sense(tree: Mapping[str, Any]) -> list[Problem]:
    """The problems of a merged ``tree`` of the right shape: it names things that do not exist or cannot be."""
    return exemplified([
        *_durations(tree, ()), *_spool(tree), *_runtimes(tree), *_routing(tree), *_ignore(tree), *_redact(tree),
        *_notify(tree), *(Problem(*one) for one in isolation.problems(tree)),
    ])  # fmt: skip


def _durations(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Problem]:
    for key, value in tree.items():
        inner = (*path, key)
        if isinstance(value, Mapping) and key not in _FREE:
            yield from _durations(value, inner)
        elif (
            path
            and isinstance(value, str)
            and (path[-1] in ("timeouts", "lease", "retention") or key in _MAY_BE_ZERO)
        ):
            length = parse_duration(value)
            if length > LONGEST_S:
                yield Problem(inner, f"{value} is too long; expected: at most 365d")
            elif length == 0 and key not in _MAY_BE_ZERO:
                yield Problem(inner, f"{value} is no time at all; expected: more than zero")


def _spool(tree: Mapping[str, Any]) -> Iterator[Problem]:
    spool = tree.get("spool", {})
    if spool.get("topology") == "synced":
        yield Problem(
            ("spool", "topology"),
            "synced is planned and does not exist yet (a sync tool lets every rename succeed on both sides, so "
            "that two machines would run one job); expected: local, or shared on a network file system",
        )
    folder = spool.get("dir", "")
    if "\0" in folder or folder.strip() != folder:
        yield Problem(("spool", "dir"), f"{folder!r} is not a path; expected: no blanks around it, no NUL")
    elif folder and not os.path.isabs(folder):
        parts = PurePath(os.path.normpath(folder)).parts
        if not parts or parts[0] == "..":
            yield Problem(
                ("spool", "dir"),
                f"{folder} is not a folder inside the project; expected: a path inside it, or an absolute path",
            )


def _runtimes(tree: Mapping[str, Any]) -> Iterator[Problem]:
    for name, entry in tree.get("runtimes", {}).items():
        path = ("runtimes", name)
        adapter = entry.get("adapter", name)
        if adapter not in model.ADAPTERS:
            yield Problem((*path, "adapter"), f"is missing; expected: one of {', '.join(model.ADAPTERS)}")
        elif adapter == "command" and "argv" not in entry:
            yield Problem((*path, "argv"), "is missing, there is nothing to run; expected: argv: [program, ...]")
        elif adapter != "command" and "argv" in entry:
            yield Problem((*path, "argv"), f"belongs to the command adapter; expected: command: [...] for {adapter}")
        elif adapter in ("command", "scripted") and "command" in entry:
            yield Problem((*path, "command"), f"the adapter {adapter} takes no command; expected: argv with command")
        elif adapter == "acp" and "command" not in entry:
            yield Problem((*path, "command"), "is missing, there is no agent; expected: command: [program, ...]")
        if adapter != "command" and "output" in entry:
            yield Problem(
                (*path, "output"), f"the adapter {adapter} knows its program's; expected: with command only"
            )
        yield from _output(entry.get("output", {}), (*path, "output"))
        yield from _failures(entry.get("failures", {}), (*path, "failures"))
        yield from _variables(entry.get("env", {}), (*path, "env"))
        if "protocol" in entry and adapter not in model.TWO_PROTOCOLS:
            two = " and ".join(model.TWO_PROTOCOLS)
            yield Problem((*path, "protocol"), f"the adapter {adapter} has no choice of one; expected: {two} only")


def _output(output: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Problem]:
    rules = [key for key in output if key != "format"]
    if output.get("format") == "text" and rules:
        yield Problem((*path, rules[0]), "plain text has no such thing; expected: with format: jsonl")
    elif output.get("format") == "jsonl" and not rules:
        yield Problem(path, "says nothing about the lines; expected: session, text, tool, usage, error or result")
    for rule in rules:
        for place in output[rule].get("when", ()) if isinstance(output[rule], Mapping) else ():
            if not _PATH.fullmatch(place):
                text = f"{place!r} is no path in a line; expected: keys with dots between them, such as item.type"
                yield Problem((*path, rule, "when"), text)


def _variables(variables: Mapping[str, str], path: tuple[str, ...]) -> Iterator[Problem]:
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name):
            yield Problem((*path, name), f"{name!r} is no name of a variable; expected: letters, digits and _", path)
        elif name.startswith("WF_"):
            yield Problem((*path, name), "wf sets the variables WF_* of agents itself; expected: another name", path)
        elif value.startswith("env:") and not _VARIABLE.fullmatch(value.removeprefix("env:")):
            # The value is not shown, because it may be a secret that begins like that.
            yield Problem((*path, name), "expected: env:NAME with the name of a variable, or a text")


def _failures(patterns: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Problem]:
    for pattern, meaning in patterns.items():
        where = (*path, pattern)
        if meaning not in model.MEANINGS:
            near = nearest.names(str(meaning), model.MEANINGS, most=1)
            hint = f"did you mean {near[0]}?" if near else f"expected: one of {', '.join(model.MEANINGS)}"
            yield Problem(where, f"{meaning!r} is no kind of failure; {hint}")
        if len(pattern) > LONGEST_PATTERN:
            yield Problem(where, f"is longer than {LONGEST_PATTERN} characters; expected: a part of a message")
            continue
        try:
            empty = re.search(pattern, "") is not None
        except (re.error, OverflowError, RecursionError) as error:
            yield Problem(where, f"is no regular expression of Python's: {error}")
            continue
        if empty:
            yield Problem(where, "matches the empty text, and so every failure; expected: a part of a message")


def _routing(tree: Mapping[str, Any]) -> Iterator[Problem]:
    runtimes = tree.get("runtimes", {})
    for role, entry in tree.get("routing", {}).items():
        name = entry.get("runtime")
        if name is None:
            yield Problem(("routing", role, "runtime"), f"is missing; expected: one of {', '.join(runtimes)}")
        elif name not in runtimes:
            near = nearest.names(name, runtimes, most=1)
            hint = f"did you mean {near[0]}?" if near else f"defined are: {', '.join(runtimes)}"
            yield Problem(("routing", role, "runtime"), f"there is no runtime {name} under runtimes; {hint}")
        elif len(role) + len(name) + 1 > POOL_LIMIT:
            yield Problem(("routing", role), f"{role}@{name} is too long; expected: at most {POOL_LIMIT} bytes")


def _ignore(tree: Mapping[str, Any]) -> Iterator[Problem]:
    places = [((), tree), *((("routing", role), entry) for role, entry in tree.get("routing", {}).items())]
    for path, place in places:
        for i, pattern in enumerate(place.get("checks", {}).get("ignore", ())):
            parts = [part for part in pattern.removeprefix("!").split("/") if part]
            where = (*path, "checks", "ignore", str(i))
            outside = home.begins_elsewhere(pattern.removeprefix("!"))
            if outside is not None:
                yield Problem(
                    where, f"{pattern}: {outside} is not expanded here; expected: a path from the project's root"
                )
            elif ".." in parts or "." in parts:
                yield Problem(
                    where, f"{pattern} is not a path below the project's root; expected: one without . and .."
                )
            elif all(not part.strip("*") for part in parts):
                yield Problem(where, f"{pattern} matches every file, so no work would count")


def _redact(tree: Mapping[str, Any]) -> Iterator[Problem]:
    for i, pattern in enumerate(tree.get("redact", ())):
        try:
            empty = re.search(pattern, "") is not None
        except (re.error, OverflowError, RecursionError) as error:
            yield Problem(("redact", str(i)), f"{pattern} is no regular expression of Python's: {error}")
            continue
        if empty:
            yield Problem(("redact", str(i)), f"{pattern} matches the empty text, and so everywhere")


def _notify(tree: Mapping[str, Any]) -> Iterator[Problem]:
    for i, entry in enumerate(tree.get("notify", ())):
        here = ("notify", str(i))
        for j, kind in enumerate(entry["on"]):
            if kind not in KINDS:
                near = nearest.names(kind, KINDS, most=1)
                hint = f"did you mean {near[0]}?" if near else "expected: an event name such as job.dead"
                yield Problem((*here, "on", str(j)), f"there is no event {kind}; {hint}")
        if ("run" in entry) == ("url" in entry):
            yield Problem(here, "expected: either run (a program) or url (an address), and not both")
        elif "url" in entry and not _ADDRESS.fullmatch(entry["url"]):
            # What is wrong about it is not shown, because an address may hold a secret.
            yield Problem((*here, "url"), "expected: env:NAME, or an address that begins with https:// or http://")
        if "timeout" in entry and not 0 < parse_duration(entry["timeout"]) <= _LONGEST_TRY_S:
            yield Problem((*here, "timeout"), f"{entry['timeout']}: expected: more than zero, and at most 10m")


#: As ``$defs/path`` of the schema has it.
_PATH = re.compile(r"[^\x00-\x20.]+(?:\.[^\x00-\x20.]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: ``env:NAME``, or an address of visible ASCII characters with a host.
_ADDRESS = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|https?://[A-Za-z0-9\[][!-~]*")
