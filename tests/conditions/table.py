"""Everything that keeps a team from working, as a table: how it comes about, who tells of it, and what repairs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from conditions.bed import DOCTOR, EXPLAIN, LS, WORKERS, Bed, Condition, command_in, signal_worker
from support import acp_agent
from support.wait import wait_until
from wf_cli.contract.lifecycle import Status
from wf_cli.spool import judgement

#: A worker that stays, as the tools print it.
STAYS = r"wf worker builder --runtime shell --watch"


# -- pools


def paused(bed: Bed) -> None:
    bed.lay()
    bed.ok("pause", "--reason", "a release")


def pool_paused(bed: Bed) -> None:
    bed.lay()
    bed.ok("pause", "--runtime", "shell")


def cooling_down(bed: Bed) -> None:
    bed.lay("exit 75\n")
    bed.wf("worker", "--runtime", "shell", "--once")


def draining(bed: Bed) -> None:
    bed.lay()
    bed.ok("worker", "drain", "shell")


def all_draining(bed: Bed) -> None:
    bed.lay()
    bed.ok("worker", "drain", "all")


def no_worker(bed: Bed) -> None:
    bed.lay()


def worker_of_another_role(bed: Bed) -> None:
    bed.lay()
    assert bed.start("worker", "tester", "--runtime", "shell", "--watch").owner


def not_routed_here(bed: Bed) -> None:
    """A job of a runtime that the configuration has no more."""
    bed.lay()

    def rename(config: dict[str, object]) -> None:
        config["runtimes"] = {"bash": {"adapter": "command", "argv": ["sh"]}}
        config["routing"] = {"builder": {"runtime": "bash"}}

    bed.edit(rename)


# -- workers


def stopped_by_a_signal(bed: Bed) -> None:
    bed.lay(bed.waits_for_ever())
    worker = bed.at_work()
    signal_worker(worker, signal.SIGSTOP)
    bed.note("end")


def killed(bed: Bed) -> None:
    bed.lay(bed.waits_for_ever())
    signal_worker(bed.at_work(), signal.SIGKILL)
    bed.note("end")


def lease_unchanged(bed: Bed) -> None:
    """A worker of another host, as its record says, that has stopped beating."""
    bed.lay(bed.waits_for_ever(), lease={"duration": "2s"})
    worker = bed.at_work()
    owner = worker.owner
    signal_worker(worker, signal.SIGSTOP)
    path = bed.spool.path("sessions", f"{owner}.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "boot_id": "of-another-host", "host": "far"}), encoding="utf-8")
    os.utime(bed.spool.path("leases", f"{owner}.lease"), (1_700_000_000, 1_700_000_000))
    bed.note("end")


def lease_expired(bed: Bed) -> None:
    """A session that was judged to be gone, by a reaper that died before it had ended the attempt."""
    lease_unchanged(bed)
    (placed,) = [p for p in bed.tokens().values() if p.status is Status.RUNNING]
    verdict = judgement.judge(placed.token.owner or "", "expired", 3.0, by="reaper-box-1", host="box", now_ms=0)
    judgement.publish(bed.spool, verdict)


# -- the machine


def disk_full(bed: Bed) -> None:
    bed.shell("exit 0\n")
    bed.mount(bed.spool_root, "size=16m")
    bed.enqueue("j")
    (bed.spool_root / "log" / "filler.part").write_bytes(b"x" * (12 << 20))


def make_room(bed: Bed) -> None:
    (bed.spool_root / "log" / "filler.part").unlink()


def read_only(bed: Bed) -> None:
    bed.shell("exit 0\n")
    bed.mount(bed.spool_root, "size=16m")
    bed.enqueue("j")
    subprocess.run(["mount", "-o", "remount,ro", str(bed.spool_root)], check=True)


def synced(bed: Bed) -> None:
    bed.lay()
    (bed.root / ".stfolder").mkdir()


def unsync(bed: Bed) -> None:
    """What is printed moves the spool to a place of the person's choice."""
    assert "wf config set spool.dir FOLDER" in bed.told(LS)
    bed.follow(f"wf config set spool.dir {bed.tmp / 'spool'}")
    bed.enqueue("j")


