"""When a limit ends, in the wording of its message: "try again in 1h 30m", "resets 10:30pm (Europe/Berlin)".

A time counts only right after words about trying again, waiting or a reset, in the same sentence, because other times
tell how long something took or when it gave up. Where a message leaves something open:

- a time of day belongs to the zone that it names, else to this machine's: the agent CLIs that print one convert it;
  one that is past already is tomorrow's;
- a date without a time means its beginning in UTC, the earliest that it can mean for most. Coming back too early
  costs one refused request, which burns nothing and names its time again; coming back too late costs a day;
- a timestamp without a zone (``2026-09-03 05:35:16``) comes from a server and is UTC; Z.AI's are China's time;
- a day without a year is the nearest one.

A time that is past, or further away than a year, does not count. No function here raises, whatever the text is, and
the work is linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from wf_cli.runtimes.jsonlines import plain

#: Seconds; a wait that is longer than a leap year is a misunderstanding.
HORIZON_S = 366 * 86_400
#: Characters at the end of a text that are searched, because the last of several times counts.
TEXT_LIMIT = 8_000
#: Characters after the words about a limit in which its time must begin, and how many such words are looked at.
_WINDOW = 200
_ANCHORS = 40

_FLAGS = re.IGNORECASE | re.ASCII

#: Words about a limit. What may stand between them and the time differs, see `_LINKS`.
_ANCHOR = re.compile(
    r"(?P<pipe>limit reached\|)"
    r"|(?P<wait>\bwait\b)"
    r"|(?P<retrying>\bretrying\b)"
    r"|(?P<again>\b(?:try(?:ing)? again|available(?: again)?|regain access|retry))"
    r"|(?P<reset>(?<![a-z])(?<!connection )(?:resets?|renews?))",
    _FLAGS,
)

_ABOUT = r"(?:about |approximately |approx\.? |around |another |at least |~ ?)?"
_OBJECT = r"(?:(?: (?:later|your|the|this|that|request|message|operation|it)),?)*"


class _Link(NamedTuple):
    """The ways from the words to a duration, a moment, and a plain number of seconds; None where there is none."""

    duration: re.Pattern[str] | None
    moment: re.Pattern[str] | None
    number: re.Pattern[str] | None = None


def _link(duration: str | None, moment: str | None, number: str | None = None) -> _Link:
    return _Link(
        *(None if pattern is None else re.compile(pattern, _FLAGS) for pattern in (duration, moment, number))
    )


#: "resets" may be followed by whose limit it is, and by a moment without "at"; a duration needs its "in", since
#: limits also reset "every 5h".
_LINKS = {
    "pipe": _link(None, r""),
    "wait": _link(rf" (?:for )?{_ABOUT}", r" until (?:after )?"),
    "retrying": _link(rf" (?:in|after) {_ABOUT}", r" at "),
    "again": _link(
        rf"{_OBJECT} (?:in|after|within) {_ABOUT}|[-_]?(?:after|delay)[\"']?\s?[:=]\s?[\"']?",
        rf"{_OBJECT} (?:at|on|after) ",
        r"[-_ ]?after(?P<ms>[-_ ]?ms)?[\"']?\s?[:=]?\s?[\"']?",
    ),
    "reset": _link(
        rf"[^.!?;\d]{{0,60}}?(?:\b(?:in|after) |[:=] ?)[\"']?{_ABOUT}",
        r"[^.!?;\d]{0,80}?(?=\d|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))",
        r"[-_](?:in|after)[-_]seconds[\"']?\s?[:=]\s?[\"']?",
    ),
}

_UNITS = {
    "ms": 0.001, "msec": 0.001, "msecs": 0.001, "millisecond": 0.001, "milliseconds": 0.001,
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "d": 86_400, "day": 86_400, "days": 86_400,
    "w": 604_800, "week": 604_800, "weeks": 604_800,
    "month": 2_592_000, "months": 2_592_000,
}  # fmt: skip
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
_PART = re.compile(
    rf"(?P<count>\d{{1,9}}(?:\.\d{{1,12}})?|an?(?= )|one(?= )) ?(?P<unit>{_UNIT})(?![a-z])",
    _FLAGS,
)
_AND = re.compile(r",? ?(?:and )?", _FLAGS)
#: Parts of one duration: weeks, days, hours, minutes, seconds, milliseconds.
_PARTS = 6

_EPOCH = re.compile(r"(?P<epoch>\d{13}|\d{10})(?:\.\d{1,9})?(?![\d:/-])", _FLAGS)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?![\d.]*[\w:/-])", _FLAGS)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_DATES = tuple(
    re.compile(pattern, _FLAGS)
    for pattern in (
        r"(?P<year>\d{4})-(?P<number>\d{1,2})-(?P<day>\d{1,2})(?!\d)",
        r"(?P<number>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})(?!\d)",  # of the US, where the month comes first
        rf"{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?:,? (?P<year>\d{{4}})(?![\d:]))?",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)? {_MONTH}(?:,? (?P<year>\d{{4}})(?![\d:]))?",
    )
)
_TO_TIME = re.compile(r"T(?=\d)|,? ?(?:at )?(?=\d)", _FLAGS)
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?)? ?(?P<half>[ap])\.?m\b\.?"
    r"|(?P<hour24>\d{1,2}):(?P<minute24>\d\d)(?::(?P<second24>\d\d)(?:[.,]\d{1,9})?)?(?![\d:])",
    _FLAGS,
)
_ZONE = re.compile(
    r" ?\(?(?:(?P<utc>Z|UTC|GMT)(?![a-z/])|(?=[+-]))"
    r"(?: ?(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>\d\d))?)?(?!\d)"
    r"| ?\(?(?P<name>[A-Z]{2,20}(?:/[A-Z0-9_+-]{1,30}){1,2})",
    _FLAGS,
)
#: Z.AI and Zhipu name no zone and mean China's (anomalyco/opencode 22015, NousResearch/hermes-agent 103243).
_CHINA = re.compile(r"limit reached for \d{1,3} hours?\b|\[13(?:08|10)\]", _FLAGS)


def seconds_until(text: str, now_ms: int) -> float | None:
    """Seconds from ``now_ms`` (wall clock) until the limit that ``text`` speaks of ends; None when it tells no time.

    Of several times the last one counts; when a CLI itself tries again ("retrying in 5s") only if there is no other.
    """
    line = " ".join(plain(text[-TEXT_LIMIT:]).split())
    found: dict[bool, float] = {}
    for kind, rest in _anchors(line):
        try:
            seconds = _after(kind, rest, _Now(now_ms, china=_CHINA.search(line) is not None))
        except (ValueError, OverflowError, OSError):  # There is no such day, or the machine cannot count so far.
            continue
        if seconds is not None and 0 <= seconds <= HORIZON_S:
            found[kind == "retrying"] = seconds
    return found.get(False, found.get(True))


def of_header(value: str, now_ms: int) -> float | None:
    """Seconds until the time in a reset header: a duration (``6m0s``), seconds, a Unix time, or RFC 3339."""
    said = " ".join(value[:100].split())
    try:
        seconds = _of_header(said, _Now(now_ms))
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if seconds is not None and 0 <= seconds <= HORIZON_S else None


class _Now:
    """The moment at which a message is read, with the zones for times that name none."""

    def __init__(self, now_ms: int, *, china: bool = False):
        self.seconds = now_ms / 1000
        #: Of timestamps that name no zone.
        self.server: tzinfo = timezone(timedelta(hours=8)) if china else UTC

    def until(self, moment: datetime) -> float:
        return moment.timestamp() - self.seconds

    def local(self, zone: tzinfo | None) -> datetime:
        """The time on the wall in ``zone`` (None: here), without its zone."""
        here = datetime.fromtimestamp(self.seconds, UTC).astimezone(zone)
        return here.replace(tzinfo=None)


def _anchors(line: str) -> Iterator[tuple[str, str]]:
    """The last words about a limit, in their order, with what follows each."""
    for match in list(_ANCHOR.finditer(line))[-_ANCHORS:]:
        yield str(match.lastgroup), line[match.end() : match.end() + _WINDOW]


def _after(kind: str, rest: str, now: _Now) -> float | None:
    link = _LINKS[kind]
    if link.duration is not None:
        # Every place where the words may end: "reset for the org in 5 minutes" has two of "in" or ":".
        way = link.duration.match(rest)
        while way is not None:
            if (seconds := _duration(rest, way.end())) is not None:
                return seconds
            way = link.duration.match(rest, way.end()) if kind == "reset" else None
    if link.number is not None and (way := link.number.match(rest)) is not None:
        number = _NUMBER.match(rest, way.end())
        if number is not None and not _EPOCH.match(rest, way.end()):
            return float(number[0]) * (0.001 if way.groupdict().get("ms") else 1.0)
    if link.moment is not None and (way := link.moment.match(rest)) is not None:
        return _moment(rest, way.end(), now)
    return None


def _duration(rest: str, start: int) -> float | None:
    """The duration that begins at ``start``: "1h 30m", "5 days 22 hours 11 minutes", "6m0s"."""
    total, end = 0.0, start
    for index in range(_PARTS):
        gap = _AND.match(rest, end) if index else None
        part = _PART.match(rest, gap.end() if gap is not None else end)
        if part is None:
            return total if index else None
        count = part["count"]
        total += (float(count) if count[0].isdigit() else 1.0) * _UNITS[part["unit"].lower()]
        end = part.end()
    return total


def _moment(rest: str, start: int, now: _Now) -> float | None:
    """The seconds until the point in time that begins at ``start``."""
    if (epoch := _EPOCH.match(rest, start)) is not None:
        return float(epoch["epoch"]) / (1000 if len(epoch["epoch"]) == 13 else 1) - now.seconds
    date = next((found for pattern in _DATES if (found := pattern.match(rest, start)) is not None), None)
    if date is None:
        time = _TIME.match(rest, start)
        return None if time is None else _time_of_day(time, _zone(rest, time.end()), now)
    gap = _TO_TIME.match(rest, date.end())
    time = _TIME.match(rest, gap.end()) if gap is not None else None
    zone = _zone(rest, (time or date).end())
    if zone is None:
        machine = rest[date.start() : date.end()].count("-") == 2
        zone = UTC if time is None else now.server if machine else None
    return _on_day(date, time, zone, now)


def _time_of_day(time: re.Match[str], zone: tzinfo | None, now: _Now) -> float:
    wall = now.local(zone)
    hour, minute, second = _clock(time)
    moment = wall.replace(hour=hour, minute=minute, second=second, microsecond=0)
    if moment <= wall:
        moment += timedelta(days=1)
    return now.until(_in(zone, moment))


def _on_day(date: re.Match[str], time: re.Match[str] | None, zone: tzinfo | None, now: _Now) -> float:
    parts = date.groupdict()
    month = int(parts["number"]) if parts.get("number") else _MONTHS.index(parts["month"].lower()) + 1
    day, clock = int(parts["day"]), (0, 0, 0) if time is None else _clock(time)
    if parts["year"]:
        return now.until(_in(zone, datetime(int(parts["year"]), month, day, *clock)))
    this_year = now.local(zone).year
    waits = []
    for year in (this_year - 1, this_year, this_year + 1):
        if month == 2 and day == 29 and year % 4:
            continue
        waits.append(now.until(_in(zone, datetime(year, month, day, *clock))))
    return min(waits, key=abs)


def _clock(time: re.Match[str]) -> tuple[int, int, int]:
    """Hour, minute, second; ValueError when there is no such time."""
    if time["half"] is None:
        return int(time["hour24"]), int(time["minute24"]), int(time["second24"] or 0)
    hour = int(time["hour"])
    if not 1 <= hour <= 12:
        raise ValueError(f"{time[0]} is no time")
    return hour % 12 + (12 if time["half"].lower() == "p" else 0), int(time["minute"] or 0), int(time["second"] or 0)


def _zone(rest: str, start: int) -> tzinfo | None:
    """The zone named at ``start``; None when there is none, or none that this machine knows."""
    found = _ZONE.match(rest, start)
    if found is None:
        return None
    if found["name"]:
        try:
            return ZoneInfo(found["name"])
        except (ValueError, KeyError, OSError):  # KeyError: not found; OSError: "America/Argentina" is a directory
            return None
    if found["sign"]:
        offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
        return timezone(-offset if found["sign"] == "-" else offset)
    return UTC if found["utc"] else None


def _in(zone: tzinfo | None, moment: datetime) -> datetime:
    """``moment`` of the wall clock in ``zone``; None is this machine's."""
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)


def _of_header(said: str, now: _Now) -> float | None:
    if re.fullmatch(r"\d{1,16}(?:\.\d{1,9})?", said, re.ASCII):
        number = float(said)
        # Seconds, a Unix time, or one in milliseconds: years lie between the sizes of the three.
        return number if number < 1e9 else (number / 1000 if number >= 1e12 else number) - now.seconds
    if (seconds := _duration(said, 0)) is not None:
        return seconds
    return _moment(said, 0, now)
