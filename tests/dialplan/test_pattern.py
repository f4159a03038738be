"""Patterns and routes: what matches, and what comes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.config.config import Config
from pbx.dialplan.pattern import Pattern, Tree, compile_pattern
from pbx.dialplan.routes import Routes


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("10XX", ["1000", "1099"], ["100", "10000", "10a0", "2000"]),
        ("ZXX", ["100", "999"], ["000", "1000"]),
        ("NXX", ["200", "999"], ["100", "000"]),
        ("[12]X", ["10", "29"], ["30"]),
        ("[1-35]X", ["10", "39", "50"], ["40"]),
        ("9.", ["90", "9abc"], ["9", "8"]),
        ("9!", ["9", "90"], ["8", ""]),
        ("+.", ["+1", "+86"], ["+", "86"]),
        ("*97", ["*97"], ["97", "x97"]),
        ("service", ["service"], ["Service", "servicex"]),
        (".", ["1"], [""]),
    ],
)
def test_a_pattern_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert [n for n in yes if not compiled.matches(n)] == []
    assert [n for n in no if compiled.matches(n)] == []


@pytest.mark.parametrize("pattern", ["[12", "[]", "1.2", "1!2", "[9-1]X", ""])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        compile_pattern(pattern)


_place = st.sampled_from(["0", "1", "2", "*", "X", "Z", "N", "[12]", "[23]", "[0-4]"])
_patterns = st.tuples(st.lists(_place, max_size=4), st.sampled_from(["", "", ".", "!"])).map(
    lambda t: "".join(t[0]) + t[1]
).filter(bool)  # fmt: skip
_numbers = st.text("0123*", max_size=5)


@given(st.lists(_patterns, min_size=1, max_size=12), _numbers)
def test_the_tree_agrees_with_a_naive_matcher(texts: list[str], number: str) -> None:
    tree: Tree[int] = Tree()
    compiled = [compile_pattern(text) for text in texts]
    for index, pattern in enumerate(compiled):
        tree.add(pattern, index)
    naive = sorted((p.rank, i) for i, p in enumerate(compiled) if p.matches(number))
    assert tree.find(number) == [index for _, index in naive]


def _all_numbers(longest: int) -> list[str]:
    found, last = [""], [""]
    for _ in range(longest):
        last = [number + c for number in last for c in "0124*"]
        found += last
    return found


NUMBERS = _all_numbers(4)


def _language(pattern: Pattern) -> set[str]:
    return {number for number in NUMBERS if pattern.matches(number)}


_short = st.tuples(st.lists(_place, max_size=2), st.sampled_from(["", ".", "!"])).map(
    lambda t: "".join(t[0]) + t[1]
).filter(bool)  # fmt: skip


@given(_short, _short)
def test_overlap_and_cover_agree_with_counting(one: str, other: str) -> None:
    a, b = compile_pattern(one), compile_pattern(other)
    assert a.matches(a.sample())
    both = _language(a) & _language(b)
    assert a.overlaps(b) == b.overlaps(a)
    if both:
        assert a.overlaps(b)
    if a.covers(b):
        assert _language(b) <= _language(a)
    for start in ("", "1", "12", "0*"):
        longer = any(n.startswith(start) and len(n) > len(start) for n in _language(a))
        assert a.may_become(start) or not longer


def routes(**contexts: object) -> Routes:
    made = {
        name: {"include": text.get("include", []), "route": [{**r, "do": {"echo": True}} for r in text["route"]]}
        for name, text in contexts.items()
        if isinstance(text, dict)
    }
    return Routes(Config.model_validate({"contexts": made}))


def patterns(found: Routes, dialled: str, normalised: str = "") -> list[str]:
    return [match.pattern for match in found.find("a", dialled, normalised or dialled)]


def test_the_most_specific_comes_first_and_includes_last() -> None:
    found = routes(
        a={"route": [{"match": "1."}, {"match": "10XX"}, {"match": "1001"}], "include": ["b", "c"]},
        b={"route": [{"match": "1001"}]},
        c={"route": [{"match": "100X"}], "include": ["a"]},
    )
    assert patterns(found, "1001") == ["1001", "10XX", "1.", "1001", "100X"]
    assert patterns(found, "1099") == ["10XX", "1."]


def test_the_dialled_form_comes_before_the_normalised_then_regular_expressions() -> None:
    found = routes(
        a={"route": [{"match-re": r"(?P<first>\d)\d+"}, {"match": "+86."}, {"match": "0."}, {"match-re": r"\+.*"}]}
    )
    assert patterns(found, "02161234567", "+862161234567") == ["0.", "+86.", r"(?P<first>\d)\d+", r"\+.*"]
    match = next(m for m in found.find("a", "123", "123") if m.groups)
    assert match.groups == {"first": "1"}
    assert match.number == "123"


def test_a_number_that_is_still_typed() -> None:
    found = routes(a={"route": [{"match": "10XX"}, {"match": "9."}]})
    assert [found.may_become("a", start) for start in ("", "1", "10", "1001", "9", "95", "2")] == [
        True, True, True, False, True, True, False,
    ]  # fmt: skip
