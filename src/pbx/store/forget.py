"""Forget a caller on request: a pseudonym takes the number's place in every event, so that every sum stays.

The pseudonym is random and written nowhere beside: nothing leads back from it.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
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


def spellings(number: str, significant: Iterable[str] = (), local: Iterable[str] = ()) -> re.Pattern[str]:
    """Return what matches a number however it was written: with its country's code, with zeros before it, or bare.

    *significant* are its forms without the country's code, *local* those without the area's: these stand alone only,
    since other towns have numbers that end alike.

    :raises PbxError: for a number that is too short to be told from others.
    """
    digits = re.sub(r"\D", "", number)
    if len(digits) < LEAST_DIGITS:
        raise PbxError(f"{number} has fewer than {LEAST_DIGITS} digits: too many others contain it")
    bare = dict.fromkeys([digits.lstrip("0"), *significant])
    anyhow = rf"(?:\+|%2B)?(?:0{{0,2}}|0{{0,2}}[1-9]\d{{0,2}})(?:{'|'.join(bare)})"
    return re.compile(rf"(?<![0-9+])(?:{'|'.join([anyhow, *local])})(?!\d)")


def forgetting(
    path: Path, number: str, name: str, significant: Sequence[str] = (), local: Sequence[str] = ()
) -> tuple[list[Statement], int]:
    """Return the statements that put *name* where *number* was, and how many events they change.

    :raises PbxError: for a number that is too short, or a database that cannot be read.
    """
    pattern = spellings(number, significant, local)
    needles = _needles(number, significant, local)
    any_of = " OR ".join("instr({0}, ?)" for _ in needles)
    statements: list[Statement] = []
    with closing(open_read_only(path)) as database:
        where = any_of.format("data")
        for seq, data in database.execute(f"SELECT seq, data FROM events WHERE {where}", needles):
            changed = orjson.dumps(_replaced(orjson.loads(data), pattern, name)).decode()
            if name in changed:
                statements.append(("UPDATE events SET data = ? WHERE seq = ?", (changed, seq)))
        events = len(statements)
        statements += _index(database, pattern, needles, name)
    return statements, events


def recordings_of(path: Path, number: str, significant: Sequence[str] = (), local: Sequence[str] = ()) -> list[str]:
    """Return the recordings of a caller, however the number was written.

    :raises PbxError: for a number that is too short, or a database that cannot be read.
    """
    pattern, needles = spellings(number, significant, local), _needles(number, significant, local)
    any_of = " OR ".join("instr(caller, ?)" for _ in needles)
    with closing(open_read_only(path)) as database:
        rows = database.execute(f"SELECT recording_id, caller FROM recordings WHERE {any_of}", needles).fetchall()
    return [recording_id for recording_id, caller in rows if pattern.fullmatch(caller)]


def _needles(number: str, significant: Sequence[str], local: Sequence[str]) -> list[str]:
    """Return the fewest texts of which every spelling contains one."""
    forms = dict.fromkeys([re.sub(r"\D", "", number).lstrip("0"), *significant, *local])
    return [form for form in forms if not any(other in form for other in forms if other != form)]


def _replaced(value: Any, pattern: re.Pattern[str], name: str) -> Any:
    """Replace inside texts only: a figure that looks like the number stays a figure."""
    if isinstance(value, str):
        return pattern.sub(name, value)
    if isinstance(value, list):
        return [_replaced(item, pattern, name) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item, pattern, name) for key, item in value.items()}
    return value


def _index(
    database: sqlite3.Connection, pattern: re.Pattern[str], needles: Sequence[str], name: str
) -> list[Statement]:
    any_of = " OR ".join("instr(caller || ' ' || dialled, ?)" for _ in needles)
    rows = database.execute(f"SELECT recording_id, caller, dialled FROM recordings WHERE {any_of}", needles)
    return [
        (
            "UPDATE recordings SET caller = ?, dialled = ? WHERE recording_id = ?",
            (pattern.sub(name, caller), pattern.sub(name, dialled), recording_id),
        )
        for recording_id, caller, dialled in rows
    ]
