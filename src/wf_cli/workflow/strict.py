"""The strict quality run of ``review --strict``: it runs the project's own checks and keeps a record.

First `phase_commands.run` writes phase and metadata under the plan's lock. Then `run_checks` runs the checks without
any lock, because they may take minutes. At last `store` takes the lock again, looks whether the plan is still in the
review that the run belongs to, and writes ``quality-run.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any, Literal, get_args

from wf_cli import fsio, git
from wf_cli.clock import iso
from wf_cli.errors import Refused, StateError
from wf_cli.frozen import frozen
from wf_cli.workflow import phases, plans, verify
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

Profile = Literal["fast", "default", "full"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

#: How many lines of a failed check's output are shown to the user.
TAIL_LINES = 15


@frozen
class Check:
    """One finished check. ``tail`` is the end of its output, for people only."""

    name: str
    command: str
    exit_code: int
    duration_ms: int
    stdout_sha256: str
    stderr_sha256: str
    tail: str = ""


@frozen
class QualityRun:
    """All checks of one run, which passed when every exit code is 0."""

    plan_id: str
    profile: Profile
    created_at: str
    git_head: str
    git_dirty: bool
    checks: tuple[Check, ...]
    #: The plan's iteration when the checks began. Together with the phase it tells which review they belong to.
    iteration: int = 0

    @property
    def ok(self) -> bool:
        return all(check.exit_code == 0 for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.exit_code != 0)

    def as_json(self) -> dict[str, Any]:
        """The content of ``quality-run.json``, schema version 1."""
        return {
            "schema_version": 1,
            "mode": "strict",
            "strict_profile": self.profile,
            "plan_ref": self.plan_id,
            "created_at": self.created_at,
            "git": {"head": self.git_head, "dirty": self.git_dirty},
            "checks": [
                {
                    "name": check.name,
                    "command": check.command,
                    "exit_code": check.exit_code,
                    "duration_ms": check.duration_ms,
                    "stdout_sha256": check.stdout_sha256,
                    "stderr_sha256": check.stderr_sha256,
                }
                for check in self.checks
            ],
            "ok": self.ok,
        }


def run_checks(project: Project, plan: Plan, profile: Profile) -> QualityRun:
    """Run every check of ``profile``, even when one fails. Takes no lock and writes no file of the plan."""
    began = plans.read_state(plan)
    commands = planned_checks(project.root, profile)
    checks = [_run(project, name, command) for name, command in commands]
    checks.append(_verify_ourselves(project, plan))
    return QualityRun(
        plan_id=plan.id,
        profile=profile,
        created_at=iso(project.clock.now_ms()),
        git_head=_git(project.root, "rev-parse", "HEAD") or "unknown",
        git_dirty=bool(_git(project.root, "status", "--porcelain")),
        checks=tuple(checks),
        iteration=began.iteration if began is not None else 0,
    )


def store(project: Project, plan: Plan, run: QualityRun) -> None:
    """Write ``quality-run.json``; Refused when the plan left the review while the checks ran."""
    with project.changing(plan.id):
        now = plans.need_state(plan)
        if (now.phase, now.iteration) != (phases.REVIEWING, run.iteration):
            to = now.phase if now.phase != phases.REVIEWING else f"the review of iteration {now.iteration}"
            raise Refused(
                f"plan {plan.id} went from reviewing to {to} while its checks ran; the run is not stored",
                hint=f"see what happened with: wf context {plan.id}",
            )
        fsio.write_json(plan.quality_run, run.as_json())


def planned_checks(root: Path, profile: Profile) -> list[tuple[str, str]]:
    """Names and commands of the package's checks, in order. ``test`` is always among them."""
    scripts = _package_scripts(root)
    runner = _runner(root)
    planned = []
    if scripts.get("typecheck"):
        planned.append(("typecheck", f"{runner} run typecheck"))
    if scripts.get("lint") and profile != "fast":
        planned.append(("lint", f"{runner} run lint"))
    planned.append(("test", f"{runner} run test" if scripts.get("test") else f"{runner} test"))
    if scripts.get("test:integration") and profile == "full":
        planned.append(("test:integration", f"{runner} run test:integration"))
    return planned


def _package_scripts(root: Path) -> dict[str, Any]:
    """The scripts of package.json; empty when the file is missing or unreadable."""
    try:
        scripts = (fsio.read_json_object(root / "package.json") or {}).get("scripts")
    except StateError:
        return {}
    return scripts if isinstance(scripts, dict) else {}


def _runner(root: Path) -> str:
    """``bun``, or ``npm`` where the user's login shell finds no bun."""
    found = _shell(root, "command -v bun >/dev/null || ! command -v npm >/dev/null")[0] == 0
    return "bun" if found else "npm"


def _run(project: Project, name: str, command: str) -> Check:
    started = project.clock.monotonic()
    exit_code, out, err = _shell(project.root, command)
    duration_ms = round((project.clock.monotonic() - started) * 1000)
    tail = b"\n".join((out + err).splitlines()[-TAIL_LINES:]).decode("utf-8", "replace")
    return Check(name, command, exit_code, duration_ms, _sha256(out), _sha256(err), tail)


def _shell(root: Path, command: str) -> tuple[int, bytes, bytes]:
    """Run ``command`` in a login shell. Its whole process group is killed when the wait is interrupted."""
    argv = ["bash", "-lc", command]
    try:
        child = subprocess.Popen(
            argv,
            cwd=root,
            env=git.without_redirects(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise StateError(
            f"cannot run {shlex.join(argv)}: {error.strerror}", hint="strict runs need bash on PATH"
        ) from error
    with child:
        try:
            out, err = child.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise
    # The exit code of a shell that was killed by a signal is given as a shell would report it.
    return (child.returncode if child.returncode >= 0 else 128 - child.returncode), out, err


def _verify_ourselves(project: Project, plan: Plan) -> Check:
    """The review gate as a check of the run. It is evaluated in this process, because the package script that wf-cli
    0.3.x needed for it may be missing (docs/explanation/compatibility.md, quirk 12)."""
    started = project.clock.monotonic()
    result = verify.verify(project, plan, "review")
    document = json.dumps(result.as_json(plan.id), indent=2, ensure_ascii=False).encode()
    out, err = (document, b"") if result.ok else (b"", document)
    return Check(
        name="wf_verify",
        command=f"wf verify {plan.id} --target=review --json",
        exit_code=0 if result.ok else 1,
        duration_ms=round((project.clock.monotonic() - started) * 1000),
        stdout_sha256=_sha256(out),
        stderr_sha256=_sha256(err),
        tail="" if result.review is None else "\n".join(result.review.errors),
    )


def _git(root: Path, *args: str) -> str | None:
    """The output of git without line end; None outside a repository and without git."""
    out = git.output(root, *args)
    return out.decode("utf-8", "replace").strip() if out is not None else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
