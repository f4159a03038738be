"""``{name}`` in texts: variables with Python slices, percent-encoded in URLs, quoted in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from pbx.config.condition import Value

REFERENCE = re.compile(r"\{([^\W\d][\w.\-]*)((?::-?\d*){0,2})\}")


def as_text(value: Value | None) -> str:
    """Write a value as text: whole numbers without a point, truths as true and false."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def fill(text: str, values: Mapping[str, Value], encode: str = "") -> str:
    """Put the values in; *encode* is "url" or "json"."""
    if "{" not in text:
        return text

    def put(match: re.Match[str]) -> str:
        found = _sliced(as_text(values.get(match.group(1))), match.group(2))
        if encode == "url":
            return quote(found, safe="")
        return json.dumps(found, ensure_ascii=False)[1:-1] if encode == "json" else found

    return REFERENCE.sub(put, text)


def _sliced(text: str, slices: str) -> str:
    """``:a`` is text[a:], ``:a:b`` is text[a:b], as in Python."""
    if not slices:
        return text
    bounds = [int(part) if part else None for part in slices[1:].split(":")]
    return text[bounds[0] :] if len(bounds) == 1 else text[bounds[0] : bounds[1]]


def references(text: str) -> Iterator[str]:
    """Yield the names that a text asks for."""
    for match in REFERENCE.finditer(text):
        yield match.group(1)


def broken(text: str) -> str:
    """Return the first {…} that is no reference, "" where all are."""
    for match in re.finditer(r"\{[^{}]*\}", text):
        if REFERENCE.fullmatch(match.group()) is None:
            return match.group()
    return ""
