"""What the next agent of a step is told when the one before it ended with an error."""

from __future__ import annotations

from pathlib import Path

from support.in_process import Yard
from support.projects import TODO, make_plan
from wf_cli.contract.identity import Target
from wf_cli.contract.token import Pool
from wf_cli.queue.values import JobRequest


def test_an_agent_that_ends_with_an_error_does_not_hide_what_its_plan_lacks(tmp_path: Path) -> None:
    """A script ends with the code of its last command, which may be a refused `wf finish-code`."""
    script = 'cat >"$N/prompt.$2"; echo "I looked"; echo "hint: repair these points" >&2; exit 1'
    yard = Yard(tmp_path, script, routing={"plan-coder": {"runtime": "shell"}})
    make_plan(tmp_path, phase="planning", todo=TODO.replace("[x]", "[ ]"))
    target = Target("01", 0, "code", "plan-coder")
    job_id = yard.queue.enqueue(JobRequest("plan-coder", "shell", target=target, max_attempts=2)).job_id
    pools = frozenset({Pool("plan-coder", "shell")})

    def both_ended() -> bool:
        yard.app.worker(yard.spool, runtime="shell", pools=pools, say=yard.said.append).run()
        return yard.queue.outcome(job_id, 2) is not None

    yard.until(both_ended, "the second attempt")
    failure = getattr(yard.queue.outcome(job_id, 1), "failure", None)
    assert failure is not None
    assert failure.code == "crashed"
    assert failure.errors[0] == f"crashed: {failure.message}"
    assert "todo items are not ticked: T1, T2" in failure.errors
    prompt = (tmp_path / "notes" / "prompt.2").read_text()
    assert all(error in prompt for error in failure.errors)
