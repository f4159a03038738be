"""Conditions: ``customer.level == 'gold' and not open.holidays``; parsed once, typed, evaluated without side effects.

Grammar, loosest first: ``or``, ``and``, ``not``, one comparison (``== != < <= > >= in``), ``+ -``, ``* / %``, then
literals, names, ``hash(x)`` and parentheses. A hyphen inside a word belongs to the name; minus needs spaces.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

Value = str | int | float | bool
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)(?![\w.])|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<name>[^\W\d][\w.]*(?:-[\w.]+)*)|(?P<sign>==|!=|<=|>=|[<>()\[\],+*/%-]))"
)
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">", "in")
MAX_LENGTH = 2000
MAX_DEPTH = 50


class Kind(Enum):
    """What a value is."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Type:
    """A variable's kind, and the only values that it can have where those are declared."""

    kind: Kind
    choices: tuple[str, ...] = ()


TEXT, NUMBER, TRUTH = Type(Kind.TEXT), Type(Kind.NUMBER), Type(Kind.TRUTH)
TypeOf = Callable[[str], "Type | None"]


class ConditionError(ValueError):
    """Text that is no condition; *column* counts from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        return self.value


@dataclass(frozen=True, slots=True)
class Name:
    name: str

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        found = values.get(self.name)
        return "" if found is None else found


@dataclass(frozen=True, slots=True)
class Choices:
    members: tuple[Node, ...]

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        raise TypeError("a list stands on the right of `in` only")


@dataclass(frozen=True, slots=True)
class Hash:
    """A stable number of 32 bits: the same caller gets the same flow on every day and every machine."""

    inner: Node

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        return zlib.crc32(str(self.inner.evaluate(values)).encode())


@dataclass(frozen=True, slots=True)
class Operation:
    sign: str
    left: Node
    right: Node

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        if self.sign == "and":
            return bool(self.left.evaluate(values)) and bool(self.right.evaluate(values))
        if self.sign == "or":
            return bool(self.left.evaluate(values)) or bool(self.right.evaluate(values))
        left = self.left.evaluate(values)
        if self.sign == "in":
            return self._contains(left, values)
        right = self.right.evaluate(values)
        if self.sign in _COMPARISONS:
            return _compare(self.sign, left, right)
        return _calculate(self.sign, left, right)

    def _contains(self, left: Value, values: Mapping[str, Value]) -> bool:
        if isinstance(self.right, Choices):
            return any(_compare("==", left, member.evaluate(values)) for member in self.right.members)
        return str(left) in str(self.right.evaluate(values))


@dataclass(frozen=True, slots=True)
class Not:
    inner: Node

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        return not self.inner.evaluate(values)


Node = Literal | Name | Choices | Hash | Operation | Not


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare(sign: str, left: Value, right: Value) -> bool:
    same = _is_number(left) == _is_number(right) and isinstance(left, bool) == isinstance(right, bool)
    if not same:  # check refuses it where types are known; a live call must not fail on it
        return sign == "!="
    if sign == "==":
        return left == right
    if sign == "!=":
        return left != right
    if sign == "<":
        return left < right  # type: ignore[operator]
    if sign == "<=":
        return left <= right  # type: ignore[operator]
    return left > right if sign == ">" else left >= right  # type: ignore[operator]


def _calculate(sign: str, left: Value, right: Value) -> Value:
    if not (_is_number(left) and _is_number(right)):
        return 0
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if right == 0:
        return 0
    return left / right if sign == "/" else left % right


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition."""

    text: str
    root: Node

    def evaluate(self, values: Mapping[str, Value]) -> bool:
        """Say whether it holds; a name that *values* lacks is the empty text."""
        return bool(self.root.evaluate(values))

    @property
    def names(self) -> frozenset[str]:
        """Every variable that it asks for."""
        return frozenset(node.name for node in _walk(self.root) if isinstance(node, Name))

    def problems(self, type_of: TypeOf) -> list[str]:
        """Return what is wrong with its types; *type_of* knows the variables, None for one that is not there."""
        found: list[str] = []
        _type(self.root, type_of, found)
        return found


