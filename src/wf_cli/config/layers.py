"""Values by key path: flattened, laid over each other, and turned into the typed model and back.

A *tree* is a configuration as a file holds it, with nested mappings and with durations as text. *Flat* is the same
by key path. An upper layer replaces a list as a whole, because a list is one value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wf_cli.clock import parse_duration
from wf_cli.config import model
from wf_cli.config.model import Config, Notify, RolePolicy, Runtime, Timeouts, duration_text
from wf_cli.contract.backoff import RetryPolicy

Path = tuple[str, ...]
Flat = dict[Path, Any]
Tree = dict[str, Any]
#: Names where the value at a key path comes from.
Source = Callable[[Path], str]


def flatten(tree: Mapping[str, Any], prefix: Path = ()) -> Flat:
    """``tree`` by key path. Options and failures of a runtime are one value each; so is an empty mapping."""
    flat: Flat = {}
    for key, value in tree.items():
        path = (*prefix, key)
        whole = len(path) == 3 and path[0] == "runtimes" and path[2] in ("options", "failures", "output")
        if isinstance(value, Mapping) and value and not whole:
            flat |= flatten(value, path)
        else:
            flat[path] = value
    return flat


def unflatten(flat: Flat) -> Tree:
    """The tree of ``flat``."""
    tree: Tree = {}
    for path, value in flat.items():
        node = tree
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value
    return tree


@dataclass(slots=True)
class Stack:
    """Layers laid over each other, the lowest first; ``sources`` says who set each value that is seen."""

    flat: Flat = field(default_factory=dict)
    sources: dict[Path, Source] = field(default_factory=dict)

    def lay(self, tree: Mapping[str, Any], source: Source) -> None:
        """Put ``tree`` on top."""
        layer = flatten(tree)
        # A runtime is replaced as a whole, because half of an old definition under a new adapter makes no sense.
        for name in {path[1] for path in layer if path[0] == "runtimes" and len(path) > 1}:
            self._drop(("runtimes", name))
        for path, value in layer.items():
            if value == {} and any(p[: len(path)] == path for p in self.flat):
                continue  # An empty section leaves the layers below it as they are.
            self.flat[path] = value
            self.sources[path] = source

    def _drop(self, prefix: Path) -> None:
        for path in [p for p in self.flat if p[: len(prefix)] == prefix]:
            del self.flat[path], self.sources[path]

    def origin(self, path: Path) -> str:
        """Where the value at ``path`` comes from. A section or list item has the origin of the value around it."""
        for length in range(len(path), 0, -1):
            part = path[:length]
            source = self.sources.get(part) or next((s for p, s in self.sources.items() if p[:length] == part), None)
            if source is not None:
                return source(path)
        return "default"

    @property
    def tree(self) -> Tree:
        return unflatten(self.flat)


def build(tree: Mapping[str, Any]) -> Config:
    """The typed model of a valid tree. A value that the tree leaves out has its default."""
    base = Config()
    spool = model.Spool(**tree.get("spool", {}))
    retry, timeouts = _retry(tree, base.retry), _timeouts(tree, base.timeouts)
    permissions = _permissions(tree.get("permissions", {}), base.permissions)
    checks = _checks(tree, base.checks)
    lease_s = _lease_s(tree, model.LEASE_S[spool.topology])
    return Config(
        version=tree.get("version", base.version),
        mode=tree.get("mode", base.mode),
        spool=spool,
        lease_s=lease_s,
        retry=retry,
        timeouts=timeouts,
        epic=_epic(tree.get("epic", {})),
        isolation=_isolation(tree.get("isolation", {}), base.isolation),
        review=model.Review(**tree.get("review", {})),
        routing={
            role: RolePolicy(
                role,
                entry.get("runtime"),
                entry.get("model"),
                _retry(entry, retry),
                _timeouts(entry, timeouts),
                _checks(entry, checks),
                _lease_s(entry, lease_s),
            )
            for role, entry in tree.get("routing", {}).items()
        },
        runtimes={name: _runtime(name, entry, permissions) for name, entry in tree.get("runtimes", {}).items()},
        permissions=permissions,
        budget=_budget(tree.get("budget", {}), base.budget),
        checks=checks,
        retention=_retention(tree.get("retention", {}), base.retention),
        redact=tuple(tree.get("redact", base.redact)),
        notify=tuple(map(_notify, tree.get("notify", ()))),
    )


def _epic(tree: Mapping[str, Any]) -> model.Epic:
    return model.Epic(**{**tree, "approve": tuple(tree.get("approve", ()))})


def _isolation(given: Mapping[str, Any], base: model.Isolation) -> model.Isolation:
    values: dict[str, Any] = dict(given)
    if "copy" in given:
        values["copy"] = tuple(given["copy"])
    values |= {key: tuple(map(tuple, given[key])) for key in ("setup", "gates") if key in given}
    return replace(base, **values)


def _isolation_tree(isolation: model.Isolation) -> Tree:
    return {
        "mode": isolation.mode,
        "dir": isolation.dir,
        "branches": isolation.branches,
        "target": isolation.target,
        "copy": list(isolation.copy),
        "setup": [list(argv) for argv in isolation.setup],
        "gates": [list(argv) for argv in isolation.gates],
    }


def _lease_s(tree: Mapping[str, Any], base_s: float) -> float:
    given = tree.get("lease", {})
    return parse_duration(given["duration"]) if "duration" in given else base_s


def _notify(entry: Mapping[str, Any]) -> Notify:
    timeout_s = parse_duration(entry["timeout"]) if "timeout" in entry else model.NOTIFY_TIMEOUT_S
    return Notify(tuple(entry["on"]), tuple(entry.get("run", ())), entry.get("url"), timeout_s)


def _notify_tree(entry: Notify) -> Tree:
    timeout = {} if entry.timeout_s == model.NOTIFY_TIMEOUT_S else {"timeout": duration_text(entry.timeout_s)}
    where: Tree = {"run": list(entry.run)} if entry.url is None else {"url": entry.url}
    return {"on": list(entry.on), **where, **timeout}


def _retry(tree: Mapping[str, Any], base: model.Retry) -> model.Retry:
    given = tree.get("retry", {})
    backoff = given.get("backoff", {})
    jitter = backoff.get("jitter")
    return model.Retry(
        max_attempts=given.get("max_attempts", base.max_attempts),
        backoff=RetryPolicy(
            base_s=parse_duration(backoff["base"]) if "base" in backoff else base.backoff.base_s,
            factor=float(backoff.get("factor", base.backoff.factor)),
            cap_s=parse_duration(backoff["cap"]) if "cap" in backoff else base.backoff.cap_s,
            jitter=base.backoff.jitter if jitter is None else jitter == "full",
            max_parked=given.get("max_parked", base.backoff.max_parked),
        ),
    )


def _timeouts(tree: Mapping[str, Any], base: Timeouts) -> Timeouts:
    return replace(base, **{f"{key}_s": parse_duration(value) for key, value in tree.get("timeouts", {}).items()})


def _checks(tree: Mapping[str, Any], base: model.Checks) -> model.Checks:
    given = tree.get("checks", {})
    return model.Checks(given.get("no_change", base.no_change), tuple(given.get("ignore", base.ignore)))


def _budget(given: Mapping[str, Any], base: model.Budget) -> model.Budget:
    dollars = {key: float(given[key]) for key in ("per_job_usd", "per_epic_usd") if key in given}
    return replace(base, unknown_cost=given.get("unknown_cost", base.unknown_cost), **dollars)


def _retention(given: Mapping[str, Any], base: model.Retention) -> model.Retention:
    return replace(base, **{f"{key}_s": parse_duration(value) for key, value in given.items()})


def _permissions(given: Mapping[str, Any], base: model.Permissions) -> model.Permissions:
    return model.Permissions(
        default=given.get("default", base.default),
        allow=tuple(given.get("allow", base.allow)),
        deny=tuple(given.get("deny", base.deny)),
    )


def _runtime(name: str, entry: Mapping[str, Any], permissions: model.Permissions) -> Runtime:
    adapter = entry.get("adapter", name)
    return Runtime(
        name=name,
        adapter=adapter,
        command=tuple(entry.get("command", model.PROGRAMS.get(adapter, ()))),
        argv=tuple(entry.get("argv", ())),
        options=dict(entry.get("options", {})),
        output=dict(entry.get("output", {})),
        failures=dict(entry.get("failures", {})),
        env=dict(entry.get("env", {})),
        protocol=entry.get("protocol"),
        permissions=_permissions(entry["permissions"], permissions) if "permissions" in entry else None,
    )


def as_tree(config: Config) -> Tree:
    """``config`` as a file would say it, every value spelled out. `build` gives ``config`` back."""
    return {
        "version": config.version,
        "mode": config.mode,
        "spool": {
            "dir": config.spool.dir,
            "topology": config.spool.topology,
            "durability": config.spool.durability,
        },
        "lease": {"duration": duration_text(config.lease_s)},
        "retry": _retry_tree(config.retry),
        "timeouts": _timeouts_tree(config.timeouts),
        "epic": {
            "max_parallel_plans": config.epic.max_parallel_plans,
            "max_iterations": config.epic.max_iterations,
            "max_plans": config.epic.max_plans,
            **({"approve": list(config.epic.approve)} if config.epic.approve else {}),
        },
        # Without isolation nothing tells of it, so a project that does not use it sees no new keys.
        **({"isolation": _isolation_tree(config.isolation)} if config.isolation != model.Isolation() else {}),
        "review": {"strict": config.review.strict},
        "routing": {role: _policy_tree(policy, config) for role, policy in config.routing.items()},
        "runtimes": {name: _runtime_tree(runtime) for name, runtime in config.runtimes.items()},
        # These are left out while they are not set, like the overrides of a runtime or a role.
        **(
            {"permissions": _permissions_tree(config.permissions)}
            if config.permissions != model.Permissions()
            else {}
        ),
        **({"budget": _budget_tree(config.budget)} if config.budget != model.Budget() else {}),
        "checks": _checks_tree(config.checks),
        "retention": {"logs": duration_text(config.retention.logs_s)},
        **({"redact": list(config.redact)} if config.redact else {}),
        "notify": list(map(_notify_tree, config.notify)),
    }


def _retry_tree(retry: model.Retry) -> Tree:
    factor = retry.backoff.factor
    return {
        "max_attempts": retry.max_attempts,
        "max_parked": retry.backoff.max_parked,
        "backoff": {
            "base": duration_text(retry.backoff.base_s),
            "factor": int(factor) if factor == int(factor) else factor,
            "cap": duration_text(retry.backoff.cap_s),
            "jitter": "full" if retry.backoff.jitter else "none",
        },
    }


def _timeouts_tree(timeouts: Timeouts) -> Tree:
    return {
        "startup": duration_text(timeouts.startup_s),
        "stall": duration_text(timeouts.stall_s),
        "max_runtime": duration_text(timeouts.max_runtime_s),
        "grace": duration_text(timeouts.grace_s),
    }


def _policy_tree(policy: RolePolicy, config: Config) -> Tree:
    tree: Tree = {"runtime": policy.runtime}
    if policy.model is not None:
        tree["model"] = policy.model
    if policy.lease_s != config.lease_s:
        tree["lease"] = {"duration": duration_text(policy.lease_s)}
    if policy.retry != config.retry:
        tree["retry"] = _retry_tree(policy.retry)
    if policy.timeouts != config.timeouts:
        tree["timeouts"] = _timeouts_tree(policy.timeouts)
    if policy.checks != config.checks:
        tree["checks"] = _checks_tree(policy.checks)
    return tree


def _checks_tree(checks: model.Checks) -> Tree:
    return {"no_change": checks.no_change, **({"ignore": list(checks.ignore)} if checks.ignore else {})}


def _budget_tree(budget: model.Budget) -> Tree:
    dollars = {"per_job_usd": budget.per_job_usd, "per_epic_usd": budget.per_epic_usd}
    return {
        **{key: value for key, value in dollars.items() if value is not None},
        "unknown_cost": budget.unknown_cost,
    }


def _permissions_tree(permissions: model.Permissions) -> Tree:
    return {
        "default": permissions.default,
        "allow": list(permissions.allow),
        "deny": list(permissions.deny),
    }


def _runtime_tree(runtime: Runtime) -> Tree:
    tree: Tree = {"adapter": runtime.adapter}
    if runtime.command:
        tree["command"] = list(runtime.command)
    if runtime.argv:
        tree["argv"] = list(runtime.argv)
    if runtime.options:
        tree["options"] = dict(runtime.options)
    if runtime.output:
        tree["output"] = dict(runtime.output)
    if runtime.failures:
        tree["failures"] = dict(runtime.failures)
    if runtime.env:
        tree["env"] = dict(runtime.env)
    if runtime.protocol is not None:
        tree["protocol"] = runtime.protocol
    if runtime.permissions is not None:
        tree["permissions"] = _permissions_tree(runtime.permissions)
    return tree
