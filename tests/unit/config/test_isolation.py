"""The section ``isolation``: off is as if there were none, and what cannot be is refused with its key."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.config import check, isolation, layers
from wf_cli.config.load import load
from wf_cli.config.model import Config, Isolation
from wf_cli.errors import ConfigError


def loaded(root: Path, text: str) -> Isolation:
    (root / "wf.config.yaml").write_text(text)
    return load(root, {"HOME": "/home/ann"}).config.isolation


def problems(section: object) -> dict[str, str]:
    return {one.key: one.message for one in check.sense({"isolation": section}) if one.key != "isolation.mode"}


def test_without_the_section_no_key_of_it_is_told() -> None:
    assert "isolation" not in layers.as_tree(Config())
    assert layers.build({}).isolation == Isolation()


def test_mode_worktree_is_refused_until_agents_work_in_worktrees(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"wf.config.yaml:1: isolation.mode: worktree is planned and does not"):
        loaded(tmp_path, "isolation: {mode: worktree}")


def test_every_key_is_read_and_written_back(tmp_path: Path) -> None:
    read = loaded(
        tmp_path,
        "isolation:\n  mode: off\n  dir: ~/trees\n  branches: bots/wf/\n  target: release/1.x\n"
        "  copy: [.env, config/local.json]\n  setup: [[npm, ci], [~/bin/prepare, --fast]]\n  gates: [[make, test]]\n",
    )
    assert read == Isolation(
        "off", "/home/ann/trees", "bots/wf/", "release/1.x", (".env", "config/local.json"),
        (("npm", "ci"), ("/home/ann/bin/prepare", "--fast")), (("make", "test"),),
    )  # fmt: skip
    assert layers.build(layers.as_tree(Config(isolation=read))).isolation == read


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("{mode: on}", "isolation.mode"),
        ("{branches: wf}", "isolation.branches"),
        ("{branches: ../wf/}", "isolation.branches"),
        ("{branches: -x/}", "isolation.branches"),
        ("{target: ''}", "isolation.target"),
        ("{target: a b}", "isolation.target"),
        ("{target: a..b}", "isolation.target"),
        ("{dir: ../trees}", "isolation.dir"),
        ("{dir: ' /trees'}", "isolation.dir"),
        ("{dir: $DATA/trees}", "isolation.dir"),
        ("{copy: [/etc/passwd]}", "isolation.copy.0"),
        ("{copy: [a, ../b]}", "isolation.copy.1"),
        ("{copy: [~/x]}", "isolation.copy.0"),
        ("{copy: ['*.env']}", "isolation.copy.0"),
        ("{copy: [.git/config]}", "isolation.copy.0"),
        ("{copy: [.wf/spool]}", "isolation.copy.0"),
        ("{setup: [npm ci]}", "isolation.setup.0"),
        ("{gates: [[]]}", "isolation.gates.0"),
        ("{merge: true}", "isolation.merge"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(section: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, f"isolation: {section}")
    assert key in [problem["key"] for problem in refused.value.facts["problems"]]


@given(st.text("ab1./-@{}~^: *[\\HEADlock", min_size=1, max_size=12))
def test_git_takes_every_name_that_is_taken_for_a_branch(name: str) -> None:
    asked = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    assert not isolation.is_branch(name) or asked.returncode == 0


def test_a_role_of_ones_own_that_is_called_integrator_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "wf.config.yaml").write_text("routing: {integrator: {runtime: cursor}}")
    assert load(tmp_path, {}).config.runtime_of_role["integrator"] == "cursor"
