"""``wf verify``: the gates of a plan, read-only, in any phase."""

from __future__ import annotations

from typing import Any, Literal, get_args

from wf_cli.frozen import frozen
from wf_cli.workflow import gates
from wf_cli.workflow.gates import Gate
from wf_cli.workflow.plans import Plan
from wf_cli.workflow.project import Project

Target = Literal["all", "review", "done"]
TARGETS: tuple[Target, ...] = get_args(Target)


@frozen
class Verification:
    """The results of the gates that were asked for; None for the others."""

    plan: Plan
    target: Target
    strict: bool
    review: Gate | None
    done: Gate | None
    strict_check: Gate | None

    @property
    def checks(self) -> dict[str, Gate | None]:
        return {"review": self.review, "done": self.done, "strict": self.strict_check}

    @property
    def ok(self) -> bool:
        return all(gate.ok for gate in self.checks.values() if gate is not None)

    def as_json(self, reference: str) -> dict[str, Any]:
        """The document of ``wf verify --json``. A strict run records its hash."""
        return {
            "ok": self.ok,
            "input": reference,
            "id": self.plan.id,
            "resolved_plan_dir": self.plan.relative,
            "target": self.target,
            "strict": self.strict,
            "checks": {
                name: None if gate is None else {"ok": gate.ok, "errors": list(gate.errors)}
                for name, gate in self.checks.items()
            },
        }


def verify(project: Project, plan: Plan, target: Target = "all", *, strict: bool = False) -> Verification:
    """Evaluate the gates of ``target``, and the strict check if asked for."""
    return Verification(
        plan=plan,
        target=target,
        strict=strict,
        review=gates.review_gate(plan) if target in ("all", "review") else None,
        done=gates.done_gate(plan, project.clock) if target in ("all", "done") else None,
        strict_check=gates.strict_check(plan, project.clock) if strict else None,
    )
