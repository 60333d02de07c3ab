"""Off means off (invariant 8): without the distributed mode nothing makes a spool, with it looking makes none."""

from __future__ import annotations

import json
import signal

import pytest

from support.box import Box

REVIEW = """# Review

## T1

- intent_match: pass
- behavior_match: pass
- test_adequacy: pass
- risk: low
- code_refs: work/a.py:1
"""
#: Every way in which the mode is off: nothing said, said in the file, the environment over the file.
OFF: list[tuple[str | None, str | None]] = [(None, None), ("command", None), ("distributed", "0")]


def no_spool(box: Box) -> bool:
    return not box.spool_root.exists() and not list(box.root.rglob("spool"))


@pytest.mark.parametrize(("mode", "variable"), OFF)
def test_the_whole_command_driven_lifecycle_makes_no_spool_invariant_8(
    box: Box, mode: str | None, variable: str | None
) -> None:
    if variable is not None:
        box.environ["WF_DISTRIBUTED"] = variable
    if mode is not None:
        box.configure(mode=mode)
    box.ok("init")
    box.ok("set-model", "gpt-5.2")
    epic = box.epic("parser")
    box.ok("epic", "run", epic)
    assert box.wf("epic", "run", epic, "--follow").code == 1, "a flag of the mode only"
    (box.plan("01") / "plan.md").write_text("# parser\n")
    (box.plan("01") / "todo.md").write_text("- [ ] [T1] first\n")
    box.ok("plan", "another")
    box.ok("code", "01")
    assert box.phase("01") == "coding"
    box.ok("todo", "implemented", "01", "T1", "--test", "true", "--output", "ok")
    box.ok("finish-code", "01")
    box.ok("review", "01")
    box.ok("todo", "reject", "01", "T1", "--reason", "again")
    box.ok("fix", "01")
    box.ok("todo", "implemented", "01", "T1", "--test", "true", "--output", "ok")
    box.ok("finish-code", "01")
    box.ok("review", "01")
    (box.plan("01") / "review.md").write_text(REVIEW)
    box.ok("todo", "accept", "01", "T1")
    box.ok("done", "01")
    assert box.phase("01") == "completed"
    box.ok("epic", "status", epic, "--json")
    box.ok("epic", "validate", epic)
    box.ok("recap")
    box.ok("context", "01", "--json")
    box.wf("verify", "01", "--strict", "--json")
    box.ok("worker", "plan-coder", "--max-jobs", "1")
    box.ok("workers", "start")
    assert box.wf("worker", "ls").code == 1, "not special: `ls` is no role"
    assert no_spool(box)


@pytest.mark.parametrize(("mode", "variable"), OFF)
def test_enqueue_and_dispatch_are_refused_with_exit_4_and_a_hint(
    box: Box, mode: str | None, variable: str | None
) -> None:
    if mode is not None:
        box.configure(mode=mode, runtimes={"shell": {"adapter": "command", "argv": ["true"]}})
    env = {"WF_DISTRIBUTED": variable}
    for words in (("enqueue", "--role", "builder", "--runtime", "shell", "--key", "k"), ("dispatch",)):
        done = box.wf(*words, env=env)
        assert done.code == 4, done.text
        assert "WF_DISTRIBUTED=1" in done.err
        done = box.wf(*words, "--json", env=env)
        assert done.code == 4, done.text
        assert done.document["error"] == "NOT_DISTRIBUTED"
        assert done.document["ok"] is False
    assert no_spool(box)


@pytest.mark.parametrize(
    "words",
    [
        ("spool", "ls"),
        ("spool", "ls", "--json"),
        ("spool", "path"),
        ("spool", "verify"),
        ("spool", "show", "x"),
        ("spool", "gc"),
        ("events",),
        ("logs", "x"),
        ("worker", "ls"),
        ("worker", "ls", "--json"),
        ("worker", "--runtime", "cursor"),
        ("worker", "--runtime", "cursor", "--once", "--json"),
        ("worker", "drain", "all"),
        ("dead", "ls"),
        ("late", "ls"),
        ("explain", "x"),
        ("pause",),
        ("resume",),
        ("retry", "x"),
        ("cancel", "x"),
        ("hold", "x"),
        ("release", "x"),
    ],
    ids=" ".join,
)
def test_with_the_mode_on_commands_that_look_or_care_make_no_spool(box: Box, words: tuple[str, ...]) -> None:
    box.configure()
    before = sorted(p.relative_to(box.root) for p in box.root.rglob("*"))
    done = box.wf(*words)
    assert done.code in (0, 3), done.text
    assert "Traceback" not in done.err
    assert sorted(p.relative_to(box.root) for p in box.root.rglob("*")) == before, "nothing at all was made"


def test_a_watching_worker_waits_for_a_spool_and_makes_none(box: Box) -> None:
    box.shell(': > "$N/ran.$1"\n')
    worker = box.worker()
    worker.says("waiting for a spool")
    assert no_spool(box)
    box.enqueue("job")
    box.noted("ran.job")
    assert worker.stop().code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_waits_for_a_spool_is_drained_like_any_other(box: Box, number: int) -> None:
    box.shell("true\n")
    worker = box.worker("shell", "--json")
    worker.says("waiting for a spool")
    worker.signal(number)
    done = worker.ended()
    assert done.code == 0, done.text
    assert done.document["processed"] == 0
    assert no_spool(box)


def test_an_epic_started_with_the_mode_off_is_taken_up_when_it_is_switched_on(project: Box) -> None:
    epic = project.epic("parser")
    project.ok("epic", "run", epic)
    assert no_spool(project)
    project.ok("config", "set", "distributed", "true")
    published = json.loads(project.ok("dispatch", "--json").out)["published"]
    assert published == [f"e{epic}-p01-i0-plan-orchestrator"]
