"""The forked commands of a `Box` do what the installed `wf` does."""

from __future__ import annotations

import re

import pytest

from support.box import Box

COMMANDS = [
    ("--help",),
    ("no-such-command",),
    ("spool", "ls", "--json"),
    ("spool", "ls", "--no-such-option"),
    ("context", "01", "--json"),
    ("todo", "implemented", "01", "T9", "--json"),
    ("finish-code", "01", "--json"),
    ("verify", "01"),
    ("events", "--json"),
    ("retry", "no-such-job"),
    ("config", "show", "--origin"),
    ("enqueue", "--from", "-"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_forked_command_says_and_returns_what_the_installed_one_does(project: Box, words: tuple[str, ...]) -> None:
    project.configure()
    project.ok("plan", "parser")
    forked, installed = project.wf(*words, stdin="{"), project.installed(*words, stdin="{")
    assert forked.code == installed.code
    assert (known(forked.out), known(forked.err)) == (known(installed.out), known(installed.err))


def known(text: str) -> str:
    """Without what two runs of one command do not share."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z?|\b\d{8,}\b", "<time>", text)


def test_a_forked_command_has_its_own_directory_and_environment(box: Box) -> None:
    box.shell('echo "$PWD $HOME $LANG ${WF_TEST_WORD-unset}" > "$N/where.$1"')
    box.enqueue("one")
    box.ok("worker", "--runtime", "shell", "--once", env={"WF_TEST_WORD": "first"})
    box.enqueue("two")
    box.ok("worker", "--runtime", "shell", "--once", env={"HOME": "/nowhere"})
    assert box.noted("where.one").split() == [str(box.root), str(box.home), "C.UTF-8", "first"]
    assert box.noted("where.two").split() == [str(box.root), "/nowhere", "C.UTF-8", "unset"]


def test_a_forked_command_that_hangs_is_ended(box: Box) -> None:
    box.shell("exit 0")
    box.enqueue("one")
    with pytest.raises(TimeoutError):
        box.wf("worker", "--runtime", "shell", "--watch", deadline_s=0.5)
    box.await_empty()
