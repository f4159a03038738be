"""Read a log from its file, for commands that work with or without a running server."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from pbx.errors import StoreError
from pbx.events import Logged, event_from

COLUMNS = "seq, at_utc, at_mono, kind, call_id, leg_id, data"
EVENTS = f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq"


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a database without the right to change it.

    :raises StoreError: when it is not there or no database.
    """
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        database.execute("SELECT 1 FROM events LIMIT 1")
    except sqlite3.Error as error:
        raise StoreError(f"cannot read the database {path}: {error}") from error
    return database


def decoded(rows: Iterable[Iterable[Any]]) -> Iterator[Logged]:
    """Yield the events of rows of COLUMNS; kinds of a newer version are passed over."""
    for seq, at_utc, at_mono, kind, call_id, leg_id, data in rows:
        try:
            yield Logged(seq, at_utc, at_mono, event_from(kind, call_id, leg_id, orjson.loads(data)))
        except KeyError:
            continue


def read_log(path: Path, after_seq: int = 0) -> Iterator[Logged]:
    """Yield the events after a place in the log; kinds of a newer version are passed over.

    :raises StoreError: when the database cannot be read.
    """
    with closing(open_read_only(path)) as database:
        yield from decoded(database.execute(EVENTS, (after_seq,)))


def read_kinds(path: Path, kinds: Sequence[str]) -> Iterator[Logged]:
    """Yield the events of some kinds.

    :raises StoreError: when the database cannot be read.
    """
    marks = ", ".join("?" * len(kinds))
    sql = EVENTS.replace("seq > ?", f"kind IN ({marks})")
    with closing(open_read_only(path)) as database:
        yield from decoded(database.execute(sql, tuple(kinds)))


def query(path: Path, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Ask a question in SQL; return the columns' names and the rows.

    :raises StoreError: for a mistake in the question, or one that would change something.
    """
    with closing(open_read_only(path)) as database:
        try:
            cursor = database.execute(sql)
            return [column[0] for column in cursor.description or ()], cursor.fetchall()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error
