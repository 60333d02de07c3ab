"""What others wrote into a spool neither acts on a terminal nor ends a command: texts, numbers, one bad item."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from support.clock import FakeClock
from support.projects import Cli
from support.spools import POOL, failing, make_spool, request, run_one, spool_queue
from support.views import beat
from wf_cli.contract import plain_json, text
from wf_cli.editor import sign_of_life
from wf_cli.eventlog.lines import parse_line
from wf_cli.spool import control, judgement, records, retention, session, verify
from wf_cli.spool.layout import Spool
from wf_cli.spool.troubles import Trouble

OWNER = "w-box-1"
EVIL = "\x1b]0;owned\x07\x1b[2J\u009b31m\u202elive\r\x08"
#: Everything that may not reach a terminal. Ends of lines are those of the command.
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture
def wf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    (tmp_path / "wf.config.json").write_text('{"version": 1, "mode": "distributed"}')
    return Cli(tmp_path, monkeypatch, capsys)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / ".wf" / "spool")


def written(spool: Spool, owner: str = OWNER, **facts: Any) -> dict[str, Any]:
    """A session's file, changed by foreign hands."""
    session.SessionFile(spool, session.this_process(owner, "opencode", 30.0, 1_764_000_000_000))
    beat(spool, owner)
    path = spool.path("sessions", f"{owner}.json")
    value = json.loads(path.read_text()) | facts
    path.write_text(json.dumps(value))
    return dict(value)


def assert_harmless(*texts: str) -> None:
    for one in texts:
        found = ACTS.search(one)
        assert found is None, one[max(0, found.start() - 80) :][:200]


def test_each_harmful_character_is_shown_as_its_escape_and_letters_stay() -> None:
    assert text.line("a\x1b[31m\u009b\u202e\nb\tc") == "a\\x1b[31m\\x9b\\u202e b c"
    assert text.lines("a\nb\tc\r\x00") == "a\nb\tc\\x0d\\x00"
    for plain in ("grüße", "שלום", "مرحبا\u200cدنیا", "👩\u200d💻", "字"):
        assert text.line(plain) == plain
    assert text.line("\udcff") == "\\udcff"


def test_json_for_others_holds_escapes_and_says_the_same() -> None:
    value = {"a\u009b": [EVIL, "grüße"]}
    printed = plain_json.dumps(value, ensure_ascii=False)
    assert_harmless(printed)
    assert json.loads(printed) == value
    assert "grüße" in printed


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("character", sorted({chr(n) for n in range(0x2100) if ACTS.match(chr(n))}))
def test_each_harmful_character_is_an_escape_in_json_also_as_the_only_one(character: str, ascii_only: bool) -> None:
    printed = plain_json.dumps({f"a{character}": character}, ensure_ascii=ascii_only)
    assert_harmless(printed)
    assert json.loads(printed) == {f"a{character}": character}


@pytest.mark.parametrize(
    "command",
    ["worker ls", "worker ls --json", "spool ls", "explain job", "explain job --json", "spool show job --json",
     "spool show job", "doctor --no-call", "dead ls", "dead show late", "dead show late --json", "events", "late ls",
     "events --json", "logs late", "logs late --events", "spool verify", "spool verify --json"],
)  # fmt: skip
def test_no_command_hands_a_terminal_what_others_wrote(wf: Cli, spool: Spool, command: str) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("late", max_attempts=1))
    queue.end(run_one(queue), failing("crashed"), by=OWNER)
    queue.enqueue(request("job", payload={"do": EVIL, EVIL: 1}))
    path = spool.outcome_path("late", 1)
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"reason": EVIL, "error": value["error"] | {"message": EVIL, "errors": [EVIL]},
                                        "result": {EVIL: EVIL}, "session_id": EVIL}))  # fmt: skip
    written(spool, runtime=EVIL, host=EVIL, roles=[EVIL], state=EVIL, start=EVIL, boot_id=EVIL, pid_ns=EVIL)
    for name in ("pause", "cooldown.opencode", f"pause.{EVIL}"):
        control.request(spool, name, FakeClock(), reason=EVIL)
    spool.path("queued", EVIL).write_text("x")
    spool.root.joinpath(EVIL).write_text("x")
    spool.path("sessions", f"{OWNER}.gone").write_text(
        json.dumps({"verdict": EVIL, "by": EVIL, "host": EVIL, "at": EVIL})
    )
    spool.transcript_path("late", 1).write_text(EVIL + "\n")
    event = {"ts": "2026-11-27T00:00:00.000Z", "event": "job.failed", "job_id": "late", "reason": EVIL, "host": EVIL}
    spool.path("log", f"{OWNER}.jsonl").write_text(
        json.dumps(event) + "\n" + json.dumps(event | {"event": EVIL}) + "\n"
    )
    _, out, err = wf(*command.split())
    assert_harmless(out, err)
    assert "internal error" not in err + out


