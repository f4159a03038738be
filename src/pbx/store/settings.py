"""Small states that outlive a restart: name and text, in the table of settings."""

from __future__ import annotations

import asyncio
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
        self._saving: set[asyncio.Task[None]] = set()

    def load(self) -> dict[str, str]:
        """Return everything saved; before the loop turns."""
        with sqlite3.connect(self._store.path) as database:
            rows = database.execute(
                "SELECT name, value FROM settings WHERE name LIKE ? || '%'", (self._prefix,)
            ).fetchall()
        database.close()
        return {name.removeprefix(self._prefix): bytes(value).decode() for name, value in rows}

    def save(self, name: str, text: str) -> None:
        """Save without waiting; a disk that refuses is told in the log."""
        task = asyncio.get_running_loop().create_task(self._save(name, text))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def saved(self) -> None:
        """Wait for what is being saved."""
        if self._saving:
            await asyncio.wait(set(self._saving))

    async def _save(self, name: str, text: str) -> None:
        try:
            await self._store.execute(
                [("INSERT OR REPLACE INTO settings VALUES (?, ?)", (self._prefix + name, text.encode()))]
            )
        except StoreError as error:
            log.error("%s%s is not saved: %s", self._prefix, name, error)
