"""Number patterns: X 0–9, Z 1–9, N 2–9, [..] a set, ``.`` one or more, ``!`` none or more.

Everything else, ``*`` and ``+`` included, stands for itself. Patterns of a context stand together in a tree by their
places, so that a decision costs the number's length and not the number of routes. The most specific comes first: per
place, from the left, a literal before a set, a smaller set before a larger one, ``.`` before ``!``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")

DIGITS = frozenset("0123456789")
CLASSES = {"X": DIGITS, "Z": DIGITS - {"0"}, "N": DIGITS - {"0", "1"}}
Place = frozenset[str]  # the characters that may stand there


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern: one set of characters a place, then the tail."""

    text: str
    places: tuple[Place, ...]
    tail: str  # "", "." or "!"

    def matches(self, number: str) -> bool:
        """Say whether it matches, plainly; the tree does the same, faster."""
        rest = len(number) - len(self.places)
        if rest < 0 or (rest and not self.tail) or (self.tail == "." and not rest):
            return False
        return all(c in place for c, place in zip(number, self.places, strict=False))

    @property
    def rank(self) -> tuple[tuple[int, int], ...]:
        """Sort the most specific first; an end is as specific as a literal."""
        tail = {"": (0, 0), ".": (2, 0), "!": (2, 1)}[self.tail]
        return (*((0, 0) if len(p) == 1 else (1, len(p)) for p in self.places), tail)

    def overlaps(self, other: Pattern) -> bool:
        """Say whether some number matches both."""
        for one, two in zip(self.places, other.places, strict=False):
            if not one & two:
                return False
        short, long = sorted((self, other), key=lambda p: len(p.places))
        if len(short.places) == len(long.places):
            return self.tail == other.tail or (self.tail != "" and other.tail != "") or "!" in (self.tail, other.tail)
        return short.tail != ""

    def covers(self, other: Pattern) -> bool:
        """Say whether every number that *other* matches is matched by this one."""
        if len(self.places) > len(other.places):
            return False
        if not all(theirs <= ours for ours, theirs in zip(self.places, other.places, strict=False)):
            return False
        if len(other.places) > len(self.places):
            return self.tail != ""
        return {"": other.tail == "", ".": other.tail == ".", "!": True}[self.tail]

    def sample(self) -> str:
        """Return the smallest number that it matches."""
        return "".join(min(place) for place in self.places) + ("0" if self.tail == "." else "")

    def may_become(self, start: str) -> bool:
        """Say whether some number that begins with *start* and is longer matches."""
        if len(start) > len(self.places):
            return self.tail != "" and all(c in place for c, place in zip(start, self.places, strict=False))
        longer = len(start) < len(self.places) or self.tail != ""
        return longer and all(c in place for c, place in zip(start, self.places, strict=False))


@lru_cache(maxsize=65536)
def compile_pattern(text: str) -> Pattern:
    """Parse a pattern.

    :raises ValueError: for an unclosed or empty set, a set written backwards, a tail that is not at the end.
    """
    places: list[Place] = []
    tail = ""
    i = 0
    if not text:
        raise ValueError("an empty pattern matches nothing")
    while i < len(text):
        c = text[i]
        if c in CLASSES:
            places.append(CLASSES[c])
        elif c == "[":
            end = text.find("]", i + 1)
            if end <= i + 1:
                raise ValueError(f'"{text}": the set at place {i + 1} is empty or has no ]')
            places.append(_expand(text, text[i + 1 : end]))
            i = end
        elif c in ".!":
            if i != len(text) - 1:
                raise ValueError(f'"{text}": {c} may stand at the end only')
            tail = c
        else:
            places.append(frozenset(c))
        i += 1
    return Pattern(text, tuple(places), tail)


def _expand(text: str, members: str) -> Place:
    found: set[str] = set()
    i = 0
    while i < len(members):
        if i + 2 < len(members) and members[i + 1] == "-":
            if members[i + 2] < members[i]:
                raise ValueError(f'"{text}": {members[i : i + 3]} is written backwards')
            found |= {chr(c) for c in range(ord(members[i]), ord(members[i + 2]) + 1)}
            i += 3
        else:
            found.add(members[i])
            i += 1
    return frozenset(found)


Entry = tuple[tuple[tuple[int, int], ...], int, T]  # rank, order of adding, value


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    sets: dict[Place, _Node[T]] = field(default_factory=dict)
    ends: list[Entry[T]] = field(default_factory=list)
    dots: list[Entry[T]] = field(default_factory=list)
    bangs: list[Entry[T]] = field(default_factory=list)


class Tree(Generic[T]):
    """Patterns with what they stand for."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._size = 0

    def add(self, pattern: Pattern, value: T) -> None:
        """Add one; of equally specific ones the first added comes first."""
        node = self._root
        for place in pattern.places:
            node = self._child(node, place)
        entries = {"": node.ends, ".": node.dots, "!": node.bangs}[pattern.tail]
        entries.append((pattern.rank, self._size, value))
        self._size += 1

    @staticmethod
    def _child(node: _Node[T], place: Place) -> _Node[T]:
        if len(place) == 1:
            (character,) = place
            child = node.literals.get(character)
            if child is None:
                child = node.literals[character] = _Node()
            return child
        child = node.sets.get(place)
        if child is None:
            child = node.sets[place] = _Node()
        return child

    def find(self, number: str) -> list[T]:
        """Return everything that matches, the most specific first."""
        found: list[Entry[T]] = []
        _collect(self._root, number, 0, found)
        if len(found) > 1:
            found.sort(key=_by_rank)
        return [entry[2] for entry in found]


def _by_rank(entry: Entry[T]) -> tuple[tuple[tuple[int, int], ...], int]:
    return entry[:2]


def _collect(node: _Node[T], number: str, at: int, found: list[Entry[T]]) -> None:
    """Gather what matches; literals are followed without a call of their own."""
    while True:
        found += node.bangs
        if at == len(number):
            found += node.ends
            return
        found += node.dots
        character = number[at]
        at += 1
        for members, child in node.sets.items():
            if character in members:
                _collect(child, number, at, found)
        next_node = node.literals.get(character)
        if next_node is None:
            return
        node = next_node
