"""The job commands: what they do, what they print, and how they refuse. In this process, against real spools."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.projects import Cli, make_epic
from support.spools import run_one
from support.views import beat, make_late, write_session
from wf_cli import schema
from wf_cli.app import App
from wf_cli.cli.frame import conversion, tables, typer_app
from wf_cli.contract.failure import Failure
from wf_cli.contract.job import End
from wf_cli.contract.lifecycle import Status
from wf_cli.contract.retry import Ending
from wf_cli.contract.token import Pool
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control, late, records
from wf_cli.spool.layout import Spool

POOL = Pool("linter", "shell")
ROW = set(
    """job_id status role runtime attempt burned max_attempts priority ready_at owner plan_id epic_id age_s
    reason reason_age_s""".split()
)
COUNTS = set("queued claimed running held succeeded cancelled failed stalled".split())


class Jobs(Cli):
    """`wf`, and the spool that it works on."""

    @property
    def app(self) -> App:
        return App(self.root, os.environ)

    @property
    def spool(self) -> Spool:
        return self.app.create_spool()

    @property
    def queue(self) -> SpoolQueue:
        return self.app.queue(self.spool)

    def enqueue(self, *keys: str, **facts: Any) -> None:
        for key in keys:
            self.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", key, *_options(facts))

    def die(self, key: str, code: str = "invalid_spec") -> None:
        """A dead letter."""
        self.enqueue(key, max_attempts=1, priority=0)  # so that it is the one that is taken
        self.queue.end(
            run_one(self.queue, "w-box-1", POOL), Ending(End.FAILED, failure=Failure(code, "no")), by="w-box-1"
        )

    def succeed(self, key: str) -> None:
        self.enqueue(key, priority=0)
        self.queue.end(run_one(self.queue, "w-box-1", POOL), Ending(End.SUCCEEDED), by="w-box-1")

    def status(self, job_id: str) -> str:
        found = self.queue.find(job_id)
        return "none" if found is None else str(found.status)

    def refused(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and document of a command that fails."""
        code, out, _ = self(*words, "--json")
        document = json.loads(out)
        assert document["ok"] is False
        assert {"error", "message", "schema_version"} <= set(document)
        return code, document


