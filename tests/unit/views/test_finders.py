"""Finders of conditions: what they must not say, and what foreign files may not make them say."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support.clock import FakeClock
from support.spools import POOL, make_spool, request, run_one
from support.views import PlainMeans, beat, clocked, sight, write_session
from wf_cli.clock import SystemClock
from wf_cli.config.model import Config, Runtime
from wf_cli.queue.spool_queue import SpoolQueue
from wf_cli.spool import control
from wf_cli.spool.layout import Spool
from wf_cli.views import conditions
from wf_cli.views.conditions import Condition, Sight, jobs
from wf_cli.views.conditions.condition import Scope
from wf_cli.views.viewer import Viewer


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return make_spool(tmp_path / "spool")


@pytest.fixture
def queue(spool: Spool) -> SpoolQueue:
    return clocked(spool)[0]


class Elsewhere(PlainMeans):
    """A host that has neither the program of the runtime nor, with ``runtimes`` empty, the runtime."""

    def __init__(self, *names: str):
        self._names = names

    @property
    def config(self) -> Config:
        return Config(runtimes={n: Runtime(n, "command", argv=("no-such-program",)) for n in self._names})


def found(spool: Spool, *names: str) -> dict[str, Condition]:
    look = Sight(Viewer(spool, SystemClock()), spool.root, lambda: Elsewhere(*names))
    return {condition.name: condition for condition in conditions.of_project(look)}


def test_a_program_and_a_runtime_that_only_this_host_lacks_are_no_trouble(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    assert {*found(spool, "opencode")} == {"program", "worker"}
    assert {*found(spool)} == {"runtime_configured", "worker"}
    write_session(spool, "w-far-1", boot_id="another", host="far")
    beat(spool, "w-far-1")
    assert found(spool, "opencode") == {}
    assert found(spool) == {}


def test_a_worker_that_has_long_not_beaten_is_no_reason_to_keep_silent(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    write_session(spool, "w-far-1", boot_id="another", host="far")
    beat(spool, "w-far-1")
    old = time.time() - 3600
    os.utime(spool.path("leases", "w-far-1.lease"), (old, old))
    assert "program" in found(spool, "opencode")


def test_a_name_in_control_does_not_get_into_a_command(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    for name in ("drain.x; rm -rf ~.json", "drain.$(id).json", "pause.`id`.json", "drain.ok.json"):
        spool.path("control", name).write_text("{}")
    commands = [c.command for c in conditions.of_project(sight(Viewer(spool, FakeClock())))]
    assert "wf worker undrain ok" in commands
    assert not [command for command in commands if command and any(char in command for char in ";$`")]


def test_a_worker_may_serve_one_role_of_its_runtime_and_not_another(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    write_session(spool, "w-box-1", roles=("tester",))
    beat(spool, "w-box-1")
    (condition,) = conditions.of_project(sight(Viewer(spool, SystemClock())))
    assert condition.text == f"no worker takes {POOL} (1 job(s) wait)"
    write_session(spool, "w-box-2")
    beat(spool, "w-box-2")
    assert conditions.of_project(sight(Viewer(spool, SystemClock()))) == []
    control.request(spool, "drain.w-box-2", FakeClock())
    (condition,) = conditions.of_project(sight(Viewer(spool, SystemClock())))
    assert condition.name == "worker", "who drains takes no more"


def test_a_job_that_moves_between_two_looks_has_one_token(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue(request("a"))
    before = queue.find("a")
    assert before is not None
    assert queue.hold("a")
    assert list(jobs.two_tokens(spool, before)) == [], "it was in queued/, and is in held/ now"


def test_a_condition_of_a_session_is_not_one_of_waiting_jobs(queue: SpoolQueue, spool: Spool) -> None:
    queue.enqueue_many([request("a"), request("b")])
    token = run_one(queue, "w-box-1")
    waiting = queue.find("b")
    assert waiting is not None
    assert Scope(owner="w-box-1").covers(token)
    assert not Scope(owner="w-box-1").covers(waiting.token)
    assert not Scope(runtime="opencode").covers(token), "a pause does not keep what runs"
    assert Scope(runtime="opencode").covers(waiting.token)
    assert not Scope(runtime="opencode", role="reviewer").covers(waiting.token)
