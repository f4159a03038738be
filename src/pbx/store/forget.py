"""Forget a caller on request: a pseudonym takes the number's place in every event, so that every sum stays.

The pseudonym is random and written nowhere beside: nothing leads back from it.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from pbx.errors import PbxError
from pbx.store.database import Statement
from pbx.store.export import open_read_only

LEAST_DIGITS = 6  # shorter runs of digits are extensions, and parts of anything


def pseudonym() -> str:
    """Make a name that says nothing."""
    return f"anon-{secrets.token_hex(6)}"


def spellings(number: str) -> re.Pattern[str]:
    """Return what matches a number however it was written: with its country's code, with zeros before it, or bare.

    :raises PbxError: for a number that is too short to be told from others.
    """
    digits = re.sub(r"\D", "", number)
    if len(digits) < LEAST_DIGITS:
        raise PbxError(f"{number} has fewer than {LEAST_DIGITS} digits: too many others contain it")
    bare = digits.lstrip("0")
    return re.compile(rf"(?<![0-9+])(?:\+|%2B)?(?:0{{0,2}}|0{{0,2}}[1-9]\d{{0,2}}){re.escape(bare)}(?!\d)")


def forgetting(path: Path, number: str, name: str) -> tuple[list[Statement], int]:
    """Return the statements that put *name* where *number* was, and how many events they change.

    :raises PbxError: for a number that is too short, or a database that cannot be read.
    """
    pattern = spellings(number)
    bare = re.sub(r"\D", "", number).lstrip("0")
    statements: list[Statement] = []
    with closing(open_read_only(path)) as database:
        for seq, data in database.execute("SELECT seq, data FROM events WHERE instr(data, ?)", (bare,)):
            changed = orjson.dumps(_replaced(orjson.loads(data), pattern, name)).decode()
            if name in changed:
                statements.append(("UPDATE events SET data = ? WHERE seq = ?", (changed, seq)))
        events = len(statements)
        statements += _index(database, pattern, bare, name)
    return statements, events


def _replaced(value: Any, pattern: re.Pattern[str], name: str) -> Any:
    """Replace inside texts only: a figure that looks like the number stays a figure."""
    if isinstance(value, str):
        return pattern.sub(name, value)
    if isinstance(value, list):
        return [_replaced(item, pattern, name) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, pattern, name) for key, item in value.items()}
    return value


def _index(database: sqlite3.Connection, pattern: re.Pattern[str], bare: str, name: str) -> list[Statement]:
    rows = database.execute(
        "SELECT recording_id, caller, dialled FROM recordings WHERE instr(caller, ?1) OR instr(dialled, ?1)", (bare,)
    )
    return [
        (
            "UPDATE recordings SET caller = ?, dialled = ? WHERE recording_id = ?",
            (pattern.sub(name, caller), pattern.sub(name, dialled), recording_id),
        )
        for recording_id, caller, dialled in rows
    ]