def test_text_is_harmless_where_it_is_read(spool: Spool) -> None:
    written(spool, host=EVIL, state=EVIL)
    record = session.read(spool, OWNER)
    assert record is not None
    assert_harmless(record.host, record.state)
    control.request(spool, "pause", FakeClock(), reason=EVIL)
    (stop,) = control.Requests(spool, FakeClock()).stops()
    assert_harmless(stop.text())
    spool.path("sessions", f"{OWNER}.gone").write_text(json.dumps({"verdict": EVIL, "host": EVIL, "at": EVIL}))
    verdict = judgement.standing(spool, OWNER)
    assert verdict is not None
    assert_harmless(verdict.rule, verdict.host, verdict.at)
    spool.path("queued", EVIL).write_text("")
    assert_harmless(*(f"{f.path} {f.detail} {f.remedy}" for f in verify.verify(spool, FakeClock())))
    assert_harmless(str(Trouble.of(spool.path("queued", EVIL), ValueError(EVIL))))
    event = parse_line(json.dumps({"ts": "2026-11-27T00:00:00Z", "event": EVIL, "reason": EVIL}).encode())
    assert event is not None
    assert_harmless(event.event, event.facts["reason"])


def test_an_outcome_is_harmless_where_it_is_read_and_keeps_its_lines(spool: Spool) -> None:
    queue = spool_queue(spool)
    queue.enqueue(request("job", max_attempts=1))
    queue.end(run_one(queue), failing("crashed"), by=OWNER)
    path = spool.outcome_path("job", 1)
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"error": value["error"] | {"message": f"one\ntwo{EVIL}"}}))
    outcome = records.read_outcome(spool, "job", 1)
    assert outcome is not None
    assert outcome.failure is not None
    assert_harmless(outcome.failure.message)
    assert outcome.failure.message.startswith("one\ntwo")


# -- numbers


@pytest.mark.parametrize("key", ["pid", "lease_seconds", "started_ms", "concurrency"])
@pytest.mark.parametrize("value", [1e40, -1, 10**40, float("inf"), float("nan"), True, "1", None, [], 10**15])
def test_a_number_of_a_session_that_cannot_be_is_one_damaged_file(
    wf: Cli, spool: Spool, key: str, value: object
) -> None:
    written(spool, **{key: value})
    written(spool, "v-box-1")
    assert session.read(spool, OWNER) is None
    for words in (("worker", "ls"), ("worker", "ls", "--json"), ("spool", "ls", "--json"), ("spool", "gc", "--json")):
        code, out, err = wf(*words)
        assert (code, "internal error" in out + err) == (0, False), out + err
    code, out, _ = wf("worker", "ls", "--json")
    listed = {entry["owner"]: entry for entry in json.loads(out)["workers"]}
    assert listed.keys() == {OWNER, "v-box-1"}
    assert (listed[OWNER]["pid"], listed["v-box-1"]["pid"]) == (None, os.getpid())


@pytest.mark.parametrize("value", [1e40, -1, 10**40, float("nan"), True, "1", 10**6])
def test_an_agent_s_number_that_cannot_be_is_one_damaged_file(spool: Spool, value: object) -> None:
    for key in ("attempt", "pid"):
        agent = {"job_id": "job", "attempt": 1, "mark": "job.a1.w-box-1", "pid": 1, "start": "0", key: value}
        written(spool, agents=[agent])
        if key == "attempt" or value != 10**6:
            assert session.read(spool, OWNER) is None


@pytest.mark.parametrize("value", [1e40, 10**40, float("nan"), float("inf"), -(10**40)])
def test_a_number_of_an_event_that_cannot_be_is_left_out(value: float) -> None:
    line = json.dumps({"ts": "2026-11-27T00:00:00Z", "event": "job.failed", "attempt": value, "cost_usd": value})
    event = parse_line(line.encode())
    assert event is not None
    assert event.facts == {}


# -- one bad item


def bad_job(spool: Spool, folder: str) -> None:
    """A token of a running attempt that has no number: foreign hands."""
    queue = spool_queue(spool)
    queue.enqueue(request("bad"))
    (name,) = [n for n in os.listdir(spool.folder("queued")) if ".bad." in n]
    os.rename(spool.path("queued", name), spool.path(folder, name.replace(".json", f".{OWNER}.json")))


@pytest.mark.parametrize("folder", ["claimed", "running"])
def test_cancel_all_passes_over_a_job_at_work_whose_attempt_has_no_number(wf: Cli, spool: Spool, folder: str) -> None:
    bad_job(spool, folder)
    queue = spool_queue(spool)
    for key in ("one", "two"):
        queue.enqueue(request(key))
    code, out, err = wf("cancel", "--all", "--no-wait", "--json")
    assert "internal error" not in out + err
    document = json.loads(out)
    assert {"one", "two"} <= set(document["cancelled"]), document
    assert code == 0


