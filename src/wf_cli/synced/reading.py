"""Reading what other nodes say. Of each node the highest version counts that is whole, and none below the last one.

The order of files in a synced folder is the sync tool's. An old register may arrive after a newer one, or come back
after it was deleted, and a reader that went back to it would find a grant again that is long gone. So what was read
is *marked* in ``now.json`` before it is used (rule ``marks``), and a copy is kept in ``seen/``, because the file may
vanish from the folder.

A node is *forked* when two machines have its id: two contents of one version, or a version of a boot that another
boot has followed. Its registers are not used any more, and that stays so.

No file here is trusted. What is no register of its node and its place is passed over, and told with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from wf_cli import fsio, ids
from wf_cli.contract import text
from wf_cli.errors import ContractError
from wf_cli.frozen import frozen
from wf_cli.synced import identity, record
from wf_cli.synced.identity import REMEMBERED, Mark, Now
from wf_cli.synced.record import Register
from wf_cli.synced.register import Name, digest_of

#: So many files of one node are looked at in one reading. Its own writer keeps fewer.
CANDIDATES = 200
_OF_NODES = ("trees", "transcripts")


@frozen
class Trouble:
    """A file that was passed over, for people."""

    path: Path
    why: str

    def __str__(self) -> str:
        return text.line(f"{self.path}: {self.why}", 500)


@dataclass(slots=True)
class Reading:
    """What one look at ``nodes/`` gave."""

    #: The last register of each other node that is not forked, also of those whose file is gone from the folder.
    registers: dict[str, Register] = field(default_factory=dict)
    #: Other nodes whose id two machines have.
    forked: set[str] = field(default_factory=set)
    #: The highest version of this node that lies in the folder, or that another node has seen.
    own_high: int = 0
    #: Whether the own folder has a later register of this node than this state has written: the state was set back,
    #: or two machines have this id.
    own_strange: bool = False
    troubles: list[Trouble] = field(default_factory=list)


def read(nodes: Path, state: Path, now: Now, *, node: str, spool: str) -> tuple[Now, Reading]:
    """Read the registers of all other nodes; the state with the marks, and what was read.

    ``nodes`` comes from `register.nodes_folder`. ``node`` and ``spool`` are the ids of this node and of the synced
    spool. When this returns, the marks are durable in ``state``. The caller holds the lock of the node's rounds.

    A folder that is missing, or that cannot be listed, changes nothing: what was read before still counts. Raises
    OSError when the state cannot be written.
    """
    out = Reading()
    marks = dict(now.seen)
    for other in sorted({*_names(nodes, out), *marks, node}):
        if other == node:
            _look_at_own(nodes / other, now, node, spool, out)
            continue
        mark = marks.get(other, Mark())
        found = _Node(nodes / other, state / "seen" / f"{other}.json", other, spool, out.troubles).read(mark)
        if found is None:
            continue
        marks[other], register, data = found
        if data is not None:
            fsio.write_atomic(state / "seen" / f"{other}.json", data)
        if marks[other].forked:
            out.forked.add(other)
        elif register is not None:
            out.registers[other] = register
    if marks != now.seen:
        now = replace(now, seen=marks)
        identity.store(state, now)
    seen_of_us = (register.seen.get(node, 0) for register in out.registers.values())
    out.own_high = max(out.own_high, *seen_of_us, 0)
    return now, out


def _names(nodes: Path, out: Reading) -> Iterator[str]:
    """The ids of nodes that have a folder."""
    for name in _listed(nodes, out.troubles):
        if ids.is_node_id(name):
            yield name
        elif not name.startswith("."):
            out.troubles.append(Trouble(nodes / name, "this is no node's name, and nothing of wf's"))


def _listed(folder: Path, troubles: list[Trouble]) -> list[str]:
    try:
        return fsio.names(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        troubles.append(Trouble(folder, _words(error)))
        return []


def _versions(folder: Path, troubles: list[Trouble]) -> list[Name]:
    """The registers in a node's folder by their names, the highest version first."""
    out = []
    for entry in _listed(folder, troubles):
        name = Name.parse(entry)
        if name is not None:
            out.append(name)
        elif entry not in _OF_NODES and not entry.startswith("."):
            troubles.append(Trouble(folder / entry, "this is no register (a conflict copy, or a file of others)"))
    return sorted(out, key=lambda one: (one.version, one.digest), reverse=True)


def _look_at_own(folder: Path, now: Now, node: str, spool: str, out: Reading) -> None:
    mine = _Node(folder, None, node, spool, out.troubles)
    later = [name for name in _versions(folder, out.troubles) if name.version > now.version]
    for name in later[:CANDIDATES]:
        if mine.load(name) is not None:
            out.own_high, out.own_strange = name.version, True
            return


def _words(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or type(error).__name__}"


