"""Where agents keep what their provider answered: Gemini CLI's log, and Qwen Code's record of a session."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from wf_cli.runtimes.acp import logs
from wf_cli.runtimes.acp.logs import GEMINI_LOG, GeminiLog, Log, QwenLog
from wf_cli.runtimes.acp.retries import Retry


def look(log: Log) -> Retry | None:
    return asyncio.run(log.retry())


def write(log: Log, text: str) -> None:
    """As the agent does: by the path that its environment names."""
    with open(log.environment[GEMINI_LOG], "a") as file:
        file.write(text)


#: What Gemini CLI 0.61.0 writes, and what it tells.
LINES = [
    (
        "[WARN] Attempt 2 failed with status 429. Retrying with backoff... _ApiError: "
        '{"error":{"code":429,"message":"Rate limit reached","status":"RESOURCE_EXHAUSTED"}}',
        Retry("Rate limit reached (RESOURCE_EXHAUSTED)", 2, 0.0, 429),
    ),
    (
        "[WARN] Attempt 1 failed: You have exhausted your capacity. Retrying after 7000ms...",
        Retry("You have exhausted your capacity", 1, 7.0, None),
    ),
    (
        "[WARN] Attempt 4 failed with 429 error (no Retry-After header). Retrying with backoff... Error: busy",
        Retry("Error: busy", 4, 0.0, 429),
    ),
    ("[WARN] Attempt 1 failed. Retrying with backoff... { broken", Retry("{ broken", 1, 0.0, None)),
    ("[WARN] Attempt 10 failed: Too busy. Max attempts reached", None),
    ("[DEBUG] [Routing] Selected model: gemini-2.5-pro", None),
    ("\x00\x1b[31m" + "x" * 3_000_000, None),
]


@pytest.mark.parametrize(("line", "found"), LINES)
def test_geminis_log(line: str, found: Retry | None) -> None:
    log = GeminiLog()
    write(log, line[:30])
    assert look(log) is None
    write(log, line[30:])
    assert look(log) is None, "the line has not ended"
    write(log, "\n")
    assert look(log) == found
    assert look(log) is None, "it was told"


def test_what_was_there_before_the_turn_does_not_count() -> None:
    log = GeminiLog()
    write(log, LINES[0][0] + "\n")
    log.begin("s")
    assert look(log) is None
    write(log, LINES[1][0] + "\n" + LINES[2][0] + "\n")
    assert look(log) == LINES[2][1], "the last one counts"


def test_geminis_log_stays_small() -> None:
    log = GeminiLog()
    for _ in range(5):
        write(log, ("[DEBUG] " + "x" * 1000 + "\n") * 2500)
        assert look(log) is None
    assert os.stat(log.environment[GEMINI_LOG]).st_size < 5 << 20
    write(log, LINES[0][0] + "\n")
    assert look(log) == LINES[0][1]


def qwen(message: str, status: int | None = 429) -> str:
    event = {"event.name": "qwen-code.api_error", "error_message": message, "status_code": status}
    return json.dumps({"type": "system", "subtype": "ui_telemetry", "systemPayload": {"uiEvent": event}}) + "\n"


def test_qwens_record(tmp_path: Path) -> None:
    record = tmp_path / ".qwen" / "projects" / "-tmp-repo" / "chats" / "abc.jsonl"
    log = QwenLog(tmp_path)
    log.begin("abc")
    assert look(log) is None, "there is no record yet"
    record.parent.mkdir(parents=True)
    record.write_text('{"type": "user"}\n[1]\n{"systemPayload": 7}\n{\n' + qwen("429 Slow down"))
    assert look(log) == Retry("429 Slow down", 1, 0.0, 429)
    with record.open("a") as file:
        file.write(qwen("a") + qwen("b", None))
    assert look(log) == Retry("b", 3, 0.0, None)
    assert look(log) is None


def test_what_an_earlier_attempt_of_the_session_met_does_not_count(tmp_path: Path) -> None:
    record = tmp_path / ".qwen" / "projects" / "p" / "chats" / "abc.jsonl"
    record.parent.mkdir(parents=True)
    record.write_text(qwen("old"))
    log = QwenLog(tmp_path)
    log.begin("abc")
    assert look(log) is None


@pytest.mark.parametrize("session", ["", "../../../x", "/etc/x", ".."])
def test_a_session_that_is_no_name_opens_nothing(tmp_path: Path, session: str) -> None:
    (tmp_path / "x.jsonl").write_text(qwen("no"))
    (tmp_path / ".qwen" / "projects" / "p" / "chats").mkdir(parents=True)
    log = QwenLog(tmp_path)
    log.begin(session)
    assert look(log) is None


def test_a_record_that_is_no_file_tells_nothing(tmp_path: Path) -> None:
    chats = tmp_path / ".qwen" / "projects" / "p" / "chats"
    chats.mkdir(parents=True)
    os.mkfifo(chats / "abc.jsonl")
    log = QwenLog(tmp_path)
    log.begin("abc")
    assert look(log) is None


@pytest.mark.parametrize(
    ("command", "environ", "kind"),
    [
        (["/opt/bin/gemini", "--acp"], {}, GeminiLog),
        (["npx", "gemini"], {}, GeminiLog),
        (["gemini"], {GEMINI_LOG: "/tmp/mine"}, type(None)),
        (["qwen", "--acp"], {"HOME": "/nowhere"}, QwenLog),
        (["opencode", "acp"], {}, type(None)),
    ],
)
def test_whose_log_is_known(command: list[str], environ: dict[str, str], kind: type) -> None:
    assert isinstance(logs.of(command, environ), kind)
