"""Digits in INFO bodies, as older phones send them: application/dtmf-relay and application/dtmf (RFC 6086)."""

from __future__ import annotations

from pbx.sip.message import Request
from pbx.whole import whole

_NAMES = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D", "star": "*", "pound": "#", "hash": "#"}
_DIGITS = "0123456789*#ABCD"
DEFAULT_MS = 250


def digit_of(request: Request) -> tuple[str, int] | None:
    """Return the digit and its length in milliseconds; None where the body is no digit."""
    text = request.body.decode("ascii", "replace").strip()
    if request.content_type == "application/dtmf":
        digit = _digit(text)
        return (digit, DEFAULT_MS) if digit else None
    if request.content_type != "application/dtmf-relay":
        return None
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        values[name.strip().lower()] = value.strip()
    digit = _digit(values.get("signal", ""))
    duration = whole(values.get("duration"))
    ms = min(duration, 10_000) if duration is not None else DEFAULT_MS
    return (digit, ms) if digit else None


def digit_request(digit: str, duration_ms: int) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and the body of an INFO that presses a key."""
    return [("Content-Type", "application/dtmf-relay")], f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()


def _digit(text: str) -> str:
    found = _NAMES.get(text.lower(), text.upper())
    return found if len(found) == 1 and found in _DIGITS else ""
