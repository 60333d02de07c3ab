"""Frozen classes are dataclasses in all that code can see: the same classes are made in both ways here."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, astuple, dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

from wf_cli.frozen import frozen

STOCK: Callable[[Any], Any] = dataclass(frozen=True, slots=True)


def classes(make: Callable[[Any], Any]) -> dict[str, Any]:
    @make
    class Plain:
        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)
        hidden: int = field(default=7, init=False, repr=False, compare=False)

    @make
    class One:
        value: object

    @make
    class Empty:
        pass

    @make
    class Checked:
        low: int
        high: int = field(kw_only=True)
        made: list[int] = field(default_factory=lambda: [1], init=False)

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

        def __repr__(self) -> str:
            return f"{self.low}..{self.high}"

        def __hash__(self) -> int:
            return 4

    @make
    class More(Plain):
        d: float = 1.5

    return {cls.__name__: cls for cls in (Plain, One, Empty, Checked, More)}


OURS, THEIRS = classes(frozen), classes(STOCK)
NAN = float("nan")
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Plain", (1,), {}),
    ("Plain", (1, "x", [2]), {}),
    ("Plain", (), {"b": "y", "a": 2}),
    ("Plain", (), {}),
    ("Plain", (1,), {"hidden": 3}),
    ("Plain", (1, 2, 3, 4), {}),
    ("Plain", (1,), {"other": 1}),
    ("One", (NAN,), {}),
    ("One", ([],), {}),
    ("Empty", (), {}),
    ("Checked", (1,), {"high": 2}),
    ("Checked", (1, 2), {}),
    ("Checked", (3,), {"high": 2}),
    ("More", (1,), {"d": 2.0}),
]


def told(cls: Any, given: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """What an instance does, or how it is refused."""
    try:
        one, two = cls(*given, **named), cls(*given, **named)
    except (TypeError, ValueError) as error:
        return {"refused": type(error)}
    try:
        same = hash(one) == hash(two)
    except TypeError:
        same = None
    return {
        "text": repr(one).rpartition(".")[2],
        "equal": (one == two, one != two, one == object()),
        "hash": same,
        "values": str(astuple(one)),
        "keys": list(asdict(one)),
        "copied": repr(copy.deepcopy(one)).rpartition(".")[2],
        "slots": hasattr(one, "__dict__"),
        "match": cls.__match_args__,
        "is": is_dataclass(cls),
    }


@pytest.mark.parametrize(("name", "given", "named"), CALLS)
def test_it_does_what_the_dataclass_does(name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    assert told(OURS[name], given, named) == told(THEIRS[name], given, named)


def test_the_signature_after_the_first_instance_is_the_dataclass_s() -> None:
    for name, given, named in (("Plain", (1,), {}), ("Checked", (1,), {"high": 2})):
        OURS[name](*given, **named)
        ours, theirs = inspect.signature(OURS[name]), inspect.signature(THEIRS[name])
        assert [(p.name, p.kind) for p in ours.parameters.values()] == [
            (p.name, p.kind) for p in theirs.parameters.values()
        ]


def test_no_attribute_can_be_set_or_deleted_and_replace_makes_another() -> None:
    one = OURS["Plain"](1)
    for change in (lambda: setattr(one, "a", 2), lambda: setattr(one, "new", 2), lambda: delattr(one, "a")):
        with pytest.raises(FrozenInstanceError, match="cannot change the field"):
            change()
    assert replace(one, a=2) == OURS["Plain"](2)
    assert one == OURS["Plain"](1)


@frozen
class Sent:
    """At the top of a module, where pickle finds it."""

    a: int
    b: tuple[str, ...] = ()


def test_a_frozen_instance_is_pickled() -> None:
    assert pickle.loads(pickle.dumps(Sent(1, ("x",)))) == Sent(1, ("x",))


def test_first_instances_of_many_threads_at_once_are_whole() -> None:
    for _ in range(50):

        @frozen
        class New:
            a: int
            b: int = 2

        together = threading.Barrier(4)
        made: list[Any] = []

        def make(cls: Any = New, together: threading.Barrier = together, made: list[Any] = made) -> None:
            together.wait(10)
            made.append(cls(1))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert made == [New(1)] * 4


def test_defining_a_frozen_class_compiles_nothing() -> None:
    """The reason for `frozen`, counted: a dataclass compiles a function for each of its methods."""
    code = (
        "import builtins, sys, dataclasses\n"
        "from wf_cli.frozen import frozen\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, _: seen.append(event) if event == 'compile' else None)\n"
        "@frozen\n"
        "class A:\n"
        "    a: int\n"
        "    b: int = 2\n"
        "defined = len(seen)\n"
        "A(1), A(2)\n"
        "print(defined, len(seen))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["0", "1"]
    assert len(fields(Sent)) == 2
