"""What can be said: the forms in which values are written, before any language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation

KINDS = ("digits", "number", "date", "time", "money", "duration", "position", "text")
LARGEST = 10**12
CURRENCIES = {
    "": "cny",
    "yuan": "cny",
    "rmb": "cny",
    "cny": "cny",
    "dollar": "usd",
    "usd": "usd",
    "euro": "eur",
    "eur": "eur",
}


@dataclass(frozen=True, slots=True)
class Duration:
    hours: int
    minutes: int
    seconds: int


Spoken = str | Decimal | date | time | Duration


def parse_value(text: str, kind: str) -> Spoken:
    """Read a value of *kind*.

    :raises ValueError: where it is none.
    """
    text = text.strip()
    if kind == "digits":
        return "".join(c for c in text if c in "0123456789*#+")
    if kind == "date":
        return date.fromisoformat(text[:10])
    if kind == "time":
        return time.fromisoformat(_clock(text))
    if kind == "duration":
        return _duration(text)
    if kind in ("number", "money", "position"):
        return _number(text, kind)
    raise ValueError(f'"{kind}" is no way to say something; there are {", ".join(KINDS)}')


def _clock(text: str) -> str:
    match = re.search(r"(?:^|[T ])(\d{1,2}):(\d{2})", text)
    if match is None:
        raise ValueError(f'"{text}" is no time of day')
    return f"{int(match[1]):02}:{match[2]}"


def _duration(text: str) -> Duration:
    """Seconds, or "1:30" and "1:02:30"."""
    parts = text.split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d+(\.\d+)?", part) for part in parts):
        raise ValueError(f'"{text}" is no duration')
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + float(part)
    whole = round(seconds)
    if whole >= 1000 * 3600:
        raise ValueError(f'"{text}" is too long to say')
    return Duration(whole // 3600, whole % 3600 // 60, whole % 60)


def _number(text: str, kind: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        raise ValueError(f'"{text}" is no number') from None
    if not value.is_finite() or abs(value) >= LARGEST:
        raise ValueError(f'"{text}" is too large to say')
    if kind == "position" and (value != value.to_integral_value() or value < 1):
        raise ValueError(f'"{text}" is no position')
    return value


def whole_and_digits(value: Decimal, most: int = 4) -> tuple[int, str]:
    """Split a number, without its sign, into its whole part and the digits after the point that matter."""
    text = format(abs(value).quantize(Decimal(1).scaleb(-most)).normalize(), "f")
    whole, _, fraction = text.partition(".")
    return int(whole), fraction


def whole_and_hundredths(value: Decimal) -> tuple[int, int]:
    """Split an amount of money, without its sign, rounded to hundredths."""
    hundredths = int((abs(value) * 100).to_integral_value())
    return hundredths // 100, hundredths % 100
