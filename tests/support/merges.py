"""Repositories in which a plan and its target are merged: real git, commits made without a checkout."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wf_cli import git
from wf_cli.workspace import merging, testing

TARGET, PLAN = "wf/e01", "wf/e01-p03"
MESSAGE = "Merge plan 03: Time zones"
#: Changes of a commit by path: the new content, or that and the mode; None removes the file.
Changes = Mapping[str, "str | bytes | tuple[str, bytes] | None"]

#: A commit that somebody makes whose name git does not know by its configuration.
WHO = "t <t@example.invalid>"
_time = 1_700_000_000


def make_repository(root: Path, files: Changes) -> str:
    """A repository whose branch ``main`` is checked out and holds ``files`` in one commit; its object id."""
    root.mkdir(parents=True)
    git.need(root, "init", "-q", "-b", "main")
    git.need(root, "config", "user.name", "t")
    git.need(root, "config", "user.email", "t@example.invalid")
    start = commit(root, "main", files, message="start")
    git.need(root, "reset", "-q", "--hard")
    return start


def commit(root: Path, branch: str, changes: Changes, *, parents: Sequence[str] = (), message: str = "more") -> str:
    """Commit ``changes`` to a branch, on top of it or on ``parents`` (the first gives the files); the object id.

    On top of it whatever moves the branch meanwhile: as a person who begins again when git says so.
    """
    ref = f"refs/heads/{branch}"
    if parents or git.ask(root, "rev-parse", "-q", "--verify", ref).exit_code != 0:
        return _imported(root, ref, changes, parents, message, "--force")
    for _ in range(100):
        with contextlib.suppress(subprocess.CalledProcessError):
            return _imported(root, ref, changes, (ref + "^0",), message)
    raise AssertionError(f"{branch} never rests")


def _imported(root: Path, ref: str, changes: Changes, parents: Sequence[str], message: str, *options: str) -> str:
    global _time
    _time += 1
    said = message.encode()
    lines = [f"commit {ref}\ncommitter {WHO} {_time} +0000\ndata {len(said)}\n".encode(), said, b"\n"]
    for word, parent in zip(("from", *["merge"] * len(parents)), parents, strict=False):
        lines.append(f"{word} {parent}\n".encode())
    for path, content in sorted(changes.items(), key=lambda change: change[1] is not None):
        name = b'"' + b"".join(b"\\%03o" % byte for byte in os.fsencode(path)) + b'"'
        if content is None:
            lines.append(b"D " + name + b"\n")
            continue
        mode, data = content if isinstance(content, tuple) else ("100644", content)
        data = data.encode() if isinstance(data, str) else data
        lines.append(
            b"M " + mode.encode() + b" inline " + name + b"\n" + f"data {len(data)}\n".encode() + data + b"\n"
        )
    marks = root / ".git" / f"marks-{os.getpid()}"
    lines[0] = lines[0].replace(b"\n", b"\nmark :1\n", 1)
    subprocess.run(
        ["git", "fast-import", "--quiet", f"--export-marks={marks}", *options],
        cwd=root, input=b"".join(lines), check=True, timeout=60, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return marks.read_text().split()[1]


def plumb(root: Path, environ: Mapping[str, str], *words: str) -> str:
    """A git of the test's own, with an environment that `wf_cli.git` would not keep."""
    done = subprocess.run(["git", *words], cwd=root, env=environ, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def head(root: Path, branch: str) -> str:
    """The object id of a branch."""
    return git.need(root, "rev-parse", f"refs/heads/{branch}").text.strip()


def files_of(root: Path, commit: str) -> dict[str, tuple[str, str]]:
    """Mode and object id of each file of a commit, by path."""
    found = {}
    for entry in git.need(root, "ls-tree", "-r", "-z", "--full-tree", commit).out.split(b"\0")[:-1]:
        about, _, path = entry.partition(b"\t")
        mode, _, oid = about.decode().split(" ")
        found[os.fsdecode(path)] = (mode, oid)
    return found


def add_worktree(root: Path, folder: Path) -> Path:
    """A linked worktree without a branch."""
    git.need(root, "worktree", "add", "-q", "--detach", os.fspath(folder))
    return folder


def parents(root: Path, commit: str) -> list[str]:
    return git.need(root, "log", "-1", "--format=%P", commit).text.split()


def first_parents(root: Path, branch: str) -> list[str]:
    """The commits of a branch along its first parents, the latest first."""
    return git.need(root, "rev-list", "--first-parent", f"refs/heads/{branch}").text.split()


def state_of(root: Path) -> dict[str, object]:
    """All refs, and what `git status` says of the checkout: what must not change."""
    return {
        "refs": git.need(root, "for-each-ref").text,
        "status": git.need(root, "status", "--porcelain=v2", "--branch", "--untracked-files=all").text,
        "index": (root / ".git" / "index").read_bytes(),
        "config": (root / ".git" / "config").read_bytes(),
    }


class Gates:
    """Runs gates, and notes on which commit and which files each was run."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, folder: Path, argv: testing.Argv) -> testing.Result:
        assert not git.need(folder, "diff", "HEAD", "--name-only").out, "a gate begins with the files of the commit"
        self.runs.append((head_of(folder), tuple(argv)))
        done = subprocess.run(
            list(argv), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        return testing.Result(done.returncode, done.stdout)


def head_of(folder: Path) -> str:
    return git.need(folder, "rev-parse", "HEAD").text.strip()


class Scene:
    """A target and a plan that changed different files, and a worktree to merge them in."""

    def __init__(self, place: Path, ours: Changes | None = None, theirs: Changes | None = None):
        self.root = place / "project"
        self.start = make_repository(self.root, {"a.txt": "a\n", "b.txt": "b\n", "c.txt": "1\n2\n3\n4\n5\n6\n7\n"})
        self.onto = commit(
            self.root, TARGET, {"a.txt": "target\n"} if theirs is None else theirs, parents=[self.start]
        )
        self.plan = commit(self.root, PLAN, {"b.txt": "plan\n"} if ours is None else ours, parents=[self.start])
        self.folder = add_worktree(self.root, place / "into")
        self.recorded: list[str] = []
        self.gates = Gates()

    def way(self, *gates: testing.Argv, folder: Path | None = None) -> merging.Way:
        return merging.Way(folder or self.folder, TARGET, self.plan, MESSAGE, gates)

    @contextlib.contextmanager
    def permit(self) -> Iterator[None]:
        yield

    def integrate(self, *gates: testing.Argv, **more: object) -> merging.Verdict:
        return merging.integrate(
            self.way(*gates), self.gates, self.permit, self.recorded.append, patience=0.0, **more
        )  # type: ignore[arg-type]
