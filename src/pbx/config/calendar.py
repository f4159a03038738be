"""Opening hours: weekly lines, dated lines, named days; pure, so that queues, scripts and tests ask the same question.

A dated line replaces that whole day's weekday lines; of lines of equal rank ``closed`` wins. Times are ``[start, end)``
in the calendar's zone and may pass midnight: the hours after it belong to the day on which they began.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pbx.config.dialplan import Calendar

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MIN = 24 * 60
_DATE = r"\d{4}-\d{2}-\d{2}"
_LINE = re.compile(
    rf"(?:(?P<dates>{_DATE})(?:\.\.(?P<until>{_DATE}))?|(?P<days>[A-Z][a-z]{{2}}(?:[-,][A-Z][a-z]{{2}})*))?"
    r"\s*(?:(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2}))?"
)
MAX_SEARCH_DAYS = 400


@dataclass(frozen=True, slots=True)
class Line:
    """Hours on some days: weekdays, or dates, which rank above them."""

    start_min: int = 0
    end_min: int = DAY_MIN  # at or below the start: on the next day
    weekdays: frozenset[int] = frozenset()  # 0 is Monday
    first: date | None = None
    last: date | None = None

    @property
    def dated(self) -> bool:
        return self.first is not None

    def on(self, day: date) -> bool:
        """Say whether it begins on *day*."""
        if self.first is not None and self.last is not None:
            return self.first <= day <= self.last
        return day.weekday() in self.weekdays

    def covers(self, minute: float) -> bool:
        """Say whether it holds *minute*, counted from midnight of the day on which it begins."""
        end = self.end_min if self.end_min > self.start_min else self.end_min + DAY_MIN
        return self.start_min <= minute < end


def parse_line(text: str) -> Line:
    """Parse "Mon-Fri 09:00-18:00", "Sat 10:00-14:00", "2026-10-01..2026-10-07", "2026-10-10 09:00-18:00".

    :raises ValueError: with what is wrong.
    """
    match = _LINE.fullmatch(text.strip())
    if match is None or not text.strip():
        raise ValueError(f'"{text}" is no line of hours: write "Mon-Fri 09:00-18:00" or "2026-10-01..2026-10-07"')
    start = _minute(match["start"], text) if match["start"] else 0
    end = _minute(match["end"], text) if match["end"] else DAY_MIN
    if match["start"] and start == end:
        raise ValueError(f'"{text}" is empty: it ends when it begins; a whole day has no hours at all')
    if match["dates"]:
        first = _date(match["dates"])
        last = _date(match["until"]) if match["until"] else first
        if last < first:
            raise ValueError(f'"{text}" ends before it begins')
        return Line(start, end, first=first, last=last)
    return Line(start, end, _weekdays(match["days"], text) if match["days"] else frozenset(range(7)))


def _minute(text: str, line: str) -> int:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > DAY_MIN:
        raise ValueError(f'"{line}": {text} is no time of day')
    return hours * 60 + minutes


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is no date") from None


def _weekdays(text: str, line: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        names = part.split("-")
        if len(names) > 2 or any(name not in DAYS for name in names):
            raise ValueError(f'"{line}": days are {", ".join(DAYS)}')
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found |= {day % 7 for day in range(first, last + 1 if last >= first else last + 8)}
    return frozenset(found)


def is_line(text: str) -> bool:
    """Tell a line of hours from the name of another calendar."""
    return bool(re.match(rf"\s*(?:{_DATE}|\d{{1,2}}:|(?:{'|'.join(DAYS)})(?![a-z]))", text))


@dataclass(frozen=True, slots=True)
class Hours:
    """A calendar with everything that it names laid in."""

    zone: tzinfo
    open: tuple[Line, ...]
    closed: tuple[Line, ...]
    override: str  # the switch's name, or ""

    def holds(self, at: datetime) -> bool:
        """Say whether *at* is inside, switches apart."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute + local.second / 60 + local.microsecond / 6e7
        today, yesterday = local.date(), local.date() - timedelta(days=1)
        best: dict[bool, bool] = {}  # rank (dated) -> open, closed winning
        for day, offset in ((today, 0), (yesterday, DAY_MIN)):
            opened = [line for line in self.open if line.on(day)]
            closed = [line for line in self.closed if line.on(day)]
            dated = any(line.dated for line in (*opened, *closed))
            for lines, value in ((opened, True), (closed, False)):
                for line in lines:
                    if line.dated == dated and line.covers(minute + offset):
                        best[dated] = best.get(dated, True) and value
        return best.get(True, best.get(False, False))


