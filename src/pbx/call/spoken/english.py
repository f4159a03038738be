"""English: "one hundred and five", "the twenty-third of …" as names of prompts.

``n-0`` to ``n-99`` are numbers, ``d-0`` to ``d-9`` digits of a telephone number, ``o-1`` to ``o-31`` ordinals.
"""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

from pbx.call.spoken.values import CURRENCIES, Duration, Spoken, whole_and_digits, whole_and_hundredths

_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_SIGNS = {"*": "star", "#": "hash", "+": "plus"}
_MONEY = {
    "cny": ("unit-yuan", "unit-yuan", "unit-fen"),
    "usd": ("unit-dollar", "unit-dollars", "unit-cent"),
    "eur": ("unit-euro", "unit-euros", "unit-cent"),
}
_PLURALS = {"unit-cent": "unit-cents"}


def say(value: Spoken, kind: str, unit: str) -> list[str]:
    """Return the names of the prompts that say *value*."""
    if isinstance(value, str):
        return [_SIGNS.get(c, f"d-{c}") for c in value]
    if isinstance(value, date):
        return _date(value)
    if isinstance(value, time):
        return _time(value)
    if isinstance(value, Duration):
        return _duration(value)
    if kind == "money":
        return _money(value, unit)
    if kind == "position":
        return [f"o-{value}"] if value <= 31 else ["number-word", *number(int(value))]
    return [*_signed(value), *_unit(value, unit)]


def number(value: int) -> list[str]:
    """Say a whole number from 0 upward."""
    if value < 100:
        return [f"n-{value}"]
    if value < 1000:
        rest = ["and", f"n-{value % 100}"] if value % 100 else []
        return [f"n-{value // 100}", "hundred", *rest]
    names: list[str] = []
    for scale, name in _SCALES:
        if value >= scale:
            names += [*number(value // scale), name]
            value %= scale
    if value:
        names += [*(["and"] if value < 100 else []), *number(value)]
    return names


def _signed(value: Decimal) -> list[str]:
    whole, fraction = whole_and_digits(value)
    sign = ["minus"] if value < 0 and (whole or fraction) else []
    return [*sign, *number(whole), *(["point", *(f"n-{c}" for c in fraction)] if fraction else [])]


def _unit(value: Decimal, unit: str) -> list[str]:
    if not unit:
        return []
    return [f"unit-{unit}" if abs(value) == 1 else f"unit-{unit}s"]


def _date(value: date) -> list[str]:
    return [f"weekday-{value.isoweekday()}", f"month-{value.month}", f"o-{value.day}", *_year(value.year)]


def _year(year: int) -> list[str]:
    century, rest = divmod(year, 100)
    if 2000 <= year < 2010 or not 1000 <= year < 10000:
        return number(year)
    if not rest:
        return [f"n-{century}", "hundred"] if year % 1000 else number(year)
    return [f"n-{century}", *(["oh"] if rest < 10 else []), f"n-{rest}"]


def _time(value: time) -> list[str]:
    hour = value.hour % 12 or 12
    minute = ["o-clock"] if not value.minute else ["oh"] * (value.minute < 10) + [f"n-{value.minute}"]
    return [f"n-{hour}", *minute, "am" if value.hour < 12 else "pm"]


def _duration(value: Duration) -> list[str]:
    names: list[str] = []
    for count, unit in ((value.hours, "hour"), (value.minutes, "minute"), (value.seconds, "second")):
        if count:
            names += [*number(count), f"unit-{unit}" if count == 1 else f"unit-{unit}s"]
    return names or ["n-0", "unit-seconds"]


def _money(value: Decimal, unit: str) -> list[str]:
    one, many, hundredth = _MONEY[CURRENCIES.get(unit.lower(), "cny")]
    whole, cents = whole_and_hundredths(value)
    names = ["minus"] if value < 0 and (whole or cents) else []
    if whole or not cents:
        names += [*number(whole), one if whole == 1 else many]
    if cents:
        names += ["and"] if whole else []
        names += [*number(cents), hundredth if cents == 1 else _PLURALS.get(hundredth, hundredth)]
    return names
