"""TOML with positions: tomli gives the values, a syntax tree says where each table and key stands."""

from __future__ import annotations

import codecs
import datetime
from pathlib import Path

import tomli
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from pbx.config.where import Finding, Severity, Table, Where

_LANGUAGE = Language(tree_sitter_toml.language())

Key = str | int

SAVE_AS = "save the file as UTF-8 (in the editor: Save as, Encoding)"
# What keyboards and word processors put in the place of TOML's signs.
LOOKALIKES = {
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2018": "'", "\u2019": "'",
    "\uff1d": "=", "\uff0c": ",", "\u3001": ",", "\uff5b": "{", "\uff5d": "}", "\uff3b": "[", "\uff3d": "]",
    "\u3010": "[", "\u3011": "]", "\uff02": '"', "\uff03": "#", "\uff1a": "=", "\u3000": " ", "\u00a0": " ",
}  # fmt: skip


def read_toml(path: Path, shown: str) -> tuple[Table, list[Finding]]:
    """Read a file; on a mistake the table is empty and the findings say where it is."""
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)  # Windows' editors begin a file with it
        text = data.decode("utf-8")
    except OSError as error:
        return Table(where=Where(shown)), [Finding(Where(shown), Severity.ERROR, f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return Table(where=Where(shown)), [_encoding_error(error, data, shown)]
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        return Table(where=Where(shown)), [_syntax_error(error, text, shown)]
    return _located(values, _Places(data, shown)), []


def _encoding_error(error: UnicodeDecodeError, data: bytes, shown: str) -> Finding:
    """Name the first byte that is no UTF-8, and what the file may be instead."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return Finding(Where(shown, 1, 1), Severity.ERROR, "the file is UTF-16", SAVE_AS)
    before = data[: error.start]
    line, begin = before.count(b"\n") + 1, before.rfind(b"\n") + 1
    where = Where(shown, line, len(before[begin:].decode("utf-8")) + 1)
    return Finding(where, Severity.ERROR, f"byte {data[error.start]:#04x} is not UTF-8", SAVE_AS)


def _syntax_error(error: tomli.TOMLDecodeError, text: str, shown: str) -> Finding:
    message = str(error)
    line, column = 1, 1
    if "(at line " in message:
        message, _, place = message.rpartition(" (at line ")
        numbers = [int(part) for part in place.rstrip(")").replace("column", "").split(",")]
        line, column = numbers[0], numbers[1]
    elif "(at end of document)" in message:
        message = message.replace(" (at end of document)", "")
        line = text.count("\n") + 1
    return Finding(Where(shown, line, column), Severity.ERROR, message, _cure(message, text, line, column))


def _cure(message: str, text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\r" in text.replace("\r\n", "") and "\n" not in text:
        return "its lines end with CR alone: save it with LF or CRLF"
    if (sign := here[column - 1 : column]) in LOOKALIKES:
        return f'"{sign}" is not the sign that it looks like: write {LOOKALIKES[sign]!r}'
    if "Unclosed array" in message:
        return 'a "," or a "]" is missing before this place'
    if "Illegal character" in message and here.count('"') % 2:
        return "the text on this line has no closing quote"
    if "Expected '='" in message and sign in ":>":
        return "a key and its value are joined by ="
    if text.lstrip()[:1] == "{":
        return "this is JSON; the files are TOML: [table] headers and key = value"
    if here.rstrip().endswith(("{", ",")) and column > len(here.rstrip()):
        return "an inline table { … } must stand on one line: put it on one, or use a [table]"
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


class _Places:
    """The places of tables and keys, by path; the syntax tree is made when the first of them is asked for."""

    def __init__(self, data: bytes, shown: str) -> None:
        self._data = data
        self._shown = shown
        self._found: dict[tuple[Key, ...], tuple[int, int]] = {}
        self._counts: dict[tuple[Key, ...], int] = {}
        self._lines: list[bytes] = []

    def where(self, path: tuple[Key, ...]) -> Where:
        return Where(self._shown, find=lambda: self._find(path))

    def _find(self, path: tuple[Key, ...]) -> tuple[int, int]:
        if not self._found:
            self._read()
        while path not in self._found:  # what has no place of its own stands where its table does
            path = path[:-1]
        return self._found[path]

    def _read(self) -> None:
        self._found[()] = (1, 1)
        self._lines = self._data.split(b"\n")
        for node in Parser(_LANGUAGE).parse(self._data).root_node.children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def _place(self, node: Node) -> tuple[int, int]:
        row, column = node.start_point
        before = self._lines[row][:column]
        return row + 1, 1 + (column if before.isascii() else len(before.decode("utf-8", "replace")))

    def _table(self, node: Node) -> None:
        keys: tuple[str, ...] = ()
        path: tuple[Key, ...] = ()
        for child in node.children:
            if child.type in ("bare_key", "quoted_key", "dotted_key"):
                keys = _keys(child)
                path = self._resolve(keys, last_is_array=node.type == "table_array_element")
                place = self._place(child)
                self._found.setdefault(path, place)
                for i in range(1, len(path)):
                    self._found.setdefault(path[:i], place)
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
        named = node.named_children
        if len(named) < 2:
            return
        path = (*base, *_keys(named[0]))
        place = self._place(named[0])
        for i in range(len(base) + 1, len(path) + 1):
            self._found.setdefault(path[:i], place)
        self._value(named[1], path)

    def _value(self, node: Node, path: tuple[Key, ...]) -> None:
        kind = node.type
        if kind == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self._pair(child, path)
        elif kind == "array":
            values = [child for child in node.named_children if child.type != "comment"]
            for i, child in enumerate(values):
                self._found.setdefault((*path, i), self._place(child))
                self._value(child, (*path, i))


def _located(values: dict[str, object], places: _Places) -> Table:
    found = _wrap(values, (), places)
    assert isinstance(found, Table)
    return found


def _wrap(value: object, path: tuple[Key, ...], places: _Places, where: Where | None = None) -> object:
    if isinstance(value, dict):
        table = Table(where=where or places.where(path))
        for key, inner in value.items():
            below = (*path, key)
            table.keys_at[key] = place = places.where(below)
            table[key] = _wrap(inner, below, places, place)
        return table
    if isinstance(value, list):
        return [_wrap(inner, (*path, i), places) for i, inner in enumerate(value)]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value


def _keys(node: Node) -> tuple[str, ...]:
    if node.type == "dotted_key":
        return tuple(key for child in node.children if child.is_named for key in _keys(child))
    text = (node.text or b"").decode()
    if node.type == "quoted_key":
        return (str(next(iter(tomli.loads(f"{text} = 0")))),)
    return (text,)
