"""Whole numbers that peers write: ASCII digits and nothing else, of any length."""

from __future__ import annotations

HUGE = 10**18  # what a longer number counts as: ``int`` refuses thousands of digits, and no field means as much


def whole(text: str | None) -> int | None:
    """Return the number that *text* is, blanks around it left out; None where it is none."""
    if text is None:
        return None
    text = text.strip()
    if not (text.isascii() and text.isdigit()):  # isdigit alone takes ² and Arabic digits, which int may not
        return None
    return int(text) if len(text) < 19 else HUGE
