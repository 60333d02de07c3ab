"""``~`` and ``$HOME`` where no shell reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wf_cli.config import load
from wf_cli.config.home import path, word
from wf_cli.errors import ConfigError

ENVIRON = {"HOME": "/home/me"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "/home/me"), ("~/spool", "/home/me/spool"), ("$HOME/spool", "/home/me/spool"),
        ("${HOME}/spool", "/home/me/spool"), ("a~b/c", "a~b/c"), (".wf/spool", ".wf/spool"), ("cost$", "cost$"),
    ],
)  # fmt: skip
def test_the_home_folder_is_filled_in_at_the_beginning_of_a_path(text: str, expected: str) -> None:
    assert path(text, ENVIRON) == expected


@pytest.mark.parametrize("text", ["~bob/spool", "$WORK/spool", "/data/${USER}/spool", "$HOMER/x", "~+", "${WORK/x"])
def test_everything_else_that_a_shell_would_expand_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not expanded here"):
        path(text, ENVIRON)


@pytest.mark.parametrize(
    ("home", "text", "expected"),
    [("/", "~", "/"), ("/", "~/x", "/x"), ("/home/me/", "~", "/home/me"), ("/home/me/", "$HOME/x", "/home/me/x")],
)
def test_a_home_that_ends_with_a_slash_gives_no_two(home: str, text: str, expected: str) -> None:
    assert path(text, {"HOME": home}) == expected


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "me"}])
def test_without_a_home_it_means_nothing(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="HOME is not set"):
        path("~/spool", environ)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~/agent.sh", "/home/me/agent.sh"), ("--config=~/c.json", "--config=/home/me/c.json"),
        ("echo $HOME/x; echo ~", "echo $HOME/x; echo ~"), ("$PLAN/x", "$PLAN/x"), ("{job_id}", "{job_id}"),
    ],
)  # fmt: skip
def test_arguments_keep_what_a_shell_may_be_meant_to_read(text: str, expected: str) -> None:
    assert word(text, ENVIRON) == expected


def test_all_paths_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "wf.config.yaml").write_text(
        "spool: {dir: ~/spool}\n"
        "runtimes:\n"
        "  sh: {adapter: command, argv: [$HOME/bin/agent, ~/x.sh, --c=~/y]}\n"
        "  cursor: {command: ['${HOME}/bin/cursor-agent']}\n"
        "notify: [{on: [job.dead], run: [~/bin/notify.sh]}]\n"
    )
    config = load.load(tmp_path, ENVIRON).config
    assert config.spool_path(tmp_path) == Path("/home/me/spool")
    assert config.runtimes["sh"].argv == ("/home/me/bin/agent", "/home/me/x.sh", "--c=/home/me/y")
    assert config.runtimes["cursor"].command == ("/home/me/bin/cursor-agent",)
    assert config.notify[0].run == ("/home/me/bin/notify.sh",)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("spool: {dir: ~bob/spool}\n", "spool.dir"),
        ("spool: {dir: $WORK/spool}\n", "spool.dir"),
        ("runtimes: {sh: {adapter: command, argv: [$TOOLS/agent]}}\n", "runtimes.sh.argv"),
        ("notify: [{on: [job.dead], run: [~bob/notify.sh]}]\n", "notify"),
    ],
)
def test_a_path_that_is_refused_is_named_with_its_line(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "wf.config.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"wf\.config\.yaml:1: .*is not expanded here") as refused:
        load.load(tmp_path, ENVIRON)
    assert f" {key}: " in refused.value.message


@pytest.mark.parametrize(("given", "says"), [("~/spool", None), ("~bob/spool", "WF_SPOOL"), ("$WORK/x", "WF_SPOOL")])
def test_wf_spool_of_the_environment(tmp_path: Path, given: str, says: str | None) -> None:
    environ = {**ENVIRON, "WF_SPOOL": given}
    if says is None:
        assert load.load(tmp_path, environ).config.spool.dir == "/home/me/spool"
        return
    with pytest.raises(ConfigError, match=says):
        load.load(tmp_path, environ)
