"""The job commands as people and scripts run them: the installed `wf`, real workers, pipes, signals, a terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

from support.box import HANG, WF, Box
from support.wait import wait_until
from wf_cli import schema
from wf_cli.contract.lifecycle import Status

#: Runs until it is stopped; `go` is a note that lets it end.
WAITING = "echo begun; : > $N/begun-$1-$2; while [ ! -e $N/go ]; do sleep 0.05; done; echo done\n"
HEAVY = ("jsonschema", "watchdog", "yaml", "rich", "filelock", "pydantic", "psutil", "wf_cli.app")


def test_a_job_from_enqueue_to_its_result(box: Box) -> None:
    box.shell("cat; echo hello from $1; exit 0\n")
    done = box.ok("enqueue", "--role", "builder", "--key", "build-1", "--payload", '{"n": 1}', "--json").document
    assert (done["job_id"], done["deduped"], done["status"]) == ("build-1", False, "queued")
    box.ok("worker", "--runtime", "shell")
    shown = box.ok("spool", "show", "build", "--json").document
    assert schema.problems("job", shown) == []
    assert shown["status"] == "succeeded"
    assert [a["accepted"] for a in shown["attempts"]] == [True]
    assert box.ok("logs", "build-1").out.splitlines() == ['{"n": 1}hello from build-1']
    assert box.ok("retry", "build-1", "--force", "--json").document["retried"] == ["build-1"]
    assert box.ok("spool", "ls").out.split()[:3] == ["queued", "build-1", "builder@shell"]


def test_cancel_stops_the_agent_and_waits_for_that(box: Box) -> None:
    box.shell(WAITING)
    box.enqueue("slow")
    worker = box.worker()
    box.noted("begun-slow-1")
    agent = box.agent_of(worker)
    done = box.ok("cancel", "slow", "--reason", "wrong", "--json")
    assert done.document["cancelled"] == ["slow"]
    assert done.document["still_running"] == []
    assert "waiting for 1 agent" in done.err
    assert not os.path.exists(f"/proc/{agent.pid}") or agent.pid not in [p.pid for p in box.processes()]
    assert box.ok("explain", "slow").out.startswith("slow is cancelled: it was cancelled: wrong")
    worker.stop()
    box.assert_sound()


def test_ctrl_c_ends_only_the_waiting(box: Box) -> None:
    box.shell("trap '' TERM INT\n" + WAITING)
    box.enqueue("slow")
    worker = box.worker()
    box.noted("begun-slow-1")
    worker.signal(signal.SIGSTOP)  # nobody stops the agent now
    cancel = box.start("cancel", "slow", "--json")
    cancel.says("waiting for 1 agent")
    cancel.signal(signal.SIGINT)
    done = cancel.ended()
    assert (done.code, done.document["cancelled"], done.document["still_running"]) == (0, ["slow"], ["slow"])
    assert box.await_status("slow", Status.CANCELLED)
    worker.signal(signal.SIGCONT)
    box.note("go")


def test_a_killed_workers_job_shows_as_stalled(box: Box) -> None:
    box.shell(WAITING)
    box.enqueue("slow")
    worker = box.worker()
    box.noted("begun-slow-1")
    worker.kill()
    document = box.ok("spool", "ls", "--json").document
    assert document["counts"]["stalled"] == 1
    assert document["jobs"][0]["reason"] == f"its session {worker.owner} is dead"
    assert box.ok("spool", "show", "slow", "--json").document["lease"]["expired"] is True
    assert box.ok("explain", "slow", "--json").document["status"] == "stalled"
    assert box.wf("hold", "slow").code == 4


def test_logs_follow_until_the_job_ends(box: Box) -> None:
    box.shell(WAITING)
    box.enqueue("slow")
    follower = box.start("logs", "slow", "-f")
    box.worker()
    follower.says("begun")
    box.note("go")
    done = follower.ended()
    assert (done.code, done.out.splitlines()) == (0, ["begun", "done"])


def test_events_and_ls_go_on_until_ctrl_c(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("a")
    events = box.start("events", "-f", "--json", "--since", "1h")
    watching = box.start("spool", "ls", "--watch", "--json")
    events.says("job.enqueued")
    watching.says('"queued": 1')
    box.ok("hold", "a")
    events.says("job.held")
    watching.says('"held": 1')
    for running in (events, watching):
        running.signal(signal.SIGINT)
        assert running.ended().code == 0
    assert [json.loads(line)["event"] for line in events.out.splitlines()] == ["job.enqueued", "job.held"]
    assert [json.loads(line)["counts"]["held"] for line in watching.out.splitlines()] == [0, 1]


def test_a_reader_that_goes_away_is_no_error(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue(*(f"job-{i}" for i in range(300)))
    script = f"{WF} spool ls | head -1; {WF} events | head -1"
    done = subprocess.run(
        ["sh", "-c", script], cwd=box.root, env=box.environ, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert [line for line in done.stderr.splitlines() if "no worker takes" not in line] == []


def test_a_terminal_gets_a_head_and_colours_within_its_width_and_a_pipe_does_not(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("a")
    box.ok("hold", "a")
    assert "\x1b" not in box.ok("spool", "ls").out
    shown = _on_terminal(box, {})
    assert "\x1b[1mSTATUS" in shown
    assert "\x1b[33mheld\x1b[0m" in shown
    plain = _on_terminal(box, {"NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 40


def _on_terminal(box: Box, env: dict[str, str]) -> str:
    """What `wf spool ls` writes to a terminal of 40 columns."""
    leader, follower = pty.openpty()
    environ = {**box.environ, "COLUMNS": "40", "TERM": "xterm", **env}
    process = subprocess.Popen(
        [WF, "spool", "ls"], cwd=box.root, env=environ, stdout=follower, stderr=subprocess.DEVNULL
    )
    os.close(follower)
    data = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the other side is closed (Linux says EIO)
            break
        if not chunk:
            break
        data += chunk
    os.close(leader)
    assert process.wait(HANG) == 0
    return data.decode().replace("\r\n", "\n")


def test_listing_names_imports_nothing_heavy(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("a", "b")
    box.ok("hold", "a", "b")  # Why a job that is ready is not taken may have to do with the configuration.
    (box.root / "wf.config.json").unlink()
    code = f"""if True:
        import sys
        from wf_cli.cli.main import main
        sys.argv[1:] = ["spool", "ls"]
        try:
            main()
        finally:
            print([m for m in {HEAVY} if m in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=box.root,
        env=box.environ,
        capture_output=True,
        text=True,
        timeout=HANG,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
    assert len(done.stdout.splitlines()) == 3


def test_with_the_mode_off_looking_works_and_nothing_is_made(box: Box) -> None:
    off = {"WF_DISTRIBUTED": "0"}
    assert box.ok("spool", "ls", "--json", env=off).document["jobs"] == []
    assert box.wf("enqueue", "--role", "builder", "--key", "a", env=off).code == 4
    assert list(box.root.iterdir()) == []


def test_a_spool_that_vanishes_while_it_is_watched_ends_with_one_message(box: Box) -> None:
    box.shell("exit 0\n")
    box.enqueue("a")
    watching = box.start("spool", "ls", "--watch", "--json")
    watching.says('"queued": 1')
    os.rename(box.spool_root, box.root / "elsewhere")
    done = watching.ended()
    assert done.code == 3
    wait_until(lambda: "SPOOL_MISSING" in watching.out, HANG, "the error")
    assert not box.spool_root.exists()
