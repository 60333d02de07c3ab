"""The tables of completion: which values an argument or option can have, such as ids of plans and names of roles.

The sources list names and read few files, because completion has to be fast. A source may raise, which
`completion.answer` catches.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from wf_cli.cli.frame import registry
from wf_cli.frozen import frozen


@frozen
class Candidate:
    """One word that is offered, with a short description."""

    value: str
    about: str = ""


@frozen
class Scene:
    """The words before the cursor, without the program's name, with the project and the environment."""

    root: Path
    environ: Mapping[str, str]
    words: tuple[str, ...]
    #: The beginning of the value at the cursor. A source with many values may leave out those that begin otherwise.
    begun: str = ""

    def option(self, name: str) -> str | None:
        """The value that the line gives the option ``name``; None without the option."""
        for word, following in zip(self.words, (*self.words[1:], ""), strict=True):
            if word == name:
                return following
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
        return None


#: Returns the candidates of one kind of value, or None when the shell is to complete file names.
Source = Callable[[Scene], Iterable[Candidate] | None]


def nothing(_: Scene) -> Iterable[Candidate]:
    return ()


def _files(_: Scene) -> None:
    return None


def commands(_: Scene) -> Iterable[Candidate]:
    return (Candidate(entry.name, entry.summary) for group in registry.listed().values() for entry in group)


def _numbered(folder: str) -> Source:
    def found(scene: Scene) -> Iterable[Candidate]:
        from wf_cli.workflow import references

        known = references.entries(scene.root / folder)
        return (Candidate(entry.id, references.slug_of(entry.name)) for entry in known)

    return found


def _folders(folder: str) -> Source:
    """Names of folders. Folders that share their number with another come first, because these need `renumber`."""

    def found(scene: Scene) -> Iterable[Candidate]:
        from wf_cli.workflow import references

        known = references.entries(scene.root / folder)
        shared = references.shared(known)
        return [Candidate(entry.name) for entry in sorted(known, key=lambda entry: entry.id not in shared)]

    return found


def _todo_items(scene: Scene) -> Iterable[Candidate]:
    """The items of the plan that an earlier word names."""
    from wf_cli import fsio
    from wf_cli.workflow import references

    known = references.entries(scene.root / "plans")
    entry = next((e for word in scene.words[1:] if (e := references.resolve(known, word))), None)
    if entry is None:
        return []
    data = fsio.read_regular(scene.root / "plans" / entry.name / "todo.md", follow=True)
    text = data.decode("utf-8", errors="replace")
    items = re.findall(r"(?m)^\s*-\s*\[[ xX]\]\s+\[([A-Za-z][A-Za-z0-9._-]*)\]\s+(.*)$", text)
    return [Candidate(name, about) for name, about in items]


def _models(_: Scene) -> Iterable[Candidate]:
    from wf_cli.agents import models

    return (Candidate(name, ", ".join(capabilities)) for name, capabilities in models.ENABLED.items())


def _config(scene: Scene) -> Mapping[str, Any]:
    """The content of wf.config without checks; empty for a project without one."""
    from wf_cli.config import places

    path = places.find(scene.root)
    if path is None:
        return {}
    from wf_cli.config import document

    return document.read(path).value


def _roles(scene: Scene) -> Iterable[Candidate]:
    from wf_cli.config import model

    return map(Candidate, {**model.DEFAULT_ROUTING, **_config(scene).get("routing", {})})


def _runtimes(scene: Scene) -> Iterable[Candidate]:
    from wf_cli.config import model

    return map(Candidate, {**model.default_runtimes(), **_config(scene).get("runtimes", {})})


def _statuses(_: Scene) -> Iterable[Candidate]:
    from wf_cli.contract.lifecycle import Status

    return (Candidate(str(status)) for status in Status)


def _event_kinds(_: Scene) -> Iterable[Candidate]:
    from wf_cli.contract.event import KINDS

    return map(Candidate, sorted(KINDS))


