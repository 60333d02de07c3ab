"""A point in time in a message: a Unix time, a date, a time of day, a weekday, "tomorrow", "midnight".

Where a message leaves something open:

- a time of day belongs to the zone that it names, else to this machine's: the agent CLIs that print one convert it;
  one that is past already is tomorrow's, or next week's if it has a weekday;
- a date without a time means its beginning in UTC, the earliest that it can mean for most. Coming back too early
  costs one refused request, which burns nothing and names its time again; coming back too late costs a day;
- a weekday, "tomorrow" and "next month" without a time mean their beginning;
- a timestamp without a zone (``2026-09-03 05:35:16``) comes from a server and is UTC, or of the zone in `Now`;
- a day without a year is the nearest one, and "the 1st" is the next one;
- of ``03/04/2026`` the month comes first, as in the US, unless it would be the thirteenth or later.

The functions raise ValueError, OverflowError or OSError for a moment that does not exist, or that the machine cannot
count to.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from wf_cli.runtimes.failures import zones

_FLAGS = re.IGNORECASE | re.ASCII

#: Month -> how its name begins, in English first; then in German, French, Spanish, Portuguese and Italian.
_ENGLISH = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_OTHERS = (
    ("jän", "ene", "gen"),
    ("fév", "fev"),
    ("mär",),
    ("avr", "abr"),
    ("mai", "mag"),
    ("juin", "giu"),
    ("juil", "lug"),
    ("août", "aou", "ago"),
    ("set",),
    ("okt", "out", "ott"),
    (),
    ("déc", "dez", "dic"),
)
_NUMBERS = {name: number for number, name in enumerate(_ENGLISH, 1)}
_NUMBERS |= {name: number for number, names in enumerate(_OTHERS, 1) for name in names}
_MONTH = rf"(?P<month>{'|'.join(_ENGLISH)})[a-z]{{0,6}}\.?"
#: Only after a day: alone, "out" and "set" are words.
_ANY_MONTH = rf"(?P<month>{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})[^\W\d_]{{0,7}}\.?"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)

#: Where a moment may begin, for those who look for one.
BEGINS = rf"\d|\b(?:{'|'.join(_ENGLISH)}|{_DAY}\b|midnight|noon|tomorrow|tonight|next month)"

_EPOCH = re.compile(r"(?P<epoch>\d{13}|\d{10})(?:\.\d{1,9})?(?![\d:/-])", _FLAGS)
_YEAR = r"(?P<year>\d{4})(?![\d:])"
_DATES = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"(?P<year>\d{4})[-/.](?P<number>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)", _FLAGS),
        (r"(?P<year>\d{4}) ?[年년] ?(?P<number>\d{1,2}) ?[月월] ?(?P<day>\d{1,2}) ?[日일]", _FLAGS),
        (r"(?P<number>\d{1,2}) ?[月월] ?(?P<day>\d{1,2}) ?[日일](?P<year>(?!))?", _FLAGS),
        (r"(?P<number>0?\d|1[0-2])/(?P<day>\d{1,2})/(?P<year>\d{4})(?!\d)", _FLAGS),
        (r"(?P<day>\d{1,2})[/.-](?P<number>\d{1,2})[/.-](?P<year>\d{4})(?!\d)", _FLAGS),
        (rf"{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d:])(?:,? {_YEAR})?", _FLAGS),
        # Without ASCII: the rest of a month's name may have any letters.
        (
            rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|º|er|\.)?(?: of| de)?[ -]?{_ANY_MONTH}(?:(?: de |,? |-){_YEAR})?",
            re.IGNORECASE,
        ),
    )
)
#: Of these dates services write the time of their own zone. A month with an accent is a CLI's, as any other is.
_EASTERN = re.compile("[年月日년월일]")
_DAY_OF_MONTH = re.compile(r"(?:the )?(?P<day>\d{1,2})(?:st|nd|rd|th)\b(?! \w+ \d{4})", _FLAGS)
_NEXT_MONTH = re.compile(r"(?:the )?(?:(?:start|beginning|first(?: day)?|1st) of )?(?:the )?next month\b", _FLAGS)
_WEEKDAY = re.compile(rf"(?:next |this |coming )?(?P<weekday>{_DAY})\b[.,]?", _FLAGS)
_ON_WEEKDAY = re.compile(rf" (?:on )?(?:next |this )?(?P<weekday>{_DAY})\b", _FLAGS)
_RELATIVE = re.compile(r"(?:early )?(?P<relative>today|tonight|tomorrow)\b,?", _FLAGS)
_TO_TIME = re.compile(
    r"T(?=\d)|[,.]? ?(?:[-–] )?(?:(?:at|by|around|um|ab|à|a las|a la|às|as|alle|kl\.?)(?: around| about)? )?"
    r"(?=\d|midnight|noon)",
    _FLAGS,
)
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?)? ?(?P<half>[ap])\.?m\b\.?"
    r"|(?P<hour24>\d{1,2}) ?[:h] ?(?P<minute24>\d\d)(?::(?P<second24>\d\d)(?:[.,]\d{1,9})?)?(?![\d:])(?: uhr\b)?"
    r"|(?P<hour_only>\d{1,2})(?: uhr\b| ?[点點時시](?!間|간))"
    r"|(?P<word>midnight|noon|12 midnight|12 noon)\b",
    _FLAGS,
)


class Now:
    """The moment a message is read at, and what it leaves open."""

    def __init__(self, now_ms: int, *, server: tzinfo = UTC):
        self.seconds = now_ms / 1000
        #: Of timestamps that name no zone.
        self.server = server

    def until(self, moment: datetime) -> float:
        return moment.timestamp() - self.seconds

    def local(self, zone: tzinfo | None) -> datetime:
        """The time on the wall in ``zone`` (None: here), without its zone."""
        here = datetime.fromtimestamp(self.seconds, UTC).astimezone(zone)
        return here.replace(tzinfo=None)


def until(text: str, start: int, now: Now) -> float | None:
    """The seconds from ``now`` until the moment that begins at ``start``; None when there is none."""
    if (epoch := _EPOCH.match(text, start)) is not None:
        return float(epoch["epoch"]) / (1000 if len(epoch["epoch"]) == 13 else 1) - now.seconds
    start = _past_weekday_of_a_date(text, start)
    date = next((found for pattern in _DATES if (found := pattern.match(text, start)) is not None), None)
    if date is not None:
        return _dated(text, date, now)
    for pattern in (_RELATIVE, _WEEKDAY, _NEXT_MONTH, _DAY_OF_MONTH):
        if (day := pattern.match(text, start)) is not None:
            time, zone = _time_after(text, day.end())
            return now.until(_in(zone, _on(pattern, day, time, now.local(zone))))
    time = _TIME.match(text, start)
    if time is None:
        return None
    zone = zones.at(text, time.end())
    relative = _RELATIVE.match(text, time.end() + 1)
    wall = now.local(zone)
    moment = _at_clock(wall, time)
    if relative is not None and relative["relative"].lower() == "tomorrow":
        moment += timedelta(days=1)
    elif (weekday := _ON_WEEKDAY.match(text, time.end())) is not None:
        moment += timedelta(days=(_number_of(weekday) - wall.weekday()) % 7)
        moment += timedelta(days=7 if moment <= wall else 0)
    elif moment <= wall:
        moment += timedelta(days=1)
    return now.until(_in(zone, moment))


def _past_weekday_of_a_date(text: str, start: int) -> int:
    """Behind a weekday that only stands before its date: "Sat, 28 Nov 2026", "Sat Nov 28"."""
    weekday = _WEEKDAY.match(text, start)
    if weekday is None:
        return start
    after = weekday.end() + (text[weekday.end() : weekday.end() + 1] == " ")
    return after if any(pattern.match(text, after) for pattern in _DATES) else start


def _time_after(text: str, end: int) -> tuple[re.Match[str] | None, tzinfo | None]:
    gap = _TO_TIME.match(text, end)
    time = _TIME.match(text, gap.end()) if gap is not None else None
    return time, zones.at(text, end if time is None else time.end())


def _dated(text: str, date: re.Match[str], now: Now) -> float:
    time, zone = _time_after(text, date.end())
    if zone is None:
        written = text[date.start() : date.end()]
        machine = date["year"] is not None and written.startswith(date["year"]) and written.count("-") == 2
        zone = UTC if time is None else now.server if machine or _EASTERN.search(written) else None
    return _on_day(date, time, zone, now)


def _on(pattern: re.Pattern[str], day: re.Match[str], time: re.Match[str] | None, wall: datetime) -> datetime:
    """The moment of a day that is named from today's point of view."""
    start = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if pattern is _RELATIVE:
        if day["relative"].lower() == "tomorrow":
            return _at_clock(start + timedelta(days=1), time)
        moment = _at_clock(start, time)
        return moment if moment > wall else moment + timedelta(days=1)
    if pattern is _WEEKDAY:
        moment = _at_clock(start + timedelta(days=(_number_of(day) - wall.weekday()) % 7), time)
        return moment if moment > wall else moment + timedelta(days=7)
    number = int(day["day"]) if pattern is _DAY_OF_MONTH else 1
    months = range(0 if pattern is _DAY_OF_MONTH else 1, 4)
    for month in (start.year * 12 + start.month - 1 + ahead for ahead in months):
        try:
            moment = _at_clock(start.replace(year=month // 12, month=month % 12 + 1, day=number), time)
        except ValueError:  # this month has no 31st
            continue
        if moment > wall:
            return moment
    raise ValueError(f"{day[0]} is no day")


def _number_of(weekday: re.Match[str]) -> int:
    return _DAYS.index(weekday["weekday"][:3].lower())


def _at_clock(day: datetime, time: re.Match[str] | None) -> datetime:
    hour, minute, second = (0, 0, 0) if time is None else _clock(time)
    return day.replace(hour=hour, minute=minute, second=second, microsecond=0)


def _on_day(date: re.Match[str], time: re.Match[str] | None, zone: tzinfo | None, now: Now) -> float:
    parts = date.groupdict()
    month = int(parts["number"]) if parts.get("number") else _NUMBERS[parts["month"].lower()]
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
    if time["word"] is not None:
        return (12 if "noon" in time["word"].lower() else 0), 0, 0
    if time["hour_only"] is not None:
        return int(time["hour_only"]), 0, 0
    if time["half"] is None:
        return int(time["hour24"]), int(time["minute24"]), int(time["second24"] or 0)
    hour = int(time["hour"])
    if not 1 <= hour <= 12:
        raise ValueError(f"{time[0]} is no time")
    return hour % 12 + (12 if time["half"].lower() == "p" else 0), int(time["minute"] or 0), int(time["second"] or 0)


def _in(zone: tzinfo | None, moment: datetime) -> datetime:
    """``moment`` of the wall clock in ``zone``; None is this machine's."""
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
