"""The name that a person gives a worker is the name by which it is drained."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.in_process import Yard
from support.projects import Cli


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path, "true\n")


@pytest.fixture
def wf(yard: Yard, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(yard.app.root, monkeypatch, capsys)


@pytest.mark.parametrize("name", ["My W", "w.1", "a--b", "Büro", "x" * 60, "plain"])
def test_a_worker_is_drained_by_the_id_that_it_was_given(yard: Yard, wf: Cli, name: str) -> None:
    with yard.running(name=name):
        yard.until(lambda: yard.sessions, "its session")
        code, _, err = wf("worker", "drain", name)
        assert code == 0, err
        yard.says("asked to drain")
    code, out, _ = wf("worker", "undrain", name)
    assert (code, "nothing to take back" in out) == (0, False)


def test_another_workers_id_does_not_drain_it(yard: Yard, wf: Cli) -> None:
    with yard.running(name="My W"):
        yard.until(lambda: yard.sessions, "its session")
        code, _, err = wf("worker", "drain", "My V")
        assert (code, "there is no worker 'my-v'" in err, "did you mean my-w" in err) == (3, True, True)
        yard.enqueue("job")
        assert yard.outcome("job")
    assert not any("asked to drain" in line for line in yard.said)


@pytest.mark.parametrize("words", [("drain", "???"), ("undrain", "--", "-"), ("--runtime", "shell", "--id", "???")])
def test_a_name_without_a_letter_or_digit_is_refused(wf: Cli, words: tuple[str, ...]) -> None:
    code, _, err = wf("worker", *words)
    assert code == 2
    assert "cannot be a worker's name" in err