def _scopes(scene: Scene) -> Iterable[Candidate]:
    return (Candidate(path.name) for path in sorted((scene.root / ".wf" / "scopes").glob("*/")))


def _setting_keys(scene: Scene) -> Iterable[Candidate]:
    from wf_cli.config import load

    return (Candidate(key, place) for key, _, place in load.load(scene.root, scene.environ).rows())


def _spool(scene: Scene) -> Path:
    from wf_cli.config import home, places

    given = scene.option("--spool")
    given = home.path(given, scene.environ) if given else given
    found = places.spool_without_configuration(scene.root, scene.environ, given)
    folder = given or places.spool_of_environment(scene.root, scene.environ)
    return found or scene.root / (folder or _config(scene).get("spool", {}).get("dir") or places.SPOOL)


#: The folders with the jobs that a command can change. For other commands the jobs of all folders are offered.
_JOB_FOLDERS = {
    "retry": ("dead", "done"),
    "cancel": ("queued", "held", "claimed", "running"),
    "hold": ("queued",),
    "release": ("held",),
    "dead": ("dead",),
    "dead-letter": ("dead",),
}


#: Jobs that are offered at most. A shell asks before it shows half as many.
_JOBS_SHOWN = 200


def _jobs(scene: Scene) -> Iterable[Candidate]:
    """Jobs whose ids begin as typed. Of many the first are offered, and the last.

    A shell fills in what all that is offered begins with. With the last of all that is what all jobs begin with.
    """
    from wf_cli import fsio
    from wf_cli.contract.lifecycle import DIRECTORIES
    from wf_cli.contract.token import parse

    root, part = _spool(scene), f".{scene.begun}"
    found: dict[str, tuple[str, str]] = {}
    for folder in _JOB_FOLDERS.get(scene.words[0], DIRECTORIES):
        for name in fsio.names(root / folder):
            # The id is the third part of a name. Only what is offered is parsed.
            parts = name.split(".", 3) if part in name else []
            if len(parts) > 3 and parts[2].startswith(scene.begun):
                found[parts[2]] = (folder, name)
    for word in scene.words:
        found.pop(word, None)
    ids = heapq.nsmallest(_JOBS_SHOWN - 1, found)
    if len(found) > len(ids):
        ids.append(max(found))
    out: list[Candidate] = []
    for job_id in ids:
        folder, name = found[job_id]
        token = parse(folder, name)
        if token is not None:
            out.append(Candidate(job_id, f"{folder}, {token.pool}"))
    return out


def _owners(scene: Scene) -> Iterable[Candidate]:
    from wf_cli import fsio

    names = fsio.names(_spool(scene) / "sessions")
    return [Candidate(name.removesuffix(".json")) for name in sorted(names) if name.endswith(".json")]


def _worker_words(scene: Scene) -> Iterable[Candidate]:
    if scene.words[-1] in ("drain", "undrain"):
        return [*_owners(scene), *_runtimes(scene), Candidate("all")]
    actions = [Candidate(action) for action in ("ls", "drain", "undrain")] if len(scene.words) == 1 else []
    return [*_roles(scene), *actions]


#: Sources by the name of a place: ``<plan>`` in a usage line, or ``metavar="JOB"`` of a parameter.
KINDS: dict[str, Source] = {
    "plan": _numbered("plans"),
    "epic": _numbered("epics"),
    "plan-folder": _folders("plans"),
    "epic-folder": _folders("epics"),
    "JOB": _jobs,
    "ID": _todo_items,
    "id": _models,
    "role": _roles,
    "key.path": _setting_keys,
    "ROLE]... | ls | drain | undrain": _worker_words,
    "DIR": _files,
    "FILE": _files,
}
#: Sources by the name of an option.
OPTIONS: dict[str, Source] = {
    "--plan": KINDS["plan"],
    "--epic": KINDS["epic"],
    "--role": _roles,
    "--runtime": _runtimes,
    "--status": _statuses,
    "--kind": _event_kinds,
    "--owner": _owners,
    "--scope": _scopes,
}
