"""Calendars: who is open when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.config.calendar import Calendars, lay_in, parse_line
from pbx.config.dialplan import Calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")


def calendars(switch: str = "auto", **texts: dict[str, object]) -> Calendars:
    return Calendars({name: Calendar.model_validate(text) for name, text in texts.items()}, lambda name: switch)


OFFICE: dict[str, dict[str, object]] = {
    "office": {
        "timezone": "Asia/Shanghai",
        "open": ["Mon-Fri 09:00-18:00", "Sat 10:00-14:00", "2026-10-10 09:00-18:00"],
        "closed": ["holidays"],
        "override": "switch.night",
    },
    "holidays": {"days": ["2026-10-01..2026-10-07", "2027-01-01"]},
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23 08:59:59", False),
        ("2026-11-23 09:00", True),
        ("2026-11-23 17:59:59", True),
        ("2026-11-23 18:00", False),  # [start, end)
        ("2026-11-28 13:00", True),  # Saturday
        ("2026-11-29 13:00", False),
        ("2026-10-10 15:00", True),  # a Saturday whose dated line replaces the usual hours
        ("2026-10-05 10:00", False),  # a Monday, but a holiday
        ("2027-01-01 10:00", False),
    ],
)
def test_the_office_is_open_when_it_says(moment: str, is_open: bool) -> None:
    assert calendars(**OFFICE).open("office", at(moment)) is is_open


def test_the_switch_wins_over_everything() -> None:
    assert calendars("open", **OFFICE).open("office", at("2026-10-05 03:00"))
    assert not calendars("closed", **OFFICE).open("office", at("2026-11-23 10:00"))


def test_hours_past_midnight_belong_to_the_day_on_which_they_began() -> None:
    bar = calendars(bar={"open": ["Fri-Sat 22:00-04:00"], "closed": ["2026-11-28"]})
    assert bar.open("bar", datetime(2026, 11, 27, 23, 0, tzinfo=UTC))
    assert bar.open("bar", datetime(2026, 11, 21, 3, 59, tzinfo=UTC))
    assert not bar.open("bar", datetime(2026, 11, 21, 4, 0, tzinfo=UTC))
    assert not bar.open("bar", datetime(2026, 11, 28, 2, 0, tzinfo=UTC))  # dated and closed all that day
    assert not bar.open("bar", datetime(2026, 11, 29, 2, 0, tzinfo=UTC))


def test_closed_beats_open_at_equal_rank_only() -> None:
    shop = calendars(
        shop={
            "open": ["Mon-Sun 08:00-20:00", "2026-12-24 08:00-16:00"],
            "closed": ["12:00-13:00", "2026-12-24 08:00-10:00"],
        }
    )
    assert not shop.open("shop", datetime(2026, 11, 23, 12, 30, tzinfo=UTC))
    assert not shop.open("shop", datetime(2026, 12, 24, 9, 0, tzinfo=UTC))
    assert shop.open("shop", datetime(2026, 12, 24, 12, 30, tzinfo=UTC))


def test_a_named_calendar_takes_the_zone_of_who_names_it() -> None:
    both = calendars(
        east={"timezone": "Asia/Shanghai", "open": ["hours"]},
        west={"timezone": "America/New_York", "open": ["hours"]},
        hours={"open": ["Mon-Sun 09:00-10:00"], "timezone": "Europe/Berlin"},
    )
    assert both.open("east", at("2026-11-23 09:30"))
    assert not both.open("west", at("2026-11-23 09:30"))


def test_the_next_change_is_the_end_of_the_hours() -> None:
    office = calendars(**OFFICE)
    assert office.next_change("office", at("2026-11-23 10:00")) == at("2026-11-23 18:00")
    assert office.next_change("office", at("2026-11-23 19:00")) == at("2026-11-24 09:00")
    assert calendars(never={}).next_change("never", at("2026-11-23 10:00")) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Mon-Fry 09:00-18:00", "days are"),
        ("Mon 09:00-25:00", "no time of day"),
        ("Mon 09:00-09:00", "is empty"),
        ("2026-02-30", "no date"),
        ("2026-10-07..2026-10-01", "before it begins"),
        ("whenever", "no line of hours"),
        ("", "no line of hours"),
    ],
)
def test_a_wrong_line_says_why(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_line(line)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"a": {"open": ["b"]}, "b": {"open": ["a"]}}, "names itself"),
        ({"a": {"open": ["nobody"]}}, "neither a line of hours .* nor a calendar"),
        ({"a": {"timezone": "Asia/Shangai"}}, "no time zone"),
    ],
)
def test_a_wrong_calendar_says_why(texts: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lay_in("a", {name: Calendar.model_validate(text) for name, text in texts.items()})


_hours = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda t: t[0] != t[1])


@given(st.lists(st.tuples(st.integers(0, 6), _hours), max_size=4), st.integers(0, 14 * 24 * 4))
def test_weekly_hours_agree_with_counting_minutes(lines: list[tuple[int, tuple[int, int]]], quarter: int) -> None:
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    texts = [f"{days[d]} {a:02}:00-{b:02}:00" for d, (a, b) in lines]
    moment = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=15 * quarter)
    of_week = (moment.weekday() * 24 + moment.hour) % 168
    naive = any((of_week - (d * 24 + a)) % 168 < (b - a if b > a else b + 24 - a) for d, (a, b) in lines)
    assert calendars(x={"open": texts}).open("x", moment) is naive
