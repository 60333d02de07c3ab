"""Frozen dataclasses that cost little to define, because every command defines some hundred of them as it starts.

`dataclasses` generates six functions for each class and compiles them when the class is defined. Here all classes
share five of them, and the sixth, ``__init__``, is compiled when the first instance is made. Most commands make
instances of few of the classes that they import.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def frozen(cls: type[T]) -> type[T]:
    """``@dataclass(frozen=True, slots=True)``: the same fields, equality, hash and text, and no attribute changes.

    ``fields``, ``replace``, ``asdict``, copies and pickles work as for a dataclass. Not guaranteed: the signature of
    the class before its first instance.
    """
    own = {**vars(cls)}
    cls.__doc__ = cls.__doc__ or cls.__name__  # `dataclass` would look for a signature to show instead.
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    for name, function in _SHARED.items():
        if name not in own:
            setattr(made, name, function)
    if "__init__" not in own:
        made.__init__ = _first(made)
    return made  # type: ignore[no-any-return]


def _first(cls: Any) -> Callable[..., None]:
    """The ``__init__`` of a class without instances. It puts the real one in its place."""

    def __init__(self: Any, *given: Any, **named: Any) -> None:
        cls.__init__ = real = _initializer(cls)
        real(self, *given, **named)

    return __init__


def _initializer(cls: type[Any]) -> Callable[..., None]:
    """The ``__init__`` of a class, compiled from its fields."""
    names: dict[str, Any] = {"MISSING": MISSING}
    before: list[str] = []
    after: list[str] = []
    body: list[str] = []
    for at, one in enumerate(fields(cls)):
        names[f"set_{at}"] = getattr(cls, one.name).__set__  # The slot itself, as `__setattr__` refuses.
        value = one.name
        if one.default_factory is not MISSING:
            names[f"make_{at}"] = one.default_factory
            value = f"make_{at}()" + (f" if {one.name} is MISSING else {one.name}" if one.init else "")
            default = "=MISSING"
        else:
            names[f"default_{at}"] = one.default
            default = "" if one.default is MISSING else f"=default_{at}"
            value = one.name if one.init else f"default_{at}"
        if one.init:
            (after if one.kw_only else before).append(one.name + default)
        elif value == f"default_{at}" and one.default is MISSING:
            continue
        body.append(f"set_{at}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    words = ["self", *before, *(["*", *after] if after else [])]
    lines = "\n ".join(body or ["pass"])
    exec(f"def __init__({', '.join(words)}):\n {lines}", names)
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    made.__annotations__ = {one.name: one.type for one in fields(cls) if one.init} | {"return": None}
    return made


def _key(cls: Any) -> Callable[[Any], Any]:
    """What gives the values of the fields that are compared. The class keeps it."""
    wanted = [one.name for one in fields(cls) if one.compare]
    found: Callable[[Any], Any]
    if len(wanted) > 1:
        found = operator.attrgetter(*wanted)
    else:  # A tuple, as ever: it counts one object as equal to itself, whatever the object says.

        def found(self: Any) -> Any:
            return tuple(getattr(self, name) for name in wanted)

    cls._frozen_key = staticmethod(found)
    return found


def _compared(one: Any) -> Any:
    cls = type(one)
    return (cls._frozen_key or _key(cls))(one)


def _equals(self: Any, other: object) -> Any:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _text(self: Any) -> str:
    shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse(self: Any, name: str, *_value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot change the field {name!r} of {type(self).__qualname__}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)


_SHARED: dict[str, Any] = {
    "__repr__": _text,
    "__eq__": _equals,
    "__hash__": _hash,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _state,
    "__setstate__": _restore,
    "_frozen_key": None,
}
