"""The mount under the spool: what it is, and what its caches delay."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from wf_cli import filesystems, mounts
from wf_cli.doctor.check import Check, ok, warn
from wf_cli.filesystems import Kind
from wf_cli.mounts import Mount
from wf_cli.spool import place

#: Seconds that sshfs keeps what is in a folder, unless it is told otherwise (`sshfs --help`).
_DIRECTORY_CACHE_S = 20.0


def look(root: Path) -> Iterator[Check]:
    """What the spool at ``root``, which need not exist, lies on. The check of the spool says what is refused."""
    mount = mounts.of(root)
    kind = filesystems.kind(mount)
    if kind is Kind.UNTOLD:
        yield ok("mount", "not told by this system: nothing is refused because of it")
    elif kind is Kind.UNKNOWN:
        text = f"{place.described(mount)}: looks may be {filesystems.stale_s(mount):g} s old"
        yield warn("mount", text, "wf doctor --fs-probe, on each host")
    elif kind is Kind.NETWORK:
        yield ok("mount", f"{place.described(mount)}: looks may be {filesystems.stale_s(mount):g} s old")
    else:
        yield ok("mount", place.described(mount))
    yield from _options_that_lie(mount)
    if mount.type == "fuse.sshfs":
        options = _options(mount.point, mount.source)
        yield _directory_cache(mount, options)
        if any("rename" in option.partition("workaround=")[2].split(":") for option in options or ()):
            text = "workaround=rename deletes a file before it is replaced, so it is missing for a moment"
            yield warn(
                "mount-options",
                text,
                f"umount {mount.point} && sshfs {mount.source} {mount.point}, without that option",
            )


def _options_that_lie(mount: Mount) -> Iterator[Check]:
    """Options by which a call says something else than what happened, or a lock holds for one host only."""
    again = f"umount {mount.point}; then mount it without this option"
    if mount.type in ("nfs", "nfs4") and mount.option("soft") is not None:
        yield warn("mount-options", "soft: a call that was reported as failed may be carried out later", again)
    local_lock = mount.option("local_lock") not in (None, "none")
    found = [name for name in ("nolock", "nobrl") if mount.option(name) is not None]
    if found or local_lock:
        name = found[0] if found else f"local_lock={mount.option('local_lock')}"
        yield warn("mount-options", f"{name}: locks exclude this host only, so plans are protected per host", again)


def _directory_cache(mount: Mount, options: Sequence[str] | None) -> Check:
    """Does sshfs answer listings from a cache? ``options`` are those of its program; None when they are not told."""
    remedy = f"umount {mount.point} && sshfs -o dir_cache=no {mount.source} {mount.point}"
    late = "jobs of other hosts are seen, and workers wake up,"
    if options is None:
        text = f"whether sshfs caches folders cannot be told (its process is not ours); if so, {late} up to 20 s late"
        return warn("dir-cache", text, remedy)
    said = dict(option.partition("=")[::2] for option in options)
    if "no" in (said.get("dir_cache"), said.get("cache")):
        return ok("dir-cache", "off: every listing asks the server")
    try:
        seconds = float(said.get("dcache_dir_timeout") or said.get("dcache_timeout") or _DIRECTORY_CACHE_S)
    except ValueError:
        seconds = _DIRECTORY_CACHE_S
    return warn("dir-cache", f"sshfs keeps what is in a folder for {seconds:g} s: {late} as much late", remedy)


def _options(point: str, source: str) -> list[str] | None:
    """The ``-o`` options of the sshfs that mounted ``source`` at ``point``; None when no such process is to be seen.

    The words of the process may name the point by a relative path or through a link. Then the one that mounted
    ``source`` below a point with such an end is meant, and none if there are several.
    """
    all_words = [
        words
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "sshfs" and (words := process.info["cmdline"])
    ]
    exact = [words for words in all_words if point in (os.path.abspath(word) for word in words[1:])]
    # sshfs goes to the root folder when it is in the background, so its own folder tells nothing.
    near = [words for words in all_words if source in words and any(_may_mean(word, point) for word in words[1:])]
    for words in exact or (near if len(near) == 1 else []):
        options: list[str] = []
        for word, following in zip(words, [*words[1:], ""], strict=True):
            given = following if word == "-o" else word[2:] if word.startswith("-o") else ""
            options += given.split(",")
        return [option for option in options if option]
    return None


def _may_mean(word: str, point: str) -> bool:
    """Whether ``word``, a path from a folder that is not known any more, may be ``point``."""
    if os.path.isabs(word):
        folder, name = os.path.split(os.path.normpath(word))
        return os.path.join(os.path.realpath(folder), name) == point  # The point itself is not asked: it may hang.
    kept = [part for part in os.path.normpath(word).split(os.sep) if part not in ("..", ".")]
    return bool(kept) and point.split(os.sep)[-len(kept) :] == kept
