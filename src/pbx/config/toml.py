"""TOML with positions: tomllib gives the values, a syntax tree says where each table and key stands."""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from pbx.config.where import Finding, Severity, Table, Where

_LANGUAGE = Language(tree_sitter_toml.language())

Key = str | int


def read_toml(path: Path, shown: str) -> tuple[Table, list[Finding]]:
    """Read a file; on a mistake the table is empty and the findings say where it is."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return Table(where=Where(shown)), [Finding(Where(shown), Severity.ERROR, f"cannot be read: {reason}")]
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Table(where=Where(shown)), [_syntax_error(error, text, shown)]
    index = _Index(data, shown)
    return index.located(values), []


def _syntax_error(error: tomllib.TOMLDecodeError, text: str, shown: str) -> Finding:
    message = str(error)
    line, column = 1, 1
    if "(at line " in message:
        message, _, place = message.rpartition(" (at line ")
        numbers = [int(part) for part in place.rstrip(")").replace("column", "").split(",")]
        line, column = numbers[0], numbers[1]
    elif "(at end of document)" in message:
        message = message.replace(" (at end of document)", "")
        line = text.count("\n") + 1
    return Finding(Where(shown, line, column), Severity.ERROR, message, _cure(message, text, line))


def _cure(message: str, text: str, line: int) -> str:
    lines = text.split("\n")
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if "Unclosed inline table" in message or ("inline table" in message and "\n" in text):
        return "an inline table { … } must stand on one line: put it on one, or use a [table]"
    if here.lstrip()[:1] and not here.lstrip()[0].isascii():
        return 'a key with other than ASCII letters needs quotes: "名字" = …'
    if "Cannot declare" in message or "Cannot overwrite" in message:
        return "this table or key stands in the file already: put both together"
    if "Invalid value" in message and "=" in here:
        value = here.partition("=")[2].strip()
        if value and (value[0].isalpha() or value[0] in "+*") and value not in ("true", "false"):
            return f'text needs quotes: "{value}"'
    return ""


class _Index:
    """The places of tables and keys, by path."""

    def __init__(self, data: bytes, shown: str) -> None:
        self._shown = shown
        self._places: dict[tuple[Key, ...], Where] = {(): Where(shown, 1, 1)}
        self._counts: dict[tuple[Key, ...], int] = {}
        self._lines = data.split(b"\n")
        root = Parser(_LANGUAGE).parse(data).root_node
        for node in root.children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def located(self, values: dict[str, object]) -> Table:
        found = self._wrap(values, ())
        assert isinstance(found, Table)
        return found

    def _wrap(self, value: object, path: tuple[Key, ...]) -> object:
        if isinstance(value, dict):
            table = Table(where=self._places.get(path, self._places[()]))
            for key, inner in value.items():
                table.keys_at[key] = self._places.get((*path, key), table.where)
                table[key] = self._wrap(inner, (*path, key))
            return table
        if isinstance(value, list):
            return [self._wrap(inner, (*path, i)) for i, inner in enumerate(value)]
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        return value

    def _where(self, node: Node) -> Where:
        row, column = node.start_point
        shown = len(self._lines[row][:column].decode("utf-8", "replace"))
        return Where(self._shown, row + 1, shown + 1)

    def _table(self, node: Node) -> None:
        keys: tuple[str, ...] = ()
        path: tuple[Key, ...] = ()
        for child in node.children:
            if child.type in ("bare_key", "quoted_key", "dotted_key"):
                keys = _keys(child)
                path = self._resolve(keys, last_is_array=node.type == "table_array_element")
                place = self._where(child)
                self._places.setdefault(path, place)
                for i in range(1, len(path)):
                    self._places.setdefault(path[:i], place)
            elif child.type == "pair":
                self._pair(child, path)

    def _resolve(self, keys: tuple[str, ...], *, last_is_array: bool) -> tuple[Key, ...]:
        """Turn a header's keys into a path: an array of tables on the way means its last element."""
        path: tuple[Key, ...] = ()
        for i, key in enumerate(keys):
            path = (*path, key)
            if i == len(keys) - 1 and last_is_array:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _pair(self, node: Node, base: tuple[Key, ...]) -> None:
        named = [child for child in node.children if child.is_named and child.type != "comment"]
        if len(named) < 2:
            return
        path = (*base, *_keys(named[0]))
        for i in range(len(base) + 1, len(path) + 1):
            self._places.setdefault(path[:i], self._where(named[0]))
        self._value(named[1], path)

    def _value(self, node: Node, path: tuple[Key, ...]) -> None:
        if node.type == "inline_table":
            for child in node.children:
                if child.type == "pair":
                    self._pair(child, path)
        elif node.type == "array":
            values = [child for child in node.children if child.is_named and child.type != "comment"]
            for i, child in enumerate(values):
                self._places.setdefault((*path, i), self._where(child))
                self._value(child, (*path, i))


def _keys(node: Node) -> tuple[str, ...]:
    if node.type == "dotted_key":
        return tuple(key for child in node.children if child.is_named for key in _keys(child))
    text = (node.text or b"").decode()
    if node.type == "quoted_key":
        return (str(next(iter(tomllib.loads(f"{text} = 0")))),)
    return (text,)