@lru_cache(maxsize=16384)
def compile_condition(text: str) -> Condition:
    """Parse *text*.

    :raises ConditionError: where it is no condition.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"longer than {MAX_LENGTH} characters", 1)
    return Condition(text, _Parser(text).parse())


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def parse(self) -> Node:
        if not self._tokens:
            raise ConditionError("an empty condition", 1)
        node = self._or()
        if self._at < len(self._tokens):
            raise self._error(f'"{self._peek()[1]}" is not expected here')
        return node

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at][:2] if self._at < len(self._tokens) else ("end", "")

    def _take(self, *words: str) -> str:
        kind, text = self._peek()
        if kind in ("name", "sign") and text in words:
            self._at += 1
            return text
        return ""

    def _error(self, message: str) -> ConditionError:
        column = self._tokens[self._at][2] if self._at < len(self._tokens) else len(self._text) + 1
        return ConditionError(message, column)

    def _or(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error("too many parentheses")
        node = self._and()
        while self._take("or"):
            node = Operation("or", node, self._and())
        self._depth -= 1
        return node

    def _and(self) -> Node:
        node = self._not()
        while self._take("and"):
            node = Operation("and", node, self._not())
        return node

    def _not(self) -> Node:
        turns = 0
        while self._take("not"):
            turns += 1
        node = self._comparison()
        for _ in range(turns):
            node = Not(node)
        return node

    def _comparison(self) -> Node:
        left = self._sum()
        sign = self._take(*_COMPARISONS)
        if sign:
            return Operation(sign, left, self._choices() if sign == "in" else self._sum())
        if self._take("not"):
            if not self._take("in"):
                raise self._error("`not` here wants `in` after it")
            return Not(Operation("in", left, self._choices()))
        return left

    def _choices(self) -> Node:
        opened = self._take("(", "[")
        if not opened:
            return self._sum()
        members = [self._sum()]
        while self._take(","):
            members.append(self._sum())
        if not self._take(")" if opened == "(" else "]"):
            raise self._error("the list has no end")
        return Choices(tuple(members))

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._take("+", "-"):
            node = Operation(sign, node, self._product())
        return node

    def _product(self) -> Node:
        node = self._atom()
        while sign := self._take("*", "/", "%"):
            node = Operation(sign, node, self._atom())
        return node

    def _atom(self) -> Node:
        kind, text = self._peek()
        if self._take("("):
            node = self._or()
            if not self._take(")"):
                raise self._error("a ( without its )")
            return node
        if self._take("-"):
            return Operation("-", Literal(0), self._atom())
        if kind in ("end", "sign") or text in ("and", "or", "in", "not"):
            raise self._error(f'a value is missing before "{text}"' if text else "a value is missing at the end")
        self._at += 1
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if kind == "text":
            return Literal(text[1:-1])
        if text in ("true", "false"):
            return Literal(text == "true")
        if text == "hash" and self._take("("):
            inner = self._sum()
            if not self._take(")"):
                raise self._error("hash( without its )")
            return Hash(inner)
        return Name(text)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield kind, text and column."""
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            rest = text[at:].lstrip()
            column = len(text) - len(rest) + 1
            if rest[0] in "'\"":
                raise ConditionError("a text without its closing quote", column)
            hint = {"=": "write == to compare", "&": "write `and`", "|": "write `or`", "!": "write `not`"}
            raise ConditionError(hint.get(rest[0], f'"{rest[0]}" means nothing here'), column)
        kind = match.lastgroup
        assert kind is not None
        yield kind, match.group(kind), match.start(kind) + 1
        at = match.end()


def _walk(node: Node) -> Iterator[Node]:
    yield node
    inner: tuple[Node, ...] = ()
    if isinstance(node, Operation):
        inner = (node.left, node.right)
    elif isinstance(node, Not | Hash):
        inner = (node.inner,)
    elif isinstance(node, Choices):
        inner = node.members
    for child in inner:
        yield from _walk(child)


def _type(node: Node, type_of: TypeOf, found: list[str]) -> Type | None:
    """Return a node's type, None where it cannot be known because of a problem already told."""
    if isinstance(node, Literal):
        if isinstance(node.value, bool):
            return TRUTH
        return TEXT if isinstance(node.value, str) else NUMBER
    if isinstance(node, Name):
        known = type_of(node.name)
        if known is None:
            found.append(f"no variable {node.name}")
        return known
    if isinstance(node, Not | Hash):
        _type(node.inner, type_of, found)
        return TRUTH if isinstance(node, Not) else NUMBER
    if isinstance(node, Choices):
        types = [_type(member, type_of, found) for member in node.members]
        return types[0]
    return _type_of_operation(node, type_of, found)


def _type_of_operation(node: Operation, type_of: TypeOf, found: list[str]) -> Type | None:
    left, right = _type(node.left, type_of, found), _type(node.right, type_of, found)
    if node.sign in ("and", "or"):
        return TRUTH
    if node.sign in _COMPARISONS:
        if left is not None and right is not None:
            if left.kind is not right.kind:
                found.append(f"compares a {left.kind.value} with a {right.kind.value}")
            elif node.sign in ("<", ">", "<=", ">=") and left.kind is not Kind.NUMBER:
                found.append(f"{node.sign} compares numbers, not a {left.kind.value}")
            else:
                _choice(left, node.right, found)
                _choice(right, node.left, found)
        return TRUTH
    for side in (left, right):
        if side is not None and side.kind is not Kind.NUMBER:
            found.append(f"{node.sign} calculates with numbers, not a {side.kind.value}")
    return NUMBER


def _choice(declared: Type, node: Node, found: list[str]) -> None:
    """Find texts that a variable with declared values can never have."""
    for member in node.members if isinstance(node, Choices) else (node,):
        if declared.choices and isinstance(member, Literal) and member.value not in declared.choices:
            found.append(f"'{member.value}' is none of {', '.join(declared.choices)}")


__all__ = ["NUMBER", "TEXT", "TRUTH", "Condition", "ConditionError", "Kind", "Type", "Value", "compile_condition"]