class _Node:
    """One other node's folder, during one reading."""

    def __init__(self, folder: Path, kept: Path | None, node: str, spool: str, troubles: list[Trouble]):
        self._folder, self._kept, self._node, self._spool, self._troubles = folder, kept, node, spool, troubles
        self._loaded: dict[Name, tuple[Name, Register, bytes] | None] = {}

    def read(self, mark: Mark) -> tuple[Mark, Register | None, bytes | None] | None:
        """The mark afterwards, the register that counts, its bytes if they are new; None when nothing is known."""
        names = _versions(self._folder, self._troubles)
        newer = [name for name in names if name.version > mark.version][:CANDIDATES]
        best = next(self._whole(newer), None)
        forked = mark.forked or self._two_contents(names, mark, best) or self._two_boots(newer, mark, best)
        kept = self._load_kept()
        if kept is not None and kept[0].version > max(mark.version, best[0].version if best else 0):
            best = kept  # It was stored, and the mark was not: wf died in between.
        if best is None:
            if not mark.version:
                return None
            if kept is None or (kept[0].version, kept[0].digest) != (mark.version, mark.digest):
                kept = next(
                    self._whole(n for n in names if (n.version, n.digest) == (mark.version, mark.digest)), None
                )
            return replace(mark, forked=forked), kept[1] if kept is not None else None, None
        name, register, data = best
        past = mark.past
        for incarnation in (mark.incarnation, *(one.incarnation for one in reversed(newer))):
            if incarnation not in ("", name.incarnation, *past) and self._counts(incarnation, newer, mark):
                past = (*past, incarnation)
        return Mark(name.version, name.incarnation, name.digest, past[-REMEMBERED:], forked), register, data

    def _counts(self, incarnation: str, newer: list[Name], mark: Mark) -> bool:
        """Whether the node has had this boot: a name alone proves nothing."""
        return incarnation == mark.incarnation or any(self._whole(n for n in newer if n.incarnation == incarnation))

    def _two_contents(self, names: list[Name], mark: Mark, best: tuple[Name, Register, bytes] | None) -> bool:
        """Whether two registers have one version, that of the mark or the one that counts now."""
        known = {(mark.version, mark.digest)} | ({(best[0].version, best[0].digest)} if best else set())
        versions = {version for version, _ in known if version}
        suspects = [n for n in names if n.version in versions and (n.version, n.digest) not in known]
        return any(self._whole(suspects))

    def _two_boots(self, newer: list[Name], mark: Mark, best: tuple[Name, Register, bytes] | None) -> bool:
        """Whether a version is of a boot that another one has followed."""
        if best is None:
            return False
        order: list[str] = []
        suspects: set[str] = set(mark.past)
        for incarnation in (mark.incarnation, *(one.incarnation for one in reversed(newer))):
            if order and incarnation != order[-1] and incarnation in order:
                suspects.add(incarnation)
            order.append(incarnation)
        if not suspects.intersection(one.incarnation for one in newer):
            return False
        # Names are no proof. The order counts of those versions whose content is what the name says.
        last, gone = mark.incarnation, set(mark.past)
        for name, _, _ in sorted(self._whole(newer), key=lambda one: one[0].version):
            if name.incarnation in gone:
                return True
            if last and name.incarnation != last:
                gone.add(last)
            last = name.incarnation
        return False

    def _whole(self, names: Iterable[Name]) -> Iterator[tuple[Name, Register, bytes]]:
        for name in names:
            loaded = self.load(name)
            if loaded is not None:
                yield loaded

    def load(self, name: Name) -> tuple[Name, Register, bytes] | None:
        """The register under this name; None, with a trouble, when the file is none. Each is read once."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: Name) -> tuple[Name, Register, bytes] | None:
        path = self._folder / str(name)
        try:
            data = fsio.read_regular(path, record.LIMIT)
            if digest_of(data) != name.digest:
                raise ValueError("its content is not what its name says: it has not arrived, or is damaged")
            return name, self._checked(record.decode(data), name), data
        except FileNotFoundError:
            return None
        except OSError as error:
            self._troubles.append(Trouble(path, _words(error)))
        except (ValueError, ContractError) as error:
            self._troubles.append(Trouble(path, str(error)))
        return None

    def _checked(self, register: Register, name: Name) -> Register:
        if register.spool != self._spool:
            raise ValueError(f"it is of the spool {register.spool}, and this one is {self._spool}")
        found = (register.node, register.version, register.incarnation)
        if found != (self._node, name.version, name.incarnation):
            raise ValueError(f"it says that it is version {found[1]} of {found[0]}, boot {found[2]}")
        return register

    def _load_kept(self) -> tuple[Name, Register, bytes] | None:
        """The register that was read last, from the node's own state."""
        if self._kept is None:
            return None
        try:
            data = fsio.read_regular(self._kept, record.LIMIT)
            register = record.decode(data)
            name = Name(register.version, register.incarnation, digest_of(data))
            return name, self._checked(register, name), data
        except (OSError, ValueError, ContractError):
            return None
