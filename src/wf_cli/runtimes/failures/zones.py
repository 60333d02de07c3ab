"""The zone that a time in a message belongs to: an offset, a name of the zone database, or an abbreviation.

An abbreviation that says summer or winter (PDT, CET) is a fixed offset. One that says neither (PT, "Pacific time") is
the zone itself, whose offset depends on the day. Some letters mean several zones: CST is read as the one of the US,
IST as the one of India, and BST as the British one, because the providers whose messages have zones are those.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_FLAGS = re.IGNORECASE | re.ASCII

#: Hours from UTC.
_FIXED = {
    "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CST": -6, "CDT": -5, "EST": -5, "EDT": -4, "AKST": -9, "AKDT": -8,
    "HST": -10, "AST": -4, "ADT": -3, "BRT": -3, "ART": -3, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1,
    "CEST": 2, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "TRT": 3, "GST": 4, "PKT": 5, "IST": 5.5, "ICT": 7,
    "WIB": 7, "SGT": 8, "HKT": 8, "AWST": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
#: Zones by what people call them.
_NAMED = {
    "PT": "America/Los_Angeles",
    "pacific": "America/Los_Angeles",
    "MT": "America/Denver",
    "mountain": "America/Denver",
    "CT": "America/Chicago",
    "central": "America/Chicago",
    "ET": "America/New_York",
    "eastern": "America/New_York",
    "beijing": "Asia/Shanghai",
    "china": "Asia/Shanghai",
    "singapore": "Asia/Singapore",
    "london": "Europe/London",
    "berlin": "Europe/Berlin",
    "paris": "Europe/Paris",
}
_WORDS = "|".join(name for name in _NAMED if len(name) > 2)
_SHORT = "|".join(sorted([*_FIXED, *(name for name in _NAMED if len(name) == 2)], key=len, reverse=True))

_ZONE = re.compile(
    r"[ ,]{0,2}\(?(?:(?P<utc>Z|UTC|GMT)(?![a-z/])|(?=[+-]))"
    r"(?: ?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d))?)?(?!\d)"
    r"|[ ,]{0,2}\(?(?P<name>[A-Z]{2,20}(?:/[A-Z0-9_+-]{1,30}){1,2})"
    rf"|[ ,]{{0,2}}\(?(?P<words>{_WORDS}) (?:standard |daylight |summer )?time\b"
    r"|[ ,]{0,2}\(?(?P<pacific>pacific|eastern)\b",
    _FLAGS,
)
#: Capitals only, because "est" and "art" are words of other languages.
_LETTERS = re.compile(rf"[ ,]{{0,2}}\(?(?P<letters>{_SHORT})(?![A-Za-z0-9/])", re.ASCII)


def at(text: str, start: int) -> tzinfo | None:
    """The zone named at ``start``; None when there is none, or none that this machine knows."""
    found = _ZONE.match(text, start)
    if found is None:
        short = _LETTERS.match(text, start)
        if short is None:
            return None
        letters = short["letters"]
        return _named(_NAMED[letters]) if letters in _NAMED else timezone(timedelta(hours=_FIXED[letters]))
    if found["name"]:
        return _named(found["name"])
    if word := found["words"] or found["pacific"]:
        return _named(_NAMED[word.lower()])
    if found["sign"]:
        offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        return timezone(-offset if found["sign"] == "-" else offset)
    return UTC if found["utc"] else None


def _named(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # KeyError: not found; OSError: "America/Argentina" is a directory
        return None