# -- files of the spool


def token_missing(bed: Bed) -> None:
    bed.lay()
    (token,) = (bed.spool_root / "queued").iterdir()
    token.unlink()


def spec_damaged(bed: Bed) -> None:
    bed.lay()
    (bed.spool_root / "jobs" / "j.json").write_text("{", encoding="utf-8")


def two_tokens(bed: Bed) -> None:
    bed.lay()
    (token,) = (bed.spool_root / "queued").iterdir()
    shutil.copy(token, bed.spool_root / "held" / token.name)


def folder_missing(bed: Bed) -> None:
    bed.lay()
    (bed.spool_root / "claimed").rmdir()


def version_missing(bed: Bed) -> None:
    bed.lay()
    (bed.spool_root / "VERSION").unlink()


def conflict_copy(bed: Bed) -> None:
    bed.lay()
    (token,) = (bed.spool_root / "queued").iterdir()
    shutil.copy(token, token.with_name(token.name.replace(".json", " (conflicted copy 2026-11-01).json")))


# -- runtimes


def program_missing(bed: Bed) -> None:
    bed.lay()
    bed.edit(lambda config: config.update(runtimes={"shell": {"adapter": "command", "argv": ["no-such-program"]}}))


def with_a_program(bed: Bed) -> None:
    """What the tools print has a place for the name."""
    command = command_in(bed.told(LS), r"wf config set runtimes.shell.argv '\[PROGRAM\]'")
    bed.follow(command.replace("PROGRAM", "sh"))


def with_the_runtime(bed: Bed) -> None:
    bed.edit(lambda config: config.update(runtimes={"shell": {"adapter": "command", "argv": ["sh"]}}))


def program_not_executable(bed: Bed) -> None:
    bed.lay()
    program = bed.root / "agent with a blank"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o644)
    argv = [f"./{program.name}"]
    bed.edit(lambda config: config.update(runtimes={"shell": {"adapter": "command", "argv": argv}}))


def not_executable_on_path(bed: Bed) -> None:
    bed.lay()
    folder = bed.home / "bin"
    folder.mkdir()
    (folder / "my-agent").write_text("#!/bin/sh\n", encoding="utf-8")
    bed.environ["PATH"] = f"{bed.environ['PATH']}{os.pathsep}{folder}"
    bed.edit(lambda config: config.update(runtimes={"shell": {"adapter": "command", "argv": ["my-agent"]}}))


def variable_missing(bed: Bed) -> None:
    bed.lay()
    agent = {"adapter": "command", "argv": ["sh", "-c", "exit 0"], "env": {"API_KEY": "env:TEAM_KEY"}}
    bed.edit(lambda config: config.update(runtimes={"shell": agent}))
    assert bed.wf("worker", "--runtime", "shell", "--once").code != 0


def with_the_variable(bed: Bed) -> None:
    """What the tools print has a place for the value, and works in the shell that starts the worker."""
    assert command_in(bed.told(LS), r"export TEAM_KEY=VALUE")
    bed.environ["TEAM_KEY"] = "secret"


def hook_missing(bed: Bed) -> None:
    """A worker had something to tell, and no address to tell it to."""
    bed.lay(notify=[{"on": ["job.succeeded"], "url": "env:TEAM_HOOK"}])
    assert bed.wf("worker", "--runtime", "shell", "--once").code == 0


def with_the_hook(bed: Bed) -> None:
    assert command_in(bed.told(LS), r"export TEAM_HOOK=ADDRESS && wf notify test")
    with listening() as address:
        bed.environ["TEAM_HOOK"] = address
        bed.ok("notify", "test")


@contextmanager
def listening() -> Iterator[str]:
    """The address of a server that takes everything."""

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join()


