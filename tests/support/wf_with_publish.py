"""``wf`` with one step more, ``publish``: one row and one prompt, added before anything derives from the table.

A completed plan is published when its folder has a file ``published``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

from wf_cli.contract import step
from wf_cli.contract.failure import Failure


def _not_published(plan: Any, _iteration: int) -> Failure | None:
    if (plan.plan.path / "published").exists():
        return None
    return Failure("checks_unmet", f"plan {plan.plan_id} is not published", errors=("there is no file published",))


ROW = step.Step(
    "publish",
    step.Role("publisher", runtime="cursor", may=frozenset({"completing"})),
    inside=step.COMPLETED,
    due=lambda plan: plan.phase == step.COMPLETED and _not_published(plan, 0) is not None,
    unmet=_not_published,
)
PROMPT = "# Publish plan $plan\n\nYou are the publisher of `$dir/`. $epic\n"


def main() -> None:
    cast("dict[str, step.Step]", step.STEPS)["publish"] = ROW
    from wf_cli.cli.main import run
    from wf_cli.planjobs import prompts

    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(Path(str(prompts.FOLDER)), folder, dirs_exist_ok=True)
        (Path(folder) / "publish.md").write_text(PROMPT, encoding="utf-8")
        prompts.FOLDER = Path(folder)
        import os

        code = run(tuple(sys.argv[1:]), dict(os.environ))
    sys.exit(code)


if __name__ == "__main__":
    main()
