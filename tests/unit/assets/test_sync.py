"""Templates, managed files, skills."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
import yaml

from wf_cli.assets import bundle, sync
from wf_cli.errors import StateError

COMMANDS = (
    "code context done epic finish-code fix generate-skill log models plan project recap review set-model "
    "subagents update-model verify who-are-you"
).split()
RULES = (
    "agent-execution orchestration time-tracking bun context7 plans session sync "
    "documentation-language-english wf-cli"
).split()
AGENTS = "epic-planner plan-coder plan-fixer plan-reviewer plan-verifier".split()


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def front_matter(text: str) -> dict[str, object] | None:
    match = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    found: dict[str, object] | None = yaml.safe_load(match.group(1)) if match else None
    return found


def test_the_bundled_set_has_the_names_of_the_contract() -> None:
    names: dict[tuple[str, str], set[str]] = {}
    for template in bundle.bundled():
        names.setdefault((template.tool, template.kind), set()).add(template.relative_path.rpartition(".")[0])
    assert names == {
        ("cursor", "commands"): {*COMMANDS, "worker"},  # additional templates are allowed
        ("opencode", "commands"): {*COMMANDS, "worker"},
        ("cursor", "agents"): set(AGENTS),
        ("opencode", "agents"): {*AGENTS, "plan-worker"},
        ("cursor", "rules"): set(RULES),
        ("opencode", "rules"): set(RULES),
    }


def test_every_template_is_useful_and_its_front_matter_is_yaml() -> None:
    for template, text in bundle.bundled().items():
        front = front_matter(text)
        assert len(text) > 120, template
        assert text.endswith("\n"), template
        if template.kind == "agents":
            assert front is not None
            assert {"description", "model"} <= set(front), template


def test_every_command_that_a_template_names_exists() -> None:
    from wf_cli.cli.frame import registry

    for template, text in bundle.bundled().items():
        for name in re.findall(r"`wf ([a-z][a-z-]*)", text):
            assert name in {*registry.COMMANDS, "job"}, (template, name)


def test_init_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    assert sync.init(tmp_path).seeded
    before = tree(tmp_path)
    assert not sync.init(tmp_path).seeded
    assert tree(tmp_path) == before


def test_sync_without_templates_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(sync.NoTemplates):
        sync.sync(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_targets_follow_the_templates_and_are_never_deleted(tmp_path: Path) -> None:
    sync.init(tmp_path)
    source = tmp_path / ".wf" / "templates" / "cursor" / "commands"
    (source / "code.md").write_text("mine\n")
    (source / "plan.md").unlink()
    sync.sync(tmp_path)
    assert (tmp_path / ".cursor" / "commands" / "code.md").read_text() == "mine\n"
    assert (tmp_path / ".cursor" / "commands" / "plan.md").exists()
    sync.sync(tmp_path, reseed=True)
    assert (tmp_path / ".cursor" / "commands" / "code.md").read_text() != "mine\n"


@pytest.mark.parametrize(
    "relative", ["../../../evil.md", "/etc/evil.md", "a/../../evil.md", "..", "", "a\\..\\evil.md", "x\0.md"]
)
def test_quirk_27_managed_paths_are_confined_and_kept_in_the_list(tmp_path: Path, relative: str) -> None:
    sync.init(tmp_path)
    (tmp_path / "evil.md").write_text("outside\n")
    managed = tmp_path / ".wf" / "managed-files.json"
    entry = {"agent": "cursor", "kind": "commands", "relativePath": relative}
    document = json.loads(managed.read_text())
    document["entries"].append(entry)
    managed.write_text(json.dumps(document))
    before = {name: data for name, data in tree(tmp_path).items() if "managed" not in name}
    done = sync.sync(tmp_path)
    assert len(done.warnings) == 1
    assert {name: data for name, data in tree(tmp_path).items() if "managed" not in name} == before
    assert entry in json.loads(managed.read_text())["entries"]


@pytest.mark.parametrize("text", ["{", '{"entries": 5}', "[]"])
def test_a_malformed_list_stops_before_anything_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / ".wf").mkdir()
    (tmp_path / ".wf" / "managed-files.json").write_text(text)
    with pytest.raises(StateError, match="managed-files"):
        sync.init(tmp_path)
    assert list(tree(tmp_path)) == [".wf/managed-files.json"]


def test_quirk_26_skills_are_mirrored_byte_for_byte_with_their_modes(tmp_path: Path) -> None:
    skill = tmp_path / ".wf" / "skills" / "fx"
    (skill / "bin").mkdir(parents=True)
    (skill / "SKILL.md").write_text("# x\n")
    (skill / ".hidden").write_text("h")
    binary = bytes(range(256))
    (skill / "bin" / "tool").write_bytes(binary)
    (skill / "bin" / "tool").chmod(0o755)
    (tmp_path / ".wf" / "skills" / "no-skill").mkdir()
    stale = tmp_path / ".cursor" / "skills" / "fx" / "stale"
    stale.parent.mkdir(parents=True)
    stale.touch()
    assert sync.sync_skills(tmp_path) == ("fx",)
    for tool in (".cursor", ".opencode"):
        target = tmp_path / tool / "skills" / "fx"
        assert tree(target) == tree(skill)
        assert stat.S_IMODE((target / "bin" / "tool").stat().st_mode) == 0o755
        assert os.listdir(target.parent) == ["fx"]


def test_a_skill_target_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    skill = tmp_path / ".wf" / "skills" / "fx"
    skill.mkdir(parents=True)
    (skill / "SKILL.md").write_text("# x\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (tmp_path / ".cursor" / "skills").mkdir(parents=True)
    (tmp_path / ".cursor" / "skills" / "fx").symlink_to(elsewhere)
    sync.sync_skills(tmp_path)
    assert (elsewhere / "precious").exists()
    assert (tmp_path / ".cursor" / "skills" / "fx" / "SKILL.md").exists()
