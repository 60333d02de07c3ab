"""One try to hand an event on: what programs and servers do wrong, each as one message without secrets."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from support import hooks
from support.wait import wait_until
from wf_cli import proc
from wf_cli.config.model import Notify
from wf_cli.notify.delivery import Result, deliver

BODY = b'{"event": "job.dead", "id": "x"}\n'
PATH = {"PATH": "/usr/bin:/bin"}


def run(folder: Path, *argv: str, timeout_s: float = 20, environ: dict[str, str] | None = None) -> Result:
    entry = Notify(("job.dead",), argv, timeout_s=timeout_s)
    return deliver(entry, BODY, kind="job.dead", event_id="x", root=folder, environ=PATH | (environ or {}))


def post(url: str, *, timeout_s: float = 20, **environ: str) -> Result:
    entry = Notify(("job.dead",), url=url, timeout_s=timeout_s)
    return deliver(entry, BODY, kind="job.dead", event_id="x", root=Path("/"), environ={"no_proxy": "*", **environ})


# -- programs


def test_a_program_gets_the_event_on_stdin_in_the_projects_folder_without_a_mark_of_an_attempt(
    tmp_path: Path,
) -> None:
    hooks.program(tmp_path, 'cat > got; pwd > where; echo "$WF_EVENT/$WF_JOB_TOKEN/$1" > env')
    result = run(tmp_path, "./hook.sh", "$HOME;x", environ={"WF_JOB_TOKEN": "secret"})
    assert result.ok, result
    assert (tmp_path / "got").read_bytes() == BODY
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)
    assert (tmp_path / "env").read_text() == "job.dead//$HOME;x\n", "no shell reads the arguments"


def test_a_program_that_reads_nothing_and_one_that_floods_stderr_end_well(tmp_path: Path) -> None:
    hooks.program(tmp_path, "head -c 3000000 /dev/zero >&2; exit 0")
    assert run(tmp_path, "./hook.sh").ok


@pytest.mark.parametrize(
    ("text", "said"),
    [("echo one >&2; echo 'last\033[2J words' >&2; exit 3", r"./hook.sh ended with 3: last\x1b[2J words"),
     ("kill -9 $$", "./hook.sh ended with -9")],
)  # fmt: skip
def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path, text: str, said: str) -> None:
    hooks.program(tmp_path, text)
    assert run(tmp_path, "./hook.sh") == Result(False, said, again=True)


def test_a_program_that_is_missing_or_cannot_be_started_is_not_tried_again(tmp_path: Path) -> None:
    assert run(tmp_path, "./none.sh") == Result(False, "there is no program ./none.sh that may be run")
    assert run(tmp_path, "no-such-program-anywhere").ok is False
    (tmp_path / "text").write_text("x")
    assert "that may be run" in run(tmp_path, "./text").said
    hooks.program(tmp_path, "", "bad")
    (tmp_path / "bad").write_text("#!/no/such/interpreter\n")
    result = run(tmp_path, "./bad")
    assert (result.ok, result.again) == (False, False)
    assert "cannot be started" in result.said


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    hooks.program(tmp_path, "trap '' TERM; sleep 1000 & echo $! > child; echo working >&2; wait")
    result = run(tmp_path, "./hook.sh", timeout_s=1.5)
    assert (result.ok, result.again) == (False, True)
    assert "did not end within 1.5 s and was ended: working" in result.said
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: proc.start_token(child) is None or _is_zombie(child), what="the child's end")


def test_what_a_program_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    hooks.program(tmp_path, "sleep 1000 & echo $! > child; exit 0")
    assert run(tmp_path, "./hook.sh", timeout_s=60).ok
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_secrets_of_the_environment_are_masked_in_what_a_program_says(tmp_path: Path) -> None:
    hooks.program(tmp_path, 'echo "token $MY_TOKEN" >&2; exit 1')
    result = run(tmp_path, "./hook.sh", environ={"MY_TOKEN": "abcdefgh123"})
    assert "abcdefgh123" not in result.said
    assert "[redacted]" in result.said


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# -- addresses


def test_an_address_gets_the_event_as_the_body_of_a_post() -> None:
    with hooks.serving("200 OK") as server:
        result = post("env:HOOK", HOOK=server.url)
    assert result == Result(True, "the server said 200")
    ((head, body),) = server.requests
    assert body == BODY
    assert head.startswith("POST /services/T0SECRET/B0SECRET HTTP/1.1")
    assert "Content-Type: application/json" in head
    assert "X-Wf-Event-Id: x" in head or "X-WF-Event-Id: x" in head


@pytest.mark.parametrize(
    ("answer", "said", "again"),
    [
        ("500 Oops", "the server said 500", True),
        ("429 Slow Down", "the server said 429", True),
        ("404 Not Found", "the server said 404", False),
        ("302 Found\r\nLocation: http://127.0.0.1:1/elsewhere", "redirects are not followed", False),
        ("garbage", "what it answered is no HTTP (BadStatusLine)", True),
        ("close", "no connection", True),
        ("hang", "did not answer within 0.7 s", True),
        ("drip", "did not answer within 0.7 s", True),
    ],
)
def test_what_a_server_does_wrong_is_told_without_the_address(answer: str, said: str, again: bool) -> None:
    with hooks.serving(answer) as server:
        result = post(server.url, timeout_s=0.7 if answer in ("hang", "drip") else 20)
    assert (result.ok, result.again) == (False, again)
    assert said in result.said
    assert "SECRET" not in result.said
    assert len(server.requests) == 1, "no redirect was followed"


def test_no_thread_stays_with_a_server_that_drips() -> None:
    before = threading.active_count()
    with hooks.serving("drip") as server:
        for _ in range(3):
            assert not post(server.url, timeout_s=0.3).ok
    wait_until(lambda: threading.active_count() <= before, what="all threads, also the server's, to end")


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "the variable HOOK is not set"), ("", "the variable HOOK is not set"),
     ("ftp://s3cret-host/x", "holds no http(s) address"), ("file:///etc/passwd", "holds no http(s) address"),
     ("https://s3cret-host/a b", "holds no http(s) address"), ("http://s3cret-host/\n", "holds no http(s) address"),
     ("http://", "it is no http(s) address"), ("http://[s3cret-host/", "it is no http(s) address"),
     ("http://127.0.0.1:s3cret/", "it is no http(s) address")],
)  # fmt: skip
def test_a_variable_that_holds_no_address_is_told_without_its_value(value: str | None, said: str) -> None:
    result = post("env:HOOK", **({} if value is None else {"HOOK": value}))
    assert (result.ok, result.again) == (False, False)
    assert said in result.said
    assert "s3cret" not in result.said


def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        result = post(f"http://127.0.0.1:{one.getsockname()[1]}/SECRET")
    assert (result.ok, result.again) == (False, True)
    assert result.said == "no connection: Connection refused"


@pytest.mark.parametrize(
    ("url", "place"),
    [("env:HOOK", "env:HOOK"), ("https://user:pw@example.org:8/T0/B0?k=v#f", "https://example.org:8/..."),
     ("http://example.org", "http://example.org/..."), ("http://example.org?key=SECRET", "http://example.org/...")],
)  # fmt: skip
def test_an_address_is_shown_without_what_may_be_secret(url: str, place: str) -> None:
    assert Notify(("job.dead",), url=url).place == place
