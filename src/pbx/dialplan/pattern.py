"""Number patterns: X 0–9, Z 1–9, N 2–9, [..] a set, ``.`` one or more, ``!`` none or more.

Everything else, ``*`` and ``+`` included, stands for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. *rank* sorts the most specific first."""

    text: str
    regex: re.Pattern[str]
    rank: tuple[tuple[int, ...], ...]

    def matches(self, number: str) -> bool:
        return self.regex.fullmatch(number) is not None


@lru_cache(maxsize=65536)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern; per place a literal is more specific than a set, a smaller set than a larger one.

    :raises ValueError: for an unclosed or empty set.
    """
    parts: list[str] = []
    rank: list[tuple[int, ...]] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c in _CLASSES:
            parts.append(_CLASSES[c])
            rank.append((1, {"X": 10, "Z": 9, "N": 8}[c]))
        elif c == "[":
            end = text.find("]", i + 1)
            if end <= i + 1:
                raise ValueError(f'"{text}": the set at place {i + 1} is empty or has no ]')
            members = text[i + 1 : end]
            parts.append(f"[{re.escape(members).replace(chr(92) + '-', '-')}]")
            rank.append((1, len(_expand(members))))
            i = end
        elif c in ".!":
            if i != len(text) - 1:
                raise ValueError(f'"{text}": {c} may stand at the end only')
            parts.append(".+" if c == "." else ".*")
            rank.append((2, 0 if c == "." else 1))
        else:
            parts.append(re.escape(c))
            rank.append((0, 0))
        i += 1
    if not text.endswith((".", "!")):
        rank.append((0, 0))  # an end is as specific as a literal
    return Pattern(text, re.compile("".join(parts), re.DOTALL), tuple(rank))


def _expand(members: str) -> set[str]:
    found: set[str] = set()
    i = 0
    while i < len(members):
        if i + 2 < len(members) and members[i + 1] == "-":
            found |= {chr(c) for c in range(ord(members[i]), ord(members[i + 2]) + 1)}
            i += 3
        else:
            found.add(members[i])
            i += 1
    return found