def _options(facts: dict[str, Any]) -> list[str]:
    return [word for name, value in facts.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Jobs:
    for name in [name for name in os.environ if name.startswith("WF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    return Jobs(tmp_path, monkeypatch, capsys)


# -- every command


def _commands() -> list[tuple[str, ...]]:
    out: list[tuple[str, ...]] = []
    mine = ("enqueue", "spool", "retry", "cancel", "hold", "release", "explain", "logs", "events", "dead", "late")
    for name in mine:
        command = typer_app.application().get_command(None, name)
        out += [(name, sub) for sub in getattr(command, "commands", {})] or [(name,)]
    return out


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_the_common_options(wf: Jobs, words: tuple[str, ...]) -> None:
    code, out, _ = wf(*words, "--help")
    assert code == 0
    for text in ("--spool", "--config", "--json", f"wf {words[0]}"):
        assert text in out
    examples = [line for line in out.splitlines() if line.startswith("  wf ") or '"$(wf ' in line]
    assert examples, out


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_an_unknown_option_is_a_usage_error_in_json_too(wf: Jobs, words: tuple[str, ...]) -> None:
    code, document = wf.refused(*words, "--nonsense")
    assert (code, document["error"]) == (2, "USAGE")


NEEDS_A_SPOOL = [
    tuple(line.split())
    for line in """
    spool show x
    spool verify
    spool gc
    spool purge --epic 1
    spool path
    retry x
    cancel x
    hold x
    release x
    explain x
    logs x
    events
    dead show x
    dead redrive x
    dead purge x
    late show x
    late apply x
    late discard x
    """.strip().splitlines()
]


@pytest.mark.parametrize("words", NEEDS_A_SPOOL, ids=" ".join)
def test_without_a_spool_it_is_not_found_and_none_is_made(wf: Jobs, words: tuple[str, ...]) -> None:
    code, document = wf.refused(*words)
    assert (code, document["error"]) == (3, "SPOOL_MISSING")
    assert "wf epic run" in document["hint"]
    assert not (wf.root / ".wf").exists()


@pytest.mark.parametrize("words", [("spool", "ls"), ("dead", "ls"), ("late", "ls"), ("dead", "ls", "--by", "error")])
def test_lists_are_empty_without_a_spool(wf: Jobs, words: tuple[str, ...]) -> None:
    document = wf.json(*words)
    assert document["ok"] is True
    assert document["schema_version"] == 1
    assert not (wf.root / ".wf").exists()
    if words[1] == "ls" and words[0] == "spool":
        assert set(document["counts"]) == COUNTS
        assert set(document["counts"].values()) == {0}
        assert document["jobs"] == []


@pytest.mark.parametrize("words", [("spool", "ls"), *NEEDS_A_SPOOL], ids=" ".join)
def test_a_spool_of_another_version_is_refused(wf: Jobs, words: tuple[str, ...]) -> None:
    folder = wf.root / ".wf" / "spool"
    folder.mkdir(parents=True)
    (folder / "VERSION").write_text('{"format": 99, "id": "x", "topology": "local", "durability": "none"}')
    code, document = wf.refused(*words)
    assert (code, document["error"]) == (1, "SPOOL_VERSION")


def test_the_spool_option_and_the_config_option_say_which_spool(wf: Jobs) -> None:
    elsewhere = wf.root / "elsewhere"
    wf.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", "a", "--spool", str(elsewhere))
    assert wf.json("spool", "ls", "--spool", "elsewhere")["counts"]["queued"] == 1
    assert wf.json("spool", "ls")["counts"]["queued"] == 0
    (wf.root / "other.yaml").write_text("version: 1\nspool: {dir: elsewhere}\n")
    assert wf.json("spool", "ls", "--config", "other.yaml")["counts"]["queued"] == 1
    (wf.root / "wf.config.yaml").write_text("version: 1\nspool: {dir: elsewhere}\n")
    assert wf.json("spool", "path")["path"] == str(elsewhere)


# -- ls and show


def test_ls_has_the_keys_and_the_counts_of_all_that_fit(wf: Jobs) -> None:
    wf.enqueue("a", "b")
    wf.die("c")
    document = wf.json("spool", "ls", "--limit", "1")
    assert set(document["counts"]) == COUNTS
    assert document["counts"] == {**dict.fromkeys(COUNTS, 0), "queued": 2, "failed": 1}
    assert [set(job) for job in document["jobs"]] == [ROW]
    assert wf.json("spool", "ls", "--status", "dead")["jobs"][0]["reason"] == "invalid_spec: no"
    assert [job["job_id"] for job in wf.json("spool", "ls", "--error", "permanent")["jobs"]] == ["c"]
    assert wf.json("spool", "ls", "--plan", "3")["jobs"] == []


def test_ls_in_a_pipe_is_one_record_a_line_with_a_fixed_number_of_columns(wf: Jobs) -> None:
    wf.enqueue("a", "b")
    code, out, err = wf("spool", "ls")
    assert code == 0
    assert "no worker takes linter@shell (2 job(s) wait)" in err
    assert [len(line.split()) for line in out.splitlines()] == [10, 10]
    assert "\t" not in out
    assert "\x1b" not in out


def test_ls_passes_over_hostile_names_and_prints_no_control_characters(wf: Jobs) -> None:
    wf.die("a")
    outcome = json.loads(wf.spool.outcome_path("a", 1).read_text())
    outcome["error"]["message"] = "\x1b]0;owned\x07 and\nmore\t."
    wf.spool.outcome_path("a", 1).write_text(json.dumps(outcome))
    for name in ("5.1.evil.json", "conflict (1).json", "-rf", "é.json"):
        wf.spool.path("queued", name).write_text("{}")
    os.mkfifo(wf.spool.path("queued", "pipe"))
    wf.spool.path("queued", "5.1764000000000.link.linter@shell.a0b0of3.json").symlink_to("/dev/zero")
    code, out, _ = wf("spool", "ls")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "\x1b" not in out
    assert "\x07" not in out
    code, out, _ = wf("spool", "show", "link", "--json")
    assert code == 0
    assert schema.problems("job", json.loads(out)) == []


def test_ls_on_a_terminal_has_a_head_and_colours_unless_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.delenv("NO_COLOR", raising=False)
    rows = [("failed", "a", "x" * 60), ("odd", "b", None)]
    assert tables.table(("STATUS", "JOB", "WHY"), rows) == [
        "\x1b[1mSTATUS  JOB  WHY\x1b[0m",
        f"\x1b[31mfailed\x1b[0m  a    {'x' * 17}",
        "odd     b    -",
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    assert tables.table(("STATUS", "JOB"), [("failed", "a")]) == ["STATUS  JOB", "failed  a"]


def test_show_prints_the_whole_record_as_the_schema_says(wf: Jobs) -> None:
    wf.enqueue("build-it", payload='{"x": 1}')
    token = run_one(wf.queue, "w-box-1", POOL)
    beat(wf.spool, "w-box-1")
    write_session(wf.spool, "w-box-1", token)
    document = wf.json("spool", "show", "build")
    assert schema.problems("job", document) == []
    assert set(document) >= ROW
    assert set(document["lease"]) == {"owner", "host", "pid", "renewed_s_ago", "expired"}
    assert document["lease"]["expired"] is False
    assert [event["event"] for event in document["events"]] == ["job.enqueued", "job.claimed", "job.started"]
    code, out, _ = wf("spool", "show", "build-it")
    assert code == 0
    assert '{"x": 1}' in out
    assert "w-box-1" in out


def test_a_prefix_fits_whole_components_only_and_one_job(wf: Jobs) -> None:
    wf.enqueue("x-i1", "x-i10", "x-i10-b")
    assert wf.json("spool", "show", "x-i10")["job_id"] == "x-i10", "an exact id fits only itself"
    code, document = wf.refused("spool", "show", "x")
    assert (code, document["error"], document["candidates"]) == (3, "AMBIGUOUS", ["x-i1", "x-i10", "x-i10-b"])
    code, document = wf.refused("spool", "show", "x-i2")
    assert (code, document["error"]) == (3, "JOB_NOT_FOUND")
    assert "x-i1" in document["nearest"]
    for text in ("", "../../etc/passwd", "\x00", "-", "*"):
        assert wf("spool", "show", "--json", "--", text)[0] == 3


def test_verify_finds_fixes_and_then_is_content(wf: Jobs) -> None:
    wf.enqueue("a")
    assert wf.json("spool", "verify")["findings"] == []
    wf.spool.path("queued", "a (conflicted copy).json").write_text("{}")
    code, document = wf.refused("spool", "verify")
    assert (code, document["error"]) == (5, "UNHEALTHY")
    assert [set(f) >= {"path", "kind", "severity", "fixed"} for f in document["findings"]] == [True]
    assert wf("spool", "verify")[0] == 5
    assert [f["fixed"] for f in wf.json("spool", "verify", "--fix")["findings"]] == [True]
    assert wf.json("spool", "verify")["findings"] == []


def test_gc_archives_and_the_key_stays_taken(wf: Jobs) -> None:
    wf.succeed("a")
    wf.die("b")
    assert wf.json("spool", "gc")["archived"] == []
    assert wf.json("spool", "gc", "--older", "0s", "--keep-failed")["archived"] == ["a"]
    assert wf.json("spool", "gc", "--older", "0s")["archived"] == ["b"]
    assert wf.json("spool", "show", "a")["status"] == "succeeded"
    assert wf.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", "a")["deduped"] is True
    assert wf.refused("spool", "gc", "--older", "soon")[0] == 2


def test_purge_refuses_a_running_epic_and_one_with_live_jobs(wf: Jobs) -> None:
    from wf_cli.contract.identity import Target
    from wf_cli.queue.values import JobRequest

    target = Target("01", 0, "code", "linter", epic_id="01")
    job_id = wf.queue.enqueue(JobRequest(role="linter", runtime="shell", target=target)).job_id
    assert wf.refused("spool", "purge", "--epic", "1")[0] == 4
    assert wf.json("cancel", job_id)["cancelled"] == [job_id]
    epic = make_epic(wf.root, orchestration={"status": "running"})
    code, document = wf.refused("spool", "purge", "--epic", "01")
    assert (code, document["hint"]) == (4, "wf epic stop 01 first")
    (epic / "state.json").unlink()
    epic.rename(wf.root / "gone")
    assert wf.json("spool", "purge", "--epic", "01")["purged"] == [job_id]
    assert wf.refused("spool", "purge", "--epic", "01")[0] == 3


# -- enqueue


def test_enqueue_makes_one_job_for_a_key(wf: Jobs) -> None:
    words = ("enqueue", "--role", "linter", "--runtime", "shell", "--key", "a b/ü", "--payload", '{"x": 1}')
    first = wf.json(*words, "--priority", "2", "--max-attempts", "7", "--in", "1h")
    assert {k: first[k] for k in ("ok", "deduped", "status")} == {"ok": True, "deduped": False, "status": "queued"}
    assert wf.json(*words)["deduped"] is True
    (job,) = wf.json("spool", "ls")["jobs"]
    assert (job["job_id"], job["priority"], job["max_attempts"]) == (first["job_id"], 2, 7)
    assert job["ready_at"] is not None
    assert wf.json("spool", "show", first["job_id"])["dedupe_key"] == "key:a b/ü"


def test_enqueue_warns_when_the_key_belongs_to_other_work(wf: Jobs) -> None:
    wf.enqueue("a", payload=1)
    code, out, err = wf("enqueue", "--role", "tester", "--runtime", "shell", "--key", "a", "--payload", "2", "--json")
    assert code == 0
    assert json.loads(out)["deduped"] is True
    assert "another role" in err
    assert "another payload" in err


def test_enqueue_takes_the_runtime_and_the_budget_from_the_configuration(wf: Jobs) -> None:
    (wf.root / "wf.config.yaml").write_text(
        "version: 1\nmode: distributed\nretry: {max_attempts: 9}\nruntimes:\n"
        "  shell: {adapter: command, argv: ['true']}\nrouting:\n  linter: {runtime: shell}\n"
    )
    wf.json("enqueue", "--role", "linter", "--key", "a")
    (job,) = wf.json("spool", "ls")["jobs"]
    assert (job["runtime"], job["max_attempts"]) == ("shell", 9)
    assert wf.refused("enqueue", "--role", "nobody", "--key", "b")[0] == 2


def test_enqueue_is_refused_with_the_mode_off(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WF_DISTRIBUTED", "0")
    code, document = wf.refused("enqueue", "--role", "linter", "--runtime", "shell", "--key", "a")
    assert (code, document["error"]) == (4, "NOT_DISTRIBUTED")
    assert not (wf.root / ".wf").exists()


JOB = ("--role", "linter", "--key", "k")
BAD = [
    ("--key", "k"),
    ("--role", "linter"),
    ("--role", "Linter", "--key", "k"),
    ("--role", "r" * 60, "--key", "k"),
    ("--role", "linter", "--key", ""),
    ("--role", "linter", "--key", "k" * 97),
    (*JOB, "--runtime", "a b"),
    (*JOB, "--payload", "{"),
    (*JOB, "--payload", "NaN"),
    (*JOB, "--payload", "@nofile"),
    (*JOB, "--payload", "[" * 100_000),
    (*JOB, "--in", "soon"),
    (*JOB, "--in", "400d"),
    (*JOB, "--priority", "10"),
    (*JOB, "--max-attempts", "0"),
    (*JOB, "--max-attempts", "9999999"),
    ("--from", "nofile"),
    ("--from", "x", "--key", "k"),
]


@pytest.mark.parametrize("words", BAD, ids=lambda words: " ".join(words)[:40])
def test_enqueue_refuses_what_cannot_be_a_job(wf: Jobs, words: tuple[str, ...]) -> None:
    code, _ = wf.refused("enqueue", "--runtime", "shell", *words)
    assert code == 2
    assert not (wf.root / ".wf").exists(), "nothing is made for nothing"


def test_a_payload_too_large_to_be_read_again_is_refused(wf: Jobs) -> None:
    (wf.root / "big.json").write_text(json.dumps("x" * records.RECORD_LIMIT))
    code, document = wf.refused(
        "enqueue", "--role", "linter", "--runtime", "shell", "--key", "a", "--payload", "@big.json"
    )
    assert (code, document["error"]) == (2, "SPEC_TOO_LARGE")


def test_enqueue_from_a_file_makes_all_or_nothing(wf: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wf.root / "jobs.jsonl"
    lines = [{"role": "linter", "key": "a", "payload": [1]}, {"key": "b", "priority": 0, "in": "1h"}, {"key": "a"}]
    text = "\n".join(map(json.dumps, lines)) + "\n\n"
    path.write_text(text + '{"key": "c", "nope": 1}\n')
    code, document = wf.refused("enqueue", "--from", "jobs.jsonl", "--role", "linter", "--runtime", "shell")
    assert code == 2
    assert "jobs.jsonl:5" in document["message"]
    assert not (wf.root / ".wf").exists()
    path.write_text(text)
    found = wf.json("enqueue", "--from", "jobs.jsonl", "--role", "linter", "--runtime", "shell")
    assert {k: found[k] for k in ("enqueued", "deduped", "job_ids")} == {
        "enqueued": 2, "deduped": 1, "job_ids": ["a", "b", "a"],
    }  # fmt: skip
    stdin = io.TextIOWrapper(io.BytesIO(b'{"key": "d"}'))
    monkeypatch.setattr("sys.stdin", stdin)
    assert wf.json("enqueue", "--from", "-", "--role", "linter", "--runtime", "shell")["job_ids"] == ["d"]


LINES = [
    "7",
    "{",
    '{"key": 1}',
    '{"key": "k", "priority": 1.5}',
    '{"key": "k", "priority": true}',
    '{"key": "k", "in": 5}',
    '{"key": "k", "max_attempts": 0}',
    '{"role": "A", "key": "k"}',
]


@pytest.mark.parametrize("line", LINES)
def test_a_bad_line_is_named(wf: Jobs, line: str) -> None:
    (wf.root / "j").write_text(f'{{"key": "fine"}}\n{line}\n')
    code, document = wf.refused("enqueue", "--from", "j", "--role", "linter", "--runtime", "shell")
    assert (code, document["message"].split(": ")[0]) == (2, "j:2")
    assert not (wf.root / ".wf").exists()


# -- bulk commands


@pytest.mark.parametrize("verb", ["retry", "cancel", "hold", "release"])
def test_a_bulk_command_without_a_selector_does_nothing(wf: Jobs, verb: str) -> None:
    wf.enqueue("a")
    assert wf.refused(verb)[1]["error"] == "NOTHING_SELECTED"
    assert wf(verb)[0] == 2
    assert wf.refused(verb, "--dry-run")[0] == 2
    assert wf.refused(verb, "--status", "nope")[0] == 2
    assert wf.refused(verb, "--role", "nobody")[0] == 3
    assert wf.status("a") == "queued"


def test_retry_queues_dead_and_cancelled_jobs_again(wf: Jobs) -> None:
    wf.die("a")
    wf.enqueue("b")
    wf.json("cancel", "b")
    done = wf.json("retry", "a", "b", "--in", "1h", "--reason", "try again", "--fresh")
    assert (done["retried"], done["refused"]) == (["a", "b"], [])
    jobs = {job["job_id"]: job for job in wf.json("spool", "ls")["jobs"]}
    assert [(jobs[k]["status"], jobs[k]["burned"], jobs[k]["attempt"]) for k in "ab"] == [
        ("queued", 0, 1), ("queued", 0, 0),
    ]  # fmt: skip
    assert jobs["a"]["ready_at"] is not None
    assert control.has(wf.spool, "fresh.a.a2")
    reasons = [e["reason"] for e in wf.json("spool", "show", "a")["events"] if e["event"] == "job.retried"]
    assert reasons == ["try again"]


def test_retry_refuses_live_jobs_and_success_without_force(wf: Jobs) -> None:
    wf.succeed("a")
    wf.enqueue("b", "c")
    wf.json("hold", "c")
    code, document = wf.refused("retry", "a", "b", "c")
    assert (code, document["retried"]) == (4, [])
    assert [refusal["job_id"] for refusal in document["refused"]] == ["a", "b", "c"]
    assert all(refusal["why"] for refusal in document["refused"])
    assert wf("retry", "a")[0] == 4
    done = wf.json("retry", "a", "b", "--force")
    assert (done["retried"], [r["job_id"] for r in done["refused"]]) == (["a"], ["b"])


def test_retry_all_means_the_dead_only_and_a_dry_run_changes_nothing(wf: Jobs) -> None:
    wf.die("a", "crashed")
    wf.die("b", "invalid_spec")
    wf.enqueue("c")
    wf.json("cancel", "c")
    done = wf.json("retry", "--all", "--dry-run")
    assert (done["retried"], done["dry_run"]) == (["a", "b"], True)
    assert (wf.status("a"), wf.status("b")) == ("failed", "failed")
    assert wf.json("retry", "--error", "crashed")["retried"] == ["a"]
    assert wf.json("retry", "--status", "cancelled")["retried"] == ["c"]


def test_cancel_ends_waiting_jobs_and_refuses_finished_ones(wf: Jobs) -> None:
    wf.enqueue("a", "b")
    wf.json("hold", "b")
    wf.succeed("c")
    done = wf.json("cancel", "--all", "--reason", "enough")
    assert sorted(done["cancelled"]) == ["a", "b"]
    assert done["still_running"] == []
    assert wf.refused("cancel", "c")[0] == 4
    events = wf.json("spool", "show", "a")["events"]
    assert events[-1]["reason"] == "enough"


def test_cancel_does_not_wait_for_a_dead_session_and_says_what_still_runs(wf: Jobs) -> None:
    wf.enqueue("a", "b")
    for owner, dead in (("w-dead-1", True), ("w-box-1", False)):
        token = run_one(wf.queue, owner, POOL)
        write_session(wf.spool, owner, token, dead=dead)
    assert wf.json("cancel", "a")["still_running"] == []
    code, out, _ = wf("cancel", "b", "--grace", "0s", "--json", "--reason", "stop")
    assert code == 0
    assert json.loads(out)["still_running"] == ["b"]
    outcome = records.read_outcome(wf.spool, "b", 1)
    assert outcome is not None
    assert (outcome.end, outcome.reason) == (End.CANCELLED, "stop")
    assert wf.refused("cancel", "b", "--grace", "x")[0] == 2


def test_hold_and_release_and_their_refusals(wf: Jobs) -> None:
    wf.enqueue("a", "b")
    run_one(wf.queue, "w-box-1", POOL)
    code, document = wf.refused("hold", "a")
    assert (code, document["error"]) == (4, "REFUSED")
    assert wf.json("hold", "--all", "--reason", "wait")["held"] == ["b"]
    assert wf.refused("release", "a")[0] == 4
    assert wf.json("release", "b")["released"] == ["b"]
    assert wf.refused("release", "b")[0] == 4


def test_explain_says_what_is_missing_and_the_command_for_it(wf: Jobs) -> None:
    wf.enqueue("a")
    document = wf.json("explain", "a")
    assert set(document) >= {"job_id", "status", "summary", "conditions", "next"}
    assert [set(c) for c in document["conditions"]] == [{"name", "holds", "text", "command"}] * 4
    by_name = {condition["name"]: condition for condition in document["conditions"]}
    assert "there is no runtime 'shell' in wf.config" in by_name["runtime_configured"]["text"]
    assert by_name["worker"]["command"] == "wf worker linter --runtime shell --watch"
    assert wf("explain", "a")[1].startswith("a is queued: ")
    assert wf.refused("explain", "zz")[0] == 3


# -- logs and events


def test_logs_prints_a_transcript_without_its_control_characters(wf: Jobs) -> None:
    wf.enqueue("a")
    assert wf.refused("logs", "a")[0] == 3
    run_one(wf.queue, "w-box-1", POOL)
    assert wf.refused("logs", "a")[0] == 3
    wf.spool.transcript_path("a", 1).write_bytes(b"one\n\x1b[31mtwo\x07\tx\n")
    assert wf("logs", "a")[1] == "one\n[31mtwo\tx\n"
    lines = [json.loads(line) for line in wf("logs", "a", "--json")[1].splitlines()]
    assert lines[1] == {"ok": True, "schema_version": 1, "job_id": "a", "attempt": 1, "line": "\x1b[31mtwo\x07\tx"}
    assert wf.refused("logs", "a", "--attempt", "2")[0] == 3
    assert wf.refused("logs", "a", "--attempt", "0")[0] == 2


def test_events_are_merged_selected_and_valid(wf: Jobs) -> None:
    wf.enqueue("a", "b")
    wf.json("hold", "a", "--reason", "why")
    events = [json.loads(line) for line in wf("events", "--json")[1].splitlines()]
    assert [e["event"] for e in events] == ["job.enqueued", "job.enqueued", "job.held"]
    assert all(schema.problems("event", e) == [] for e in events)
    assert len(wf("events", "--kind", "job.held")[1].splitlines()) == 1
    assert wf("events", "--kind", "pool")[1] == ""
    assert len(wf("events", "--since", "1h")[1].splitlines()) == 3
    assert wf("events", "--since", "2099-01-01T00:00:00Z")[1] == ""
    assert len(wf("logs", "a", "--events", "--json")[1].splitlines()) == 2
    code, document = wf.refused("events", "--kind", "job.heldd")
    assert (code, document["hint"]) == (2, "did you mean job.held?")
    assert wf.refused("events", "--since", "yesterday")[0] == 2


# -- dead and late


def test_dead_letters_are_listed_grouped_shown_and_redriven_at_a_rate(wf: Jobs) -> None:
    for key, code in (("a", "crashed"), ("b", "crashed"), ("c", "invalid_spec")):
        wf.die(key, code)
    assert [job["job_id"] for job in wf.json("dead", "ls")["jobs"]] == ["a", "b", "c"]
    assert wf.json("dead-letter", "ls", "--by", "error")["groups"] == [
        {"error": "crashed", "count": 2, "jobs": ["a", "b"]},
        {"error": "invalid_spec", "count": 1, "jobs": ["c"]},
    ]
    assert wf.json("dead", "show", "a")["error"]["code"] == "crashed"
    assert wf.refused("dead", "redrive")[0] == 2
    assert wf.refused("dead", "redrive", "--all", "--rate", "10")[0] == 2
    assert wf.refused("dead", "redrive", "--status", "queued")[0] == 2
    assert wf.json("dead", "redrive", "--error", "crashed", "--rate", "1/m")["retried"] == ["a", "b"]
    jobs = {job["job_id"]: job for job in wf.json("spool", "ls")["jobs"]}
    assert jobs["a"]["ready_at"] is None
    assert jobs["b"]["ready_at"] is not None
    assert wf.refused("dead", "show", "a")[0] == 3


def test_dead_letters_are_put_away_and_their_keys_stay_taken(wf: Jobs) -> None:
    wf.die("a")
    wf.enqueue("b")
    assert wf.json("dead", "purge", "--all", "--dry-run")["purged"] == ["a"]
    assert wf.json("dead", "purge", "--all")["purged"] == ["a"]
    assert wf.json("dead", "ls")["jobs"] == []
    assert wf.json("enqueue", "--role", "linter", "--runtime", "shell", "--key", "a")["deduped"] is True
    assert wf.refused("dead", "purge", "b")[0] == 4


def test_a_late_result_is_listed_shown_and_applied(wf: Jobs) -> None:
    wf.enqueue("a")
    name = make_late(wf.queue, run_one(wf.queue, "w-box-1", POOL), answer=42)
    (found,) = wf.json("late", "ls")["late"]
    assert {
        "id": name,
        "job_id": "a",
        "attempt": 1,
        "owner": "w-box-1",
        "status": "succeeded",
    }.items() <= found.items()
    assert found["standing"] == "lost"
    assert wf.json("late", "show", "a")["result"] == {"answer": 42}
    done = wf.json("late", "apply", name, "--reason", "good")
    assert {"job_id": "a", "attempt": 2, "status": "succeeded", "accepted": True}.items() <= done.items()
    shown = wf.json("spool", "show", "a")
    assert (shown["status"], shown["result"]) == ("succeeded", {"answer": 42})
    assert wf.refused("late", "apply", name)[0] == 3


def test_a_late_result_of_a_plan_is_applied_only_when_the_plan_has_it(wf: Jobs) -> None:
    from wf_cli.contract.identity import Target
    from wf_cli.queue.values import JobRequest

    target = Target("01", 0, "code", "linter")
    wf.queue.enqueue(JobRequest(role="linter", runtime="shell", target=target))
    name = make_late(wf.queue, run_one(wf.queue, "w-box-1", POOL))
    code, document = wf.refused("late", "apply", name)
    assert (code, document["error"]) == (75, "PLAN_ABSENT")
    assert "plan 01 is not in the checkout" in document["message"]
    assert wf.queue.find("p01-i0-code-linter").status is Status.QUEUED  # type: ignore[union-attr]
    assert len(late.listing(wf.spool)) == 1


def test_a_late_result_is_discarded_only_by_name(wf: Jobs) -> None:
    wf.enqueue("a")
    name = make_late(wf.queue, run_one(wf.queue, "w-box-1", POOL))
    wf.spool.path("outcomes", "a.a1.forged.late.json").write_text("{")
    assert {f["status"] for f in wf.json("late", "ls")["late"]} == {"succeeded", "damaged"}
    assert wf.refused("late", "discard", "a")[1]["error"] == "AMBIGUOUS"
    assert wf.json("late", "discard", name, "--reason", "no use")["discarded"] == name
    assert wf.json("late", "discard", "a")["discarded"] == "a.a1.forged"
    assert [e["reason"] for e in wf.json("spool", "show", "a")["events"] if e["event"] == "attempt.late"] == [
        "superseded: lost", "discarded: no use", "discarded",
    ]  # fmt: skip


# -- typer


def test_a_default_of_any_kind_needs_no_conversion_and_text_gets_it() -> None:
    command = typer_app.application().get_command(None, "spool").commands["ls"]
    conversion.relax(command)
    with command.make_context("ls", ["--limit", "7", "--sort", "age", "--role", "a", "--role", "b"]) as context:
        assert (context.params["limit"], str(context.params["sort"])) == (7, "age")
        assert list(context.params["role"]) == ["a", "b"]
    with command.make_context("ls", []) as context:
        assert (context.params["limit"], str(context.params["sort"])) == (None, "status")