class Calendars:
    """Every calendar of a configuration. *switch* tells a switch's state: auto, open or closed."""

    def __init__(self, calendars: Mapping[str, Calendar], switch: Callable[[str], str] = lambda name: "auto") -> None:
        self._switch = switch
        self.hours = {name: lay_in(name, calendars) for name in calendars}

    def open(self, name: str, at: datetime) -> bool:
        """Say whether calendar *name* is open; its switch wins over its lines."""
        hours = self.hours[name]
        state = self._switch(hours.override) if hours.override else "auto"
        return state == "open" if state in ("open", "closed") else hours.holds(at)

    def next_change(self, name: str, at: datetime) -> datetime | None:
        """Return when the lines of *name* next open or close after *at*; None where they do not within a year."""
        hours = self.hours[name]
        now = hours.holds(at)
        local = at.astimezone(hours.zone)
        minutes = sorted({0, *(m % DAY_MIN for x in (*hours.open, *hours.closed) for m in (x.start_min, x.end_min))})
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        for day in range(MAX_SEARCH_DAYS):
            for minute in minutes:
                moment = (midnight + timedelta(days=day, minutes=minute)).replace(tzinfo=hours.zone)
                if moment > local and hours.holds(moment) != now:
                    return moment.astimezone(UTC)
        return None


def lay_in(name: str, calendars: Mapping[str, Calendar]) -> Hours:
    """Resolve the calendars that *name* names: their lines keep their rank and take this one's zone.

    :raises ValueError: for a line that is none, an unknown name or zone, a calendar that names itself.
    """
    calendar = calendars[name]
    try:
        zone: tzinfo = ZoneInfo(calendar.timezone) if calendar.timezone else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'no time zone "{calendar.timezone}": write "Asia/Shanghai"') from None
    opened = _lines(calendar.open, calendars, (name,), closing=False)
    opened += _lines(calendar.days, calendars, (name,), closing=False)
    closed = _lines(calendar.closed, calendars, (name,), closing=True)
    named = [inner for text in calendar.open if not is_line(text) for inner in _closed_of(text, calendars, (name,))]
    return Hours(zone, tuple(opened), tuple(closed + named), calendar.override.removeprefix("switch."))


def _lines(texts: tuple[str, ...], all_: Mapping[str, Calendar], path: tuple[str, ...], *, closing: bool) -> list[Line]:
    found: list[Line] = []
    for text in texts:
        if is_line(text):
            found.append(parse_line(text))
            continue
        named = _named(text, all_, path)
        found += _lines(named.open + named.days, all_, (*path, text), closing=closing)
        if closing:  # who names a calendar as closed means everything that stands in it
            found += _lines(named.closed, all_, (*path, text), closing=True)
    return found


def _closed_of(text: str, calendars: Mapping[str, Calendar], path: tuple[str, ...]) -> list[Line]:
    return _lines(_named(text, calendars, path).closed, calendars, (*path, text), closing=True)


def _named(text: str, calendars: Mapping[str, Calendar], path: tuple[str, ...]) -> Calendar:
    if text in path:
        raise ValueError(f"calendar {text} names itself")
    if text not in calendars:
        raise ValueError(f'"{text}" is neither a line of hours ("Mon-Fri 09:00-18:00") nor a calendar')
    return calendars[text]
