"""Small states that outlive a restart: name and text, in the table of settings."""

from __future__ import annotations

import logging
import sqlite3

from pbx.errors import StoreError
from pbx.store.database import Log

log = logging.getLogger(__name__)


class Settings:
    """Texts under a prefix, such as the night switches' states."""

    def __init__(self, store: Log, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    def load(self) -> dict[str, str]:
        """Return everything saved; before the loop turns."""
        with sqlite3.connect(self._store.path) as database:
            rows = database.execute(
                "SELECT name, value FROM settings WHERE name LIKE ? || '%'", (self._prefix,)
            ).fetchall()
        database.close()
        return {name.removeprefix(self._prefix): bytes(value).decode() for name, value in rows}

    def save(self, name: str, text: str) -> None:
        """Save without waiting, with the log's next batch; a disk that refuses is told by the log."""
        self._store.write([("INSERT OR REPLACE INTO settings VALUES (?, ?)", (self._prefix + name, text.encode()))])

    async def saved(self) -> None:
        """Wait until all that was saved is on the disk, or refused by it."""
        try:
            await self._store.durable()
        except StoreError as error:
            log.error("%s: what was set last is not saved: %s", self._prefix, error)