@pytest.mark.parametrize("folder", ["claimed", "running"])
def test_a_worker_and_verify_pass_over_a_job_at_work_whose_attempt_has_no_number(spool: Spool, folder: str) -> None:
    bad_job(spool, folder)
    queue = spool_queue(spool)
    queue.enqueue(request("good"))
    queue.reap(lambda _owner: "seen dead", by="r-box-1")
    verify.verify(spool, FakeClock(), fix=True)
    assert run_one(queue, OWNER, POOL).job_id in ("good", "bad")


def test_an_attempt_at_work_has_a_number_and_its_job_comes_back(spool: Spool) -> None:
    bad_job(spool, "running")
    queue = spool_queue(spool)
    assert queue.placed() == []
    assert {f.kind: f.fixed for f in verify.verify(spool, FakeClock(), fix=True)} == {
        "foreign_file": True, "missing_token": True,
    }  # fmt: skip
    assert run_one(queue, OWNER, POOL).attempt == 1


def test_a_verdict_that_cannot_be_read_keeps_gc_from_no_other_session(spool: Spool) -> None:
    for owner in ("a-box-1", "b-box-1"):
        written(spool, owner, state="running")
        spool.path("sessions", f"{owner}.gone").write_text("{}")
    real, said = judgement.standing, []

    def standing(where: Spool, owner: str) -> judgement.Judgement | None:
        if owner == "a-box-1":
            raise OSError(errno.EIO, "Input/output error", str(spool.path("sessions", "a-box-1.gone")))
        return real(where, owner)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judgement, "standing", standing)
        removed = retention.clean(spool, before_ms=10**13, on_trouble=said.append)
    assert removed.sessions == ["b-box-1"]
    assert len(said) == 1


def test_gc_and_verify_do_the_rest_when_one_name_moves_on(
    wf: Cli, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wf_cli import anchored

    queue = spool_queue(spool)
    for key in ("one", "two", "three"):
        queue.enqueue(request(key, max_attempts=1))
        queue.end(run_one(queue), failing("crashed"), by=OWNER)
        spool.transcript_path(key, 1).write_text("x")
    for n in range(3):
        spool.path("queued", f"foreign {n}").write_text("")
    gone: list[str] = []
    real = anchored.rename

    def rename(source: Path, target: Path) -> None:
        if not gone and "foreign" in source.name:
            gone.append(source.name)
            os.unlink(source)
        real(source, target)

    monkeypatch.setattr(anchored, "rename", rename)
    code, out, err = wf("spool", "verify", "--fix", "--json")
    assert gone
    assert "internal error" not in out + err
    assert sum(f["fixed"] for f in json.loads(out)["findings"]) == 2, out
    monkeypatch.undo()
    monkeypatch.chdir(wf.root)
    monkeypatch.setenv("WF_DISTRIBUTED", "1")
    code, out, err = wf("spool", "gc", "--older", "0s", "--json")
    assert code == 0, err


@pytest.mark.parametrize(("key", "value"), [("topology", "x"), ("topology", 1e40), ("durability", "\x1b[2J"),
                                            ("format", 1e40), ("id", None)])  # fmt: skip
@pytest.mark.parametrize("command", ["spool ls", "spool verify", "spool verify --fix --json", "doctor --no-call"])
def test_a_version_of_foreign_hands_is_one_message(
    wf: Cli, spool: Spool, key: str, value: object, command: str
) -> None:
    path = spool.root / "VERSION"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    code, out, err = wf(*command.split())
    assert "internal error" not in out + err
    assert_harmless(out, err)
    if key != "id" and "doctor" not in command:
        assert code == 1
        assert str(spool.root) in out + err


@pytest.mark.parametrize(
    ("key", "value"), [("started_ms", 1e40), ("idle_s", float("inf")), ("idle_s", float("nan")), ("idle_s", -1)]
)
def test_a_sign_of_life_with_a_number_that_cannot_be_is_none(spool: Spool, key: str, value: float) -> None:
    sign_of_life.put(spool, sign_of_life.SignOfLife(OWNER, 1, 60.0))
    assert sign_of_life.read(spool, OWNER) is not None
    (path,) = spool.folder("control").iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert sign_of_life.read(spool, OWNER) is None


def test_a_spool_with_a_linked_folder_is_refused_by_every_command_and_named_by_doctor(
    wf: Cli, spool: Spool, tmp_path: Path
) -> None:
    os.rename(spool.folder("transcripts"), tmp_path / "large disk")
    spool.folder("transcripts").symlink_to(tmp_path / "large disk")
    for command in ("spool ls", "spool verify --fix", "worker ls", "enqueue --role r --runtime x --key k"):
        code, _, err = wf(*command.split())
        assert code == 1, command
        assert f"{spool.folder('transcripts')}: it is a link" in err
        assert f"hint: rm {spool.folder('transcripts')}, and move" in err
    code, out, _ = wf("doctor", "--no-call", "--json")
    (found,) = [check for check in json.loads(out)["checks"] if "it is a link" in check["detail"]]
    assert (code, found["status"]) == (5, "error")
    assert found["remedy"].startswith("rm ")
    assert spool.folder("transcripts").is_symlink()
