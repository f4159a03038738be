"""Conditions: grammar, types, values."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.config.condition import NUMBER, TEXT, TRUTH, ConditionError, Kind, Type, compile_condition

VALUES = {"customer.level": "gold", "age": 30, "from": "+8613800138000", "open.office-hours": True, "auth.ok": False}
TYPES = {
    "customer.level": Type(Kind.TEXT, ("normal", "gold")),
    "age": NUMBER,
    "from": TEXT,
    "open.office-hours": TRUTH,
    "auth.ok": TRUTH,
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("customer.level == 'gold'", True),
        ('customer.level == "gold" and age >= 30', True),
        ("not open.office-hours", False),
        ("open.office-hours and not auth.ok", True),
        ("customer.level in ('gold', 'vip')", True),
        ("customer.level not in ['gold', 'vip']", False),
        ("'138' in from", True),
        ("age - 5 > 24 and age-5 == ''", True),  # a hyphen belongs to the name, which is not there
        ("(age < 10 or age > 20) and age != 31", True),
        ("hash(from) % 100 < 100", True),
        ("age == 'thirty'", False),
        ("missing == ''", True),
        ("age * 2 + 1 == 61", True),
        ("age / 0 == 0", True),
        ("not not true", True),
        ("-1 < age", True),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert compile_condition(text).evaluate(VALUES) is holds


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("age = 3", "==", 5),
        ("", "empty", 1),
        ("age ==", "missing at the end", 7),
        ("age == 'x", "closing quote", 8),
        ("(age == 3", "without its )", 10),
        ("age && 3", "write `and`", 5),
        ("age 3", "not expected", 5),
        ("and age", "missing", 1),
        ("(" * 60 + "age" + ")" * 60, "parentheses", 51),
    ],
)
def test_a_mistake_is_named_with_its_column(text: str, message: str, column: int) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text)
    assert message in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("age == 'thirty'", "compares a number with a text"),
        ("nobody == 'x'", "no variable nobody"),
        ("customer.level == 'glod'", "'glod' is none of normal, gold"),
        ("customer.level in ('gold', 'vip')", "'vip' is none of"),
        ("from < 'x'", "compares numbers"),
        ("open.office-hours == 'yes'", "compares a truth with a text"),
        ("from + 1 == 2", "calculates with numbers"),
    ],
)
def test_types_are_checked(text: str, problem: str) -> None:
    (found,) = compile_condition(text).problems(TYPES.get)
    assert problem in found


def test_good_types_have_no_problem() -> None:
    for text in ("customer.level == 'gold' and age > 3", "open.office-hours or hash(from) % 7 == 3"):
        assert compile_condition(text).problems(TYPES.get) == []


def test_the_hash_of_a_caller_is_the_same_for_ever() -> None:
    share = [compile_condition("hash(from) % 100 < 7").evaluate({"from": str(13800000000 + n)}) for n in range(5000)]
    assert compile_condition("hash(from)").root.evaluate({"from": "abc"}) == 891568578
    assert 0.05 < sum(share) / 5000 < 0.09


_sums = st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=8,
)
_truths = st.recursive(
    st.tuples(_sums, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _sums).map(" ".join),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=6,
)


@given(_truths)
def test_it_agrees_with_python(text: str) -> None:
    ast.parse(text, mode="eval")
    assert compile_condition(text).evaluate({}) == bool(eval(text, {"__builtins__": {}}))


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_an_error(text: str) -> None:
    try:
        condition = compile_condition(text)
    except ConditionError as error:
        column = error.column
    else:
        condition.problems(lambda name: None)
        condition.evaluate({})
        column = 1
    assert 1 <= column <= len(text) + 1
