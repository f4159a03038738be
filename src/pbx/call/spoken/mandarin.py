"""Mandarin: 一百零五, 两点零二分, 第三位 as names of prompts.

Two is 两 (``liang``) before 百, 千, 万 and 亿 where it leads the number, and alone before a measure word; 二
everywhere else. One in telephone numbers is 幺 (``d-1``). Within a hundred, 10 to 19 are 一十 (``n-1``, ``n-10``…).
"""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

from pbx.call.spoken.values import CURRENCIES, Duration, Spoken, whole_and_digits, whole_and_hundredths

_SIGNS = {"*": "star", "#": "hash", "+": "plus"}
_MONEY = {"cny": "unit-yuan", "usd": "unit-dollar", "eur": "unit-euro"}
LIANG = "liang"


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
        return ["ordinal", *number(int(value)), "unit-person"]
    if unit:
        return [*_counted(value), f"unit-{unit}"]
    return _signed(value)


def number(value: int) -> list[str]:
    """Say a whole number from 0 upward."""
    if value == 0:
        return ["n-0"]
    names: list[str] = []
    for scale, name in ((10**8, "yi"), (10**4, "wan")):
        if value >= scale:
            count, value = divmod(value, scale)
            leading = not names
            names += number(count) if scale == 10**8 and count >= 10**4 else _below_10000(count, leading=leading)
            if leading and count == 2:
                names = [LIANG]
            names.append(name)
            if value and value < scale // 10:
                names.append("n-0")
    if value:
        names += _below_10000(value, leading=not names)
    return names


def _below_10000(value: int, *, leading: bool) -> list[str]:
    """Say 1 to 9999; only at the head of the whole number is 10 十 and 2 before 百 and 千 两."""
    names: list[str] = []
    for scale, name in ((1000, "qian"), (100, "bai")):
        count, value = divmod(value, scale)
        if count:
            names += [LIANG if count == 2 and leading and not names else f"n-{count}", name]
            if value and value < scale // 10:
                names.append("n-0")
                if value < 10:
                    return [*names, f"n-{value}"]
    if not value:
        return names
    if 10 <= value < 20 and (names or not leading):
        return [*names, "n-1", f"n-{value}"]
    return [*names, f"n-{value}"]


def counted(value: int) -> list[str]:
    """Say a whole number before a measure word: 两, 十二, 二十二."""
    return [LIANG] if value == 2 else number(value)


def _counted(value: Decimal) -> list[str]:
    return [LIANG] if value == 2 else _signed(value)


def _signed(value: Decimal) -> list[str]:
    whole, fraction = whole_and_digits(value)
    sign = ["minus"] if value < 0 and (whole or fraction) else []
    return [*sign, *number(whole), *(["point", *(f"n-{c}" for c in fraction)] if fraction else [])]


def _date(value: date) -> list[str]:
    year = [f"n-{c}" for c in str(value.year)]
    return [*year, "nian", f"n-{value.month}", "yue", f"n-{value.day}", "ri", f"weekday-{value.isoweekday()}"]


def _time(value: time) -> list[str]:
    """上午九点三十分: the part of the day, then the hour of twelve, then the minutes with 零 below ten."""
    part = next(name for until, name in _PARTS if value.hour < until)
    hour = value.hour % 12 or (12 if value.hour else 0)
    minute = ["n-0"] * (0 < value.minute < 10) + ([f"n-{value.minute}", "fen-clock"] if value.minute else [])
    return [part, *counted(hour), "dian", *(minute or ["zheng"])]


_PARTS = ((6, "early-morning"), (12, "morning"), (13, "noon"), (18, "afternoon"), (24, "evening"))


def _duration(value: Duration) -> list[str]:
    names: list[str] = []
    for count, unit in ((value.hours, "hour"), (value.minutes, "minute"), (value.seconds, "second")):
        if count:
            names += [*counted(count), f"unit-{unit}"]
    return names or ["n-0", "unit-second"]


def _money(value: Decimal, unit: str) -> list[str]:
    currency = CURRENCIES.get(unit.lower(), "cny")
    whole, hundredths = whole_and_hundredths(value)
    names = ["minus"] if value < 0 and (whole or hundredths) else []
    if whole or not hundredths:
        names += [*counted(whole), _MONEY[currency]]
    if not hundredths:
        return names
    if currency != "cny":
        return [*names, *counted(hundredths), "unit-cent"]
    jiao, fen = divmod(hundredths, 10)
    if jiao:
        names += [*counted(jiao), "unit-jiao"]
    elif whole:
        names.append("n-0")
    return [*names, *([*counted(fen), "unit-fen"] if fen else [])]