CURSOR = """#!/bin/sh
case "$1" in
    --version) [ -e "$HOME/updated" ] && echo 2026.09.18-0fa4e11 || echo $BUILD; exit ;;
    login) : > "$HOME/logged-in"; exit ;;
    update) : > "$HOME/updated"; exit ;;
    status) [ -e "$HOME/logged-in" ] && echo '{"isAuthenticated": true}' || echo '{"isAuthenticated": false}'; exit ;;
esac
[ -e "$HOME/logged-in" ] || export WF_FAKE_ACP='{"login": "fails"}'
"""


def cursor(bed: Bed, build: str = "2026.09.18-0fa4e11", **role: object) -> None:
    """The role ``builder`` is Cursor's, whose program is a stand-in that can be logged in."""
    folder = bed.home / "bin"
    folder.mkdir()
    program = folder / "cursor-agent"
    agent = Path(acp_agent.__file__)
    program.write_text(f'{CURSOR.replace("$BUILD", build)}exec {sys.executable} {agent} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    bed.environ["PATH"] = f"{folder}{os.pathsep}{bed.environ['PATH']}"
    bed.environ["PYTHONPATH"] = str(agent.parents[1])
    bed.configure(routing={"builder": {"runtime": "cursor", **role}})
    bed.enqueue("j")


def not_logged_in(bed: Bed) -> None:
    cursor(bed)
    bed.wf("worker", "builder", "--runtime", "cursor", "--once")


def wrong_model(bed: Bed) -> None:
    cursor(bed, model="no-such-model")
    bed.edit(lambda config: config.update(runtimes={"cursor": {"adapter": "acp", "command": ["cursor-agent"]}}))
    bed.follow("cursor-agent login")
    bed.calls = True
    bed.wf("worker", "builder", "--runtime", "cursor", "--once")
    bed.await_status("j", Status.FAILED)


def with_a_model(bed: Bed) -> None:
    """What the tools print has a place for the name; doctor repairs the cause, explain the job too."""
    assert command_in(bed.told(DOCTOR), r"wf config set routing.builder.model MODEL")
    command = command_in(bed.told(EXPLAIN), r"wf config set routing.builder.model MODEL && wf retry j")
    bed.follow(command.replace("MODEL", "small"))


def too_old(bed: Bed) -> None:
    """A build that prints, and so asks for no permission."""
    cursor(bed, "2025.11.06-abc")
    bed.edit(lambda config: config.update(permissions={"deny": ["execute:git push*"]}))


# -- jobs


def held(bed: Bed) -> None:
    bed.lay()
    bed.ok("hold", "j")


def delayed(bed: Bed) -> None:
    bed.lay(
        "echo the compiler is missing >&2; exit 3\n", retry={"backoff": {"base": "1h", "cap": "1h", "jitter": "none"}}
    )
    bed.wf("worker", "--runtime", "shell", "--once")
    bed.await_status("j", Status.QUEUED, attempt=1)


def dead(bed: Bed) -> None:
    bed.lay("echo the compiler is missing >&2; exit 3\n", retry={"max_attempts": 1})
    bed.wf("worker", "--runtime", "shell", "--once")
    bed.await_status("j", Status.FAILED)


def archived(bed: Bed) -> None:
    dead(bed)
    bed.ok("spool", "gc", "--older", "0s")


def budget_spent(bed: Bed) -> None:
    bed.lay('[ -e "$N/end" ] && exit 0; exit 3\n', budget={"per_job_usd": 0.01, "unknown_cost": "hold"})

    def is_held() -> bool:
        bed.wf("worker", "--runtime", "shell")
        return bed.status("j") is Status.HELD

    wait_until(is_held, what="a held job")


def goes_on(bed: Bed) -> None:
    """A release alone would have the job held again."""
    bed.note("end")
    bed.ok("worker", "--runtime", "shell")
    bed.await_status("j", Status.SUCCEEDED)


# -- the configuration


def two_configurations(bed: Bed) -> None:
    bed.lay()
    (bed.root / "wf.config.yaml").write_text("version: 1\n", encoding="utf-8")


def remove_the_second(bed: Bed) -> None:
    (bed.root / "wf.config.yaml").unlink()


# -- plans and epics


def epic(bed: Bed, *titles: str, **values: object) -> str:
    """A running epic, whose first plan waits for its job."""
    bed.plan_agents(**values)
    bed.ok("init")
    bed.ok("set-model", "gpt-5.2")
    number = bed.epic(*(titles or ("parser",)))
    bed.ok("epic", "run", number)
    return number


def state(folder: Path, **values: object) -> None:
    path = folder / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def ended(bed: Bed, number: str = "01") -> str:
    """The job of the first plan is cancelled; its id."""
    (job_id,) = [job_id for job_id in bed.tokens() if f"p{number}" in job_id]
    bed.ok("cancel", job_id)
    return job_id


def git(bed: Bed, *words: str) -> None:
    done = bed.shell_out(f"git -c user.name=n -c user.email=e@x.y {' '.join(words)}")
    assert done.code == 0, done.text


def plan_blocked(bed: Bed) -> None:
    epic(bed)
    ended(bed)
    state(bed.plan("01"), phase="blocked")
    bed.subject = "P01"


def plan_left(bed: Bed) -> None:
    epic(bed)
    ended(bed)
    (bed.plan("01") / "plan.md").write_text("# a plan\n", encoding="utf-8")
    state(bed.plan("01"), phase="coding")
    bed.subject = "p1"


def plan_dead(bed: Bed) -> None:
    epic(bed, retry={"max_attempts": 1})
    bed.behave({"fail": ["plan"]})
    bed.wf("worker", "--runtime", "cursor", deadline_s=120)
    wait_until(lambda: Status.FAILED in {p.status for p in bed.tokens().values()}, what="the dead job")
    bed.behave({})
    bed.subject = "P01"


def plan_vanished(bed: Bed) -> None:
    epic(bed)
    git(bed, "init -q")
    git(bed, "add -f plans")
    git(bed, "commit -qm plans")
    shutil.rmtree(bed.plan("01"))
    bed.subject = "P01"


def two_plans(bed: Bed) -> None:
    epic(bed)
    shutil.copytree(bed.plan("01"), bed.root / "plans" / "01-zebra")
    bed.subject = "P01"


def epic_paused(bed: Bed) -> None:
    bed.ok("epic", "stop", epic(bed))
    bed.subject = "e01"


def epic_paused_for_its_plan(bed: Bed) -> None:
    epic_paused(bed)
    bed.subject = "P01"


def epic_stuck(bed: Bed) -> None:
    plan_left(bed)
    bed.subject = "e1"


def order_in_a_circle(bed: Bed) -> None:
    epic(bed)
    ended(bed)
    _after(bed, "\n  - after: 1")
    bed.subject = "P01"


def _after(bed: Bed, line: str) -> None:
    (path,) = (bed.root / "epics").glob("01-*/epic.md")
    text = path.read_text(encoding="utf-8").replace("\n  - after: 1", "")
    path.write_text(text.replace("- Plan 1: parser", f"- Plan 1: parser{line}"), encoding="utf-8")


def order_corrected(bed: Bed) -> None:
    _after(bed, "")


def epic_without_plans(bed: Bed) -> None:
    bed.plan_agents()
    bed.ok("init")
    bed.ok("set-model", "gpt-5.2")
    number = bed.epic()
    bed.ok("epic", "run", number)
    (job_id,) = bed.tokens()
    bed.ok("cancel", job_id)
    bed.subject = "E01"


POOLS = [
    Condition("the spool is paused", paused, "the spool is paused: a release", r"wf resume$"),
    Condition("a pool is paused", pool_paused, "runtime shell is paused", r"wf resume --runtime shell$"),
    Condition(
        "a pool cools down", cooling_down, r"runtime shell is cooling down until \S+Z", r"wf resume --runtime shell$"
    ),
    Condition("a pool drains", draining, "workers of shell were asked to drain", r"wf worker undrain shell$"),
    Condition("all drain", all_draining, "all workers were asked to drain", r"wf worker undrain all$"),
    Condition("no worker for a role", no_worker, "no worker takes builder@shell", STAYS),
    Condition("workers for another role only", worker_of_another_role, "no worker takes builder@shell", STAYS),
    Condition(
        "the runtime is not configured",
        not_routed_here,
        "there is no runtime 'shell' in wf.config",
        by_hand=with_the_runtime,
    ),
]
SESSIONS = [
    Condition(
        "a worker is stopped by a signal",
        stopped_by_a_signal,
        r"process \d+ of \S+ is stopped by a signal",
        r"kill -CONT \d+$",
    ),
    Condition("a worker was killed", killed, r"shell-\S+ is gone \(its process has ended\) and has 1 job", STAYS),
    Condition(
        "a lease of another host is unchanged",
        lease_unchanged,
        r"shell-\S+ on far has not beaten its lease for",
        STAYS,
    ),
    Condition(
        "a lease has expired", lease_expired, r"shell-\S+ is gone \(its lease has expired\) and has 1 job", STAYS
    ),
]
MACHINE = [
    Condition(
        "the disk is full",
        disk_full,
        r"only \d+ KiB are free on the disk of",
        r"wf spool gc --older 1d",
        by_hand=make_room,
        needs_mounts=True,
    ),
    Condition(
        "the disk is read-only",
        read_only,
        r"(?i)read-only",
        r"mount -o remount,rw \S+|sudo mount -o remount,rw \S+",
        needs_mounts=True,
    ),
]
FILES = [
    Condition(
        "a token is missing",
        token_missing,
        {EXPLAIN: "j has no token", DOCTOR: "missing_token"},
        r"wf spool verify --fix",
        told=(EXPLAIN, DOCTOR),
    ),
    Condition(
        "a spec is damaged",
        spec_damaged,
        {EXPLAIN: "its spec cannot be read", DOCTOR: "damaged_spec"},
        r"wf spool verify --fix",
        told=(EXPLAIN, DOCTOR),
    ),
    Condition(
        "a job has two tokens",
        two_tokens,
        {EXPLAIN: "j has two tokens", DOCTOR: "duplicate_token", LS: "j has two tokens"},
        r"wf spool verify --fix",
        told=(EXPLAIN, DOCTOR, LS),
    ),
    Condition(
        "a folder is missing",
        folder_missing,
        r"claimed( is gone|.*missing_folder)|1 missing_folder",
        r"wf spool verify --fix",
    ),
    Condition("VERSION is missing", version_missing, "VERSION is gone", r"wf spool verify --fix"),
    Condition(
        "a conflict copy", conflict_copy, "conflict_copy", r"wf spool verify --fix", source=DOCTOR, told=(DOCTOR,)
    ),
]
RUNTIMES = [
    Condition(
        "a program is missing",
        program_missing,
        "no-such-program is not on PATH",
        by_hand=with_a_program,
    ),
    Condition(
        "a variable of a runtime is missing",
        variable_missing,
        "the variable TEAM_KEY is not set",
        by_hand=with_the_variable,
    ),
    Condition(
        "a variable of a notification is missing",
        hook_missing,
        {
            DOCTOR: "the variable TEAM_HOOK is not set",
            LS: (hook := r"1 event\(s\) wait: .*TEAM_HOOK is not set"),
            WORKERS: hook,
        },
        told=(DOCTOR, LS, WORKERS),
        by_hand=with_the_hook,
    ),
    Condition(
        "nobody is logged in",
        not_logged_in,
        r"runtime cursor is cooling down until \S+Z: auth",
        r"cursor-agent login && wf resume --runtime cursor",
    ),
    Condition(
        "doctor asks who is logged in",
        cursor,
        "not logged in",
        r"cursor-agent login",
        source=DOCTOR,
        told=(DOCTOR,),
    ),
    Condition(
        "a model that is not offered",
        wrong_model,
        {EXPLAIN: "the last error was model_not_found", DOCTOR: "no-such-model", LS: "failed +j .*no-such-model"},
        told=(EXPLAIN, DOCTOR, LS),
        by_hand=with_a_model,
    ),
    Condition("a program is too old", too_old, r"error +protocol:cursor", r"cursor-agent update", DOCTOR, (DOCTOR,)),
    Condition(
        "a program is not executable",
        program_not_executable,
        r"agent with a blank is not executable",
        r"chmod \+x \S.*",
    ),
    Condition(
        "a program on PATH is not executable", not_executable_on_path, r"my-agent is not executable", r"chmod \+x \S+"
    ),
]
JOBS = [
    Condition(
        "a person holds a job", held, {EXPLAIN: "it is held", LS: "held +j"}, r"wf release j", told=(EXPLAIN, LS)
    ),
    Condition(
        "a job is delayed",
        delayed,
        {EXPLAIN: r"delayed until \S+Z(.|\n)*the compiler is missing", LS: r"queued +j .*Z.*the compiler is missing"},
        r"wf retry --now j",
        told=(EXPLAIN, LS),
        by_hand=lambda bed: None,
    ),
    Condition(
        "a job is dead",
        dead,
        {EXPLAIN: r"dead letter(.|\n)*the compiler is missing", LS: "failed +j .*compiler is missing"},
        r"wf retry j",
        told=(EXPLAIN, LS),
    ),
    Condition("a job is archived", archived, {EXPLAIN: "put away"}, r"wf retry j", told=(EXPLAIN,)),
    Condition(
        "a budget is spent",
        budget_spent,
        {EXPLAIN: "budget.unknown_cost is hold", LS: "held +j .*budget.unknown_cost is hold"},
        r"wf config set budget.unknown_cost allow && wf release j",
        told=(EXPLAIN, LS),
        by_hand=goes_on,
    ),
]
CONFIGURATION = [
    Condition("the spool is under a sync tool", synced, r"(?i)syncthing", by_hand=unsync),
    Condition(
        "two configuration files",
        two_configurations,
        r"wf.config.yaml and wf.config.json",
        by_hand=remove_the_second,
    ),
]
PLANS = [
    Condition("a plan is blocked", plan_blocked, r"is blocked; `wf fix 01`", r"wf fix 01"),
    Condition("a plan was left in a step", plan_left, r"plan 01.* was left in coding", r"wf code 01"),
    Condition("a plan's job is dead", plan_dead, r"e01-p01-i0-plan\S* is dead", r"wf retry \S+"),
    Condition(
        "a plan has vanished", plan_vanished, r"plan 01 is not in the checkout", r"git checkout -- plans/01-\S+"
    ),
    Condition(
        "two plans of one number",
        two_plans,
        r"plans/01-\S+ and plans/01-zebra have the same number",
        r"wf cancel \S+ && wf plan renumber 01-zebra && wf retry \S+",
    ),
    Condition("an epic is paused", epic_paused, r"epic 01 is paused", r"wf epic resume 01"),
    Condition("the epic of a plan is paused", epic_paused_for_its_plan, r"epic 01 is paused", r"wf epic resume 01"),
    Condition("an epic is stuck", epic_stuck, r"plan 01.* was left in coding", r"wf code 01"),
    Condition(
        "a plan comes after itself",
        order_in_a_circle,
        r"epic.md:\d+: `Plan 1: parser` comes after itself",
        r"wf epic validate 01",
        by_hand=order_corrected,
    ),
    Condition("an epic without plans", epic_without_plans, r"epic 01 has no plans", r"wf retry \S+"),
]

TABLE = [*POOLS, *SESSIONS, *MACHINE, *FILES, *RUNTIMES, *JOBS, *CONFIGURATION, *PLANS]
