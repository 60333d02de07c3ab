"""The names nearest to one that does not exist, for every command that refuses a name."""

from __future__ import annotations

from collections.abc import Iterable

#: Names that are listed when none is near; the rest is counted.
_SHOWN = 10


def hint(name: str, known: Iterable[str], *, otherwise: str = "known are") -> str:
    """What to say about ``name``, which is none of ``known``: the nearest ones, or else all of them.

    ``otherwise`` stands before the list. Names are compared without regard to case, and given as they are known.
    """
    near = names(name, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    every = sorted(set(known))
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return f"{otherwise}: {', '.join(every[:_SHOWN])}{more}" if every else f"{otherwise}: none"


def names(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6, begun: bool = True) -> list[str]:
    """The names of ``known`` that ``name`` may be meant for, the nearest first.

    ``cutoff`` is how alike they have to be, up to 1. With ``begun`` names that begin with ``name`` count, too.
    """
    import difflib  # Only mistakes need it.

    by_fold = {one.casefold(): one for one in sorted(set(known))}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=most, cutoff=cutoff)
    if begun and len(name) > 1:
        found += [fold for fold in by_fold if fold.startswith(name.casefold()) and fold not in found]
    return [by_fold[fold] for fold in found[:most]]
