"""When a limit ends, in the wording of its message: "try again in 1h 30m", "resets 10:30pm (Europe/Berlin)".

A time counts only right after words about trying again, waiting or a reset, in the same sentence: how long
something took, or after what time it gave up, is no promise of a provider. In Chinese, Japanese, Korean and German
the words may follow the time. `durations`, `moments` and `zones` read the times, `windows` tells which of several
limits is used up.

What is past, or further away than a year, is no time to wait for. Nothing here raises, whatever the text, and the
work is linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, timedelta, timezone
from typing import NamedTuple

from wf_cli.runtimes.failures import durations, moments, windows
from wf_cli.runtimes.failures.moments import Now
from wf_cli.runtimes.jsonlines import plain

#: Seconds; a wait that is longer than a leap year is a misunderstanding.
HORIZON_S = 366 * 86_400
#: Characters at the end of a text that are searched: where there are several times the last ones count.
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
    r"|(?P<again>\b(?:try(?:ing)? (?:it )?again|available(?: again)?|regain access|retry|come back|(?:be|is|are) back"
    r"|check back|resume\b(?: using)?(?: (?:this|the|your) \w{1,20})?|restored|reinstated|reactivated|lifted"
    r"|unlock(?:s|ed)|refill(?:s|ed)|replenish(?:es|ed)|refresh(?:es|ed)|continue(?= (?:at|on|after|in)\b)))"
    r"|(?P<reset>(?<![a-z])(?<!connection )(?:resets?|renewal|renews?))"
    r"|(?P<foreign>\b(?:tente novamente|int[eé]ntal[oe] (?:de nuevo|otra vez)|vuelve a intentarlo|r[eé]essayez"
    r"|riprova(?:re)?|versuche(?:n sie)? es|erneut versuchen|(?:se )?restablecer?[aá]?n?|se reinicia"
    r"|ser[aá] (?:redefinido|reiniciado|renovado)|r[eé]initialis[eé]e?|(?:verr[aà] )?ripristinat[oa])"
    r"|[请将](?:在|于))",
    _FLAGS,
)

_ABOUT = r"(?:about |approximately |approx\.? |around |another |at least |~ ?)?"
_OBJECT = r"(?:(?: (?:later|your|the|this|that|request|message|operation|it|again|using|service)),?)*"
_FOREIGN = (
    r"(?:,? (?:em|en|dans|in|tra|fra|após|nach|a las|a la|às|as|à|el|le|il|am|um|ab|alle|at|on|den|a|de nuevo))*"
)


class _Link(NamedTuple):
    """From the words to a duration, to a moment, and to a plain number of seconds. None: there is no such way."""

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
    "wait": _link(rf" (?:for )?{_ABOUT}", r" (?:until|till) (?:after )?"),
    "retrying": _link(rf" (?:in|after) {_ABOUT}", r" at "),
    "again": _link(
        rf"{_OBJECT} (?:in|after|within) {_ABOUT}|[-_]?(?:after|delay)[\"']?\s?[:=]\s?[\"']?",
        rf"{_OBJECT} (?:(?:at|on|after|from|by|starting|until) )*",
        r"[-_ ]?after(?P<ms>[-_ ]?ms)?[\"']?\s?[:=]?\s?[\"']?",
    ),
    "reset": _link(
        rf"[^.!?;\d]{{0,60}}?(?:\b(?:in|after) |[:=] ?)[\"']?{_ABOUT}",
        rf"[^.!?;\d]{{0,80}}?(?={moments.BEGINS})",
        r"[-_](?:in|after)[-_]seconds[\"']?\s?[:=]\s?[\"']?",
    ),
    "foreign": _link(rf"{_FOREIGN} ?", rf"{_FOREIGN} ?"),
}
_EPOCH_OR_DATE = re.compile(r"\d{10}")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?![\d.]*[\w:/-])", _FLAGS)
#: The words after the time: "wird am 28.11.2026 um 14:30 zurückgesetzt", "14:30 にリセット", "5分後に再試行".
_BEFORE = re.compile(
    r"\b(?:am|um|in|ab) (?=\d)[^.!?;]{0,5}[^!?;]{0,40}?(?:zur[uü]ckgesetzt|wieder verf[uü]gbar|erneut)"
    r"|\d[^!?;。]{0,40}?(?:に(?:リセット|再試行|再開)|後に|以降に|에 (?:재설정|초기화|다시)|후에? ?다시"
    r"|后重试|后再试|重置|恢复)",
    _FLAGS,
)
#: Z.AI and Zhipu name no zone and mean China's (anomalyco/opencode 22015, NousResearch/hermes-agent 103243).
_CHINA = re.compile(r"limit reached for \d{1,3} hours?\b|\[13(?:08|10)\]|使用上限|限额|额度", _FLAGS)


def seconds_until(text: str, now_ms: int) -> float | None:
    """Seconds from ``now_ms`` (wall clock) until the limit that ``text`` speaks of ends; None when it tells no time.

    Of several times the last one counts, unless the message says of which limit it is and that this one still has
    room; of several limits that are used up the one that ends last. When a CLI itself tries again ("retrying in 5s")
    that counts only if there is no other.
    """
    line = windows.without_open(" ".join(plain(text[-TEXT_LIMIT:]).split()))
    now = _now(now_ms, line)
    found: dict[str, float] = {}
    before = 0
    for kind, start, end in _anchors(line):
        try:
            seconds = _after(kind, line[end : end + _WINDOW], now)
        except (ValueError, OverflowError, OSError):  # no such day, or none that the machine can count to
            continue
        if seconds is None or not 0 <= seconds <= HORIZON_S:
            continue
        used_up = windows.used_up(line, start, before)
        before = end
        if kind == "retrying":
            found["retrying"] = seconds
        elif used_up is None:
            found["told"] = seconds
        elif used_up:
            found["used up"] = max(seconds, found.get("used up", 0.0))
        else:
            found["open"] = seconds
    told = (found[key] for key in ("used up", "told", "open") if key in found)
    return next(told, None) if len(found) > ("retrying" in found) else _before(line, now, found.get("retrying"))


def of_header(value: str, now_ms: int) -> float | None:
    """Seconds until the time in a reset header: a duration (``6m0s``), seconds, a Unix time, or RFC 3339."""
    said = " ".join(value[:100].split())
    try:
        seconds = _of_header(said, Now(now_ms))
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if seconds is not None and 0 <= seconds <= HORIZON_S else None


def _now(now_ms: int, line: str) -> Now:
    china = _CHINA.search(line) is not None
    return Now(now_ms, server=timezone(timedelta(hours=8)) if china else UTC)


def _anchors(line: str) -> Iterator[tuple[str, int, int]]:
    """The last words about a limit, in their order, with where each begins and ends."""
    for match in list(_ANCHOR.finditer(line))[-_ANCHORS:]:
        yield str(match.lastgroup), match.start(), match.end()


def _after(kind: str, rest: str, now: Now) -> float | None:
    link = _LINKS[kind]
    if link.duration is not None:
        # Every place where the words may end: "reset for the org in 5 minutes" has two of "in" or ":".
        way = link.duration.match(rest)
        while way is not None:
            if (length := durations.at(rest, way.end())) is not None:
                return length[0]
            way = link.duration.match(rest, way.end()) if kind == "reset" and way.end() > way.start() else None
    if link.number is not None and (way := link.number.match(rest)) is not None:
        number = _NUMBER.match(rest, way.end())
        if number is not None and not _EPOCH_OR_DATE.match(rest, way.end()):
            return float(number[0]) * (0.001 if way.groupdict().get("ms") else 1.0)
    if link.moment is not None and (way := link.moment.match(rest)) is not None:
        return moments.until(rest, way.end(), now)
    return None


def _before(line: str, now: Now, otherwise: float | None) -> float | None:
    """The last time that stands before its words; ``otherwise`` when there is none."""
    found = otherwise
    for match in list(_BEFORE.finditer(line))[-_ANCHORS:]:
        digit = re.compile(r"\d").search(line, match.start())
        start = match.start() if digit is None else digit.start()
        try:
            length = durations.at(line, start)
            after = re.compile(r" ?(?:後|后|후|erneut|wieder)").match(line, length[1]) if length is not None else None
            seconds = length[0] if length is not None and after is not None else moments.until(line, start, now)
        except (ValueError, OverflowError, OSError):
            continue
        if seconds is not None and 0 <= seconds <= HORIZON_S:
            found = seconds
    return found


def _of_header(said: str, now: Now) -> float | None:
    if re.fullmatch(r"\d{1,16}(?:\.\d{1,9})?", said, re.ASCII):
        number = float(said)
        # Seconds, a Unix time, or one in milliseconds: years lie between the sizes of the three.
        return number if number < 1e9 else (number / 1000 if number >= 1e12 else number) - now.seconds
    if (length := durations.at(said, 0)) is not None:
        return length[0]
    return moments.until(said, 0, now)
