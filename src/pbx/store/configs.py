"""Every configuration that ran, and what was set aside for it: the files as they were."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pbx.errors import StoreError
from pbx.store.database import Log

KEPT = 200  # versions; the oldest go first


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a configuration directory."""

    number: int
    at_utc: float
    digest: str  # SHA-256 of the files
    by: str  # start, operator, …
    changes: tuple[str, ...] = ()


class Configs:
    """The versions in the log's database."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def keep(
        self, digest: str, files: dict[str, str], *, at_utc: float, by: str, changes: Sequence[str] = ()
    ) -> None:
        """Remember a version, durably.

        :raises StoreError: when the disk refuses.
        """
        row = (at_utc, digest, by, orjson.dumps(list(changes)).decode(), orjson.dumps(files).decode())
        await self._log.execute(
            [
                ("INSERT INTO configs (at_utc, digest, by, changes, files) VALUES (?, ?, ?, ?, ?)", row),
                ("DELETE FROM configs WHERE number <= (SELECT max(number) FROM configs) - ?", (KEPT,)),
            ]
        )

    def history(self) -> list[Version]:
        """Return the versions, newest first."""
        rows = self._query("SELECT number, at_utc, digest, by, changes FROM configs ORDER BY number DESC", ())
        return [
            Version(number, at_utc, digest, by, tuple(orjson.loads(told))) for number, at_utc, digest, by, told in rows
        ]

    def files(self, number: int) -> dict[str, str]:
        """Return the files of a version.

        :raises StoreError: where there is none.
        """
        rows = self._query("SELECT files FROM configs WHERE number = ?", (number,))
        if not rows:
            raise StoreError(f"there is no version {number}; `pbx config history` lists them")
        found: dict[str, str] = orjson.loads(rows[0][0])
        return found

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        database = sqlite3.connect(f"file:{self._log.path}?mode=ro", uri=True)
        try:
            return database.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"cannot read the history of configurations: {error}") from error
        finally:
            database.close()
