"""Two users of one group with every pair of usual umasks: both work, each ends the other's dead attempts."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from support import team_steps as steps
from support.users import TEAM, Team, User, dismiss, team

UMASKS = (0o002, 0o022, 0o027, 0o077)
PAIRS = [pytest.param(a, b, id=f"{a:03o}-{b:03o}") for a, b in product(UMASKS, UMASKS)]
ON, OFF = {"WF_DISTRIBUTED": "1"}, {"WF_DISTRIBUTED": "0"}
CONFIG = {
    "version": 1, "spool": {"topology": "shared", "durability": "none"},
    "runtimes": {"cursor": {"adapter": "scripted"}, "opencode": {"adapter": "scripted"}},
}  # fmt: skip


@pytest.fixture
def people(first: int, second: int) -> Iterator[Team]:
    made = team(0o077)
    config = made.project / "wf.config.json"
    config.write_text(json.dumps(CONFIG))
    os.chown(config, made.alice.uid, TEAM)
    config.chmod(0o664)
    yield Team(made.alice.with_umask(first), made.bob.with_umask(second), made.project)
    dismiss(made)


def closed_to_the_group(root: Path) -> list[str]:
    """What the group may not read and write below ``root``. A lease is written by its session alone."""
    found = []
    for path in root.rglob("*"):
        info = path.lstat()
        wanted = 0o040 if path.parent.name == "leases" else 0o070 if path.is_dir() else 0o060
        if wanted & ~info.st_mode or info.st_gid != TEAM:
            found.append(f"{path.relative_to(root)} {stat.S_IMODE(info.st_mode):04o} {info.st_gid}")
    return found


def do(user: User, *words: str, env: dict[str, str] = OFF) -> None:
    user.ok(*words, env=env)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_each_user_ends_the_dead_attempts_of_the_other(people: Team) -> None:
    root = people.project / ".wf" / "spool"
    people.alice.call(steps.make, root)
    people.alice.call(steps.begin_and_die, root, "x", "alice-box-1")
    assert people.bob.call(steps.reap, root) == ["x"]
    assert people.alice.call(steps.finish_next, root) == "x"
    people.bob.call(steps.begin_and_die, root, "y", "bob-box-1")
    assert people.alice.call(steps.reap, root) == ["y"]
    assert people.bob.call(steps.finish_next, root) == "y"
    assert closed_to_the_group(people.project) == []


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_each_user_goes_on_with_what_the_other_began(people: Team) -> None:
    """The commands of a project, of its plans and of its jobs, in turns. The first user makes each folder."""
    alice, bob, both = people.alice, people.bob, (people.alice, people.bob)
    for user in both:
        do(user, "init")
        do(user, "set-model", "gpt-5.2")
        do(user, "config", "set", "distributed", "false")
        do(user, "epic", "create", f"Of {user.name}")
        do(user, "log", f"from {user.name}")
    do(alice, "plan", "one")
    (folder,) = (people.project / "plans").glob("01-*")
    alice.run("sh", "-c", f"printf '# p\\n' > {folder}/plan.md; rm {folder}/todo.md")
    alice.run("sh", "-c", f"printf -- '- [ ] [T1] first\\n' > {folder}/todo.md")  # An editor that makes it anew.
    do(alice, "code", "1")
    do(bob, "todo", "implemented", "1", "T1", "--test", "make", "--output", "ok")
    do(alice, "finish-code", "1")
    do(bob, "context", "1")
    do(bob, "review", "1")
    do(alice, "todo", "reject", "1", "T1", "--reason", "no")
    do(bob, "fix", "1")
    for one, other in (both, both[::-1]):
        for key in ("held", "cancelled"):
            do(one, "enqueue", "--role", "coder", "--runtime", "cursor", "--key", f"{key}-{one.name}", env=ON)
        do(other, "hold", f"held-{one.name}", env=ON)
        do(one, "release", f"held-{one.name}", env=ON)
        do(other, "cancel", f"cancelled-{one.name}", env=ON)
        do(one, "retry", f"cancelled-{one.name}", "--force", env=ON)
        do(other, "cancel", f"cancelled-{one.name}", env=ON)
        do(one, "pause", env=ON)
        do(other, "resume", env=ON)
        do(other, "explain", f"held-{one.name}", env=ON)
        do(other, "events", env=ON)
        do(other, "worker", "drain", "opencode", env=ON)
        do(one, "worker", "undrain", "opencode", env=ON)
        do(one, "worker", "ls", env=ON)
        do(one, "spool", "ls", env=ON)
        do(other, "spool", "show", f"cancelled-{one.name}", env=ON)
        do(other, "spool", "gc", "--older", "1d", env=ON)
        do(other, "spool", "verify", "--fix", env=ON)
    assert closed_to_the_group(people.project) == []
