"""When a limit ends, in the wordings that were seen."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wf_cli.runtimes.failures.reset_time import HORIZON_S, of_header, seconds_until

NOW = 1_795_336_000_000  # Sunday 2026-11-22T08:26:40Z
DAY = 86_400.0


@pytest.fixture(autouse=True)
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine stands in Berlin, one hour before UTC in winter and two in summer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> float:
    """Seconds until that time of November 2026 (days above 30 go on), in UTC."""
    return (day - 22) * DAY + (hour - 8) * 3600 + (minute - 26) * 60 + second - 40


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("try again in 20s", 20),
        ("Please try again in 1.5s.", 1.5),
        ("try again in 5 minutes", 300),
        ("try again in 1h 30m", 5400),
        ("try again in 1h30m", 5400),
        ("try again in 2 hours 5 minutes", 7500),
        ("try again in 2 hours, 5 minutes and 3 seconds", 7503),
        ("try again in 6m0s", 360),
        ("try again in 250ms", 0.25),
        ("try again in 1 day", DAY),
        ("Try again in ~5 min.", 300),
        ("try again in about an hour", 3600),
        ("Please try again later, in 5 minutes", 300),
        ("or try again in 5 days 22 hours 11 minutes.", 5 * DAY + 79_860),
        ("Please try again in 51 hours.", 51 * 3600),
        ("retry after 30 seconds", 30),
        ("Retry-After: 30", 30),
        ("retry after 30", 30),
        ('"retry_after_ms": 1500', 1.5),
        ('"retryDelay": "34.5s"', 34.5),
        ("Please retry in 47.434392449s.", 47.434392449),
        ("Please retry your request in 20s", 20),
        ("retrying in 6h16m - attempt #1", 22_560),
        ("Please wait 2 minutes before trying again or consider switching to Auto.", 120),
        ("Please wait 463 hours 23 minutes before trying again", 463 * 3600 + 1380),
        ("wait for 30s", 30),
        ("resets in 3 days", 3 * DAY),
        ("It will reset in 5 days 10 hours. To continue using this model now", 5 * DAY + 36_000),
        ("Rate limit will reset for your account in 5 minutes", 300),
        ("x-ratelimit-reset-tokens: 6m0s", 360),
        ('{"type":"usage_limit_reached","resets_in_seconds":13872}', 13_872),
        ("available again in 2 hours", 7200),
        ("resets in 2 weeks", 14 * DAY),
        ("resets in \x1b[1m3 days\x1b[0m", 3 * DAY),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_until(text, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # of this machine, where no zone is named
        ("resets at 3pm", at(22, 14)),
        ("5-hour limit reached ∙ resets 1am", at(23, 0)),
        ("resets 10:30pm", at(22, 21, 30)),
        ("try again at 7:58\u202fPM.", at(22, 18, 58)),
        ("resets at 15:00", at(22, 14)),
        ("resets 3 p.m. (Nowhere/City)", at(22, 14)),
        ("resets at 3pm PT", at(22, 23)),
        ("resets at 12am", at(22, 23)),
        ("resets at 12pm", at(22, 11)),
        # of another one
        ("resets 10:30pm (America/New_York)", at(23, 3, 30)),
        ("Weekly limit reached · resets 10am (Asia/Seoul) · /upgrade", at(23, 1)),
        ("resets at 1pm (Etc/GMT+5)", at(22, 18)),
        ("resets at 15:00 UTC", at(22, 15)),
        ("Limits reset daily at 00:00 UTC.", at(23, 0)),
        ("resets 10am (GMT+2)", at(23, 8)),
        ("try again after 3pm (UTC)", at(22, 15)),
        ("Please wait until 09:00 UTC", at(22, 9)),
        # past already, so tomorrow's
        ("resets at 08:26 UTC", at(23, 8, 26)),
        ("resets at 9am", at(23, 8)),
    ],
)
def test_times_of_day(text: str, seconds: float) -> None:
    assert seconds_until(text, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("limit resets at: 2026-11-25T10:13:01+0000", at(25, 10, 13, 1)),
        ("resets at 2026-11-25T10:13:01Z", at(25, 10, 13, 1)),
        ("resets at 2026-11-25T10:13:01.123+02:00", at(25, 8, 13, 1)),
        ('"resetsAt":"2026-11-25T10:13:01.000Z"', at(25, 10, 13, 1)),
        ("Limit resets at: 2026-11-30 10:04:41 UTC", at(30, 10, 4, 41)),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", at(31, 0)),
        # without a zone: a server's, which is UTC, except for Z.AI's
        ("Your limit will reset at 2026-11-22 20:30:24", at(22, 20, 30, 24)),
        ("Usage limit reached for 5 hour. Your limit will reset at 2026-11-22 20:30:24", at(22, 12, 30, 24)),
        # a day without a time: its beginning in UTC
        ("Your usage limits will reset when your monthly cycle ends on 11/25/2026.", at(25, 0)),
        ("Your usage limits will\n  reset when your monthly cycle ends on 12/2/2026.*", at(32, 0)),
        ("It resets on 12/20/2026.", at(50, 0)),
        ("resets Dec 20", at(50, 0)),
        ("resets on 20 December 2026", at(50, 0)),
        ("resets Jan 3", at(64, 0)),
        ("Credits reset on 2026-12-20.", at(50, 0)),
        # with one
        ("resets Dec 20, 2026 3:00 PM", at(50, 14)),
        ("try again at Dec 20, 2026, 7:38 AM.", at(50, 6, 38)),
        ("try again at Dec 20th, 2026 7:38 AM.", at(50, 6, 38)),
        ("Please wait for your limit to reset on December 20, 2026 at 2:00 AM or switch to auto", at(50, 1)),
        ("resets Dec 20 at 3pm (America/New_York)", at(50, 20)),
        ("resets Dec 20, 12pm", at(50, 11)),
        ("resets on 12/20/2026, 3:00 PM UTC", at(50, 15)),
        # Unix times
        ("Claude AI usage limit reached|1795340000", 4000),
        ('"resets_at":1795340000,"eligible_promo":null', 4000),
        ("resets at 1795340000000", 4000),
    ],
)
def test_dates(text: str, seconds: float) -> None:
    assert seconds_until(text, NOW) == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You've hit your usage limit",
        "Too Many Requests",
        "took 5 minutes",
        "timeout after 30 s",
        "the request timed out after 30 seconds. Please try again.",
        "Please try again. It took 5 minutes.",
        "Please try again later; 5 minutes is the limit",
        "retry failed after 30 s",
        "connection reset after 30 s",
        "read ECONNRESET in 30 s",
        "Usage limit reached for 5 hour.",
        "wait for limits to reset (every 5h and every week.)",
        "limit: 4000000, retry 3 of 5",
        "waited 30 s, rate limit reached",
        "please try again in a few minutes",
        # past, or too far away
        "It resets on 11/17/2025.",
        "resets Oct 7, 12pm",
        "resets Nov 22",
        "Claude AI usage limit reached|1760000000",
        "try again in 400 days",
        "resets on 12/20/2028",
        "resets at 2026-11-22T08:26:39Z",
        # no such time
        "resets at 25:00",
        "resets at 13pm",
        "resets on 2/30/2027",
        "resets on 13/13/2026",
        "resets Feb 29",
        "resets at 0000-00-00 00:00",
        "resets at 9999-12-31 23:59:59-23:59",
    ],
)
def test_no_time_to_wait_for(text: str) -> None:
    assert seconds_until(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        # zones by their letters and names
        ("resets 3pm PDT", at(22, 22)),
        ("resets at 14:30 CET", at(22, 13, 30)),
        ("Your limit resets at noon ET.", at(22, 17)),
        ("Your access will be reinstated on Dec 1, 2026 at 9:00 AM EST", at(31, 14)),
        ("resets at 12:00 AM Pacific time", at(23, 8)),
        # words for days and times
        ("resets at midnight (UTC)", at(23, 0)),
        ("try again tomorrow", at(22, 23)),
        ("try again tomorrow at 10:00 UTC", at(23, 10)),
        ("limit resets 9:00 AM tomorrow", at(23, 8)),
        ("resets Monday at 9am (Europe/Berlin)", at(23, 8)),
        ("resets Sun 8pm", at(22, 19)),
        ("you can continue on Wednesday", at(24, 23)),
        ("resets on the 1st", at(30, 23)),
        ("resets next month", at(30, 23)),
        # other orders of a date
        ("try again at 24.11.2026 11:26", at(24, 10, 26)),
        ("try again at 24 de nov. de 2026, 11:26", at(24, 10, 26)),
        ("quota will reset on 25/11/2026 14:30", at(25, 13, 30)),
        ("resets 2026/11/25 10:00", at(25, 9)),
        ("renews Sat, 28 Nov 2026 14:30:00 GMT", at(28, 14, 30)),
        ("limit resets 28. November 2026 um 14:30", at(28, 13, 30)),
        # other verbs
        ("Access will be restored at 10:26 UTC", at(22, 10, 26)),
        ("Come back at 11:26 AM", at(22, 10, 26)),
        ("You can resume using this service at 11/24/2026, 10:26:40 AM", at(24, 9, 26, 40)),
        ("quota refreshes on December 1", at(31, 0)),
        # other languages, where the words may follow the time
        ("您的限额将在 2026-11-22 20:30:24 重置。", at(22, 12, 30, 24)),
        ("请在 5 分钟后重试", 300),
        ("Tente novamente em 2 horas", 7200),
        ("Réessayez dans 3 heures", 10_800),
        ("Das Limit wird am 28.11.2026 um 14:30 zurückgesetzt", at(28, 13, 30)),
        ("5分後に再試行してください", 300),
        ("2시간 후에 다시 시도하세요", 7200),
    ],
)
def test_other_words_for_it(text: str, seconds: float) -> None:
    assert seconds_until(text, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5h limit: 100% used, resets in 3h 48m; weekly limit: 80% used, resets in 4 days", 13_680),
        ("weekly limit 100% used (resets in 4 days), 5-hour limit 20% used (resets in 3h)", 4 * DAY),
        ("weekly 100% used, resets in 4 days; 5h 100% used, resets in 3h", 4 * DAY),
        ("5-hour limit: 0% left, resets in 3h. Weekly: 40% left, resets in 2 days", 10_800),
        (
            '{"resets_in_seconds":13700,"headers":{"X-Primary-Used-Percent":"100","X-Primary-Reset-After-Seconds":'
            '"13700","X-Secondary-Used-Percent":"80","X-Secondary-Reset-After-Seconds":"316000"}}',
            13_700,
        ),
        (
            '{"primary":{"used_percent":40.0,"resets_in_seconds":900},"secondary":{"used_percent":100.0,'
            '"resets_in_seconds":316000}}',
            316_000,
        ),
        ('{"5h":{"remaining":0,"resets_in_seconds":900},"week":{"remaining":7,"resets_in_seconds":9000}}', 900),
    ],
)
def test_of_several_windows_the_one_that_is_used_up_counts(text: str, seconds: float) -> None:
    assert seconds_until(text, NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "The job will be continued in 5 modules",
        "restored 3 files at 10:00 from cache",
        "available on 3 platforms",
        "take the resume at hand",
        "the second of 3 days is used",
    ],
)
def test_words_that_promise_nothing(text: str) -> None:
    assert seconds_until(text, NOW) is None


class TestSeveral:
    def test_the_last_one_counts(self) -> None:
        assert seconds_until("try again in 5 s\nUsage limit reached, resets in 2 hours", NOW) == 7200

    def test_when_a_cli_tries_again_by_itself_counts_only_alone(self) -> None:
        text = "Your limit will reset at 2026-11-22 20:30:24 [retrying in 2m 22s #8]"
        assert seconds_until(text, NOW) == at(22, 20, 30, 24)

    def test_one_that_is_past_does_not_hide_another(self) -> None:
        assert seconds_until("try again in 5 minutes; your plan resets on 11/17/2025", NOW) == 300


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("6m0s", 360),
        ("2m59.56s", 179.56),
        ("12ms", 0.012),
        ("50", 50),
        ("0", 0),
        ("1795336100", 100),
        ("1795336100.5", 100.5),
        ("1795336100000", 100),
        ("2026-11-22T08:27:40Z", 60),
        ("2026-11-22T10:27:40+02:00", 60),
        ("2026-11-22T08:20:00Z", None),
        ("99999999", None),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_headers(value: str, seconds: float | None) -> None:
    found = of_header(value, NOW)
    assert found is None if seconds is None else found == pytest.approx(seconds)


_WORDS = st.sampled_from(
    """try again|try again in|retry after|retry|resets|resets at|reset on|wait|wait until|in|at|limit reached|
    ,| |.|:|-|(|)|/|5|12|30|99|2026|0|1795340000|99999999999999999999|pm|am|s|m|h|days|minutes|Dec|February|
    UTC|GMT|Z|+02:00|T|America/New_York|America/|../etc/passwd|Europe/Berlin|11/17/2026|2026-12-20|10:30|24:00|
    \u202f|\ud800|\n""".replace("|\n    ", "|").split("|")
)
TEXTS = st.text() | st.lists(_WORDS | st.text(max_size=3), max_size=25).map(" ".join) | st.lists(_WORDS).map("".join)


@given(TEXTS, st.integers(0, 4_102_444_800_000) | st.integers())
@example("resets at 10am (America/Argentina)", NOW)
@example("resets at 10:30+99:99", NOW)
@example("resets at 0001-01-01 00:00", NOW)
@example("try again in 999999999 weeks", NOW)
def test_any_text_gives_a_wait_within_a_year_or_none(text: str, now_ms: int) -> None:
    for found in (seconds_until(text, now_ms), of_header(text, now_ms)):
        assert found is None or 0 <= found <= HORIZON_S


@pytest.mark.parametrize(
    "text",
    [
        "reset " * 200_000,
        "resets in " * 100_000,
        "try again " * 100_000,
        "reset" + " " * 1_000_000,
        "resets " + ": " * 500_000,
        "wait 1h" + "1h" * 500_000,
        "resets at " + "9" * 1_000_000,
        "retry your " + "request the " * 100_000,
        "limit reached|" * 100_000,
    ],
    ids=["reset", "in", "again", "blanks", "colons", "hours", "digits", "words", "pipes"],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    begin = time.process_time()
    seconds_until(text, NOW)
    of_header(text, NOW)
    assert time.process_time() - begin < 2
