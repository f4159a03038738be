"""What the store does by itself, now and then: roll up half-hours, forget events that are too old."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing

from pbx.errors import StoreError
from pbx.store.database import Log
from pbx.store.export import open_read_only
from pbx.store.rollup import Thresholds, due

log = logging.getLogger(__name__)

EVERY_S = 300.0
DAY_S = 86_400.0
BATCH = 5_000  # events deleted at once, so that the writer is never away for long


class Keeper:
    """Looks every five minutes; reads in a thread, writes with the log."""

    def __init__(
        self, store: Log, retain_days: Callable[[], int], thresholds: Thresholds, wall: Callable[[], float]
    ) -> None:
        self._log = store
        self._retain_days = retain_days
        self._thresholds = thresholds
        self._wall = wall
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), name="keeper")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.roll_up()
                await self.forget_old()
            except (StoreError, sqlite3.Error) as error:
                log.error("x the store could not be kept: %s", error)

    async def roll_up(self) -> None:
        """Bring the half-hours up to date."""
        while statements := await asyncio.to_thread(due, self._log.path, self._wall(), self._thresholds):
            await self._log.execute(statements)

    async def forget_old(self) -> int:
        """Delete events older than store.retain-days; return how many."""
        oldest, boundary = await asyncio.to_thread(self._boundary, self._wall() - self._retain_days() * DAY_S)
        gone = 0
        while oldest < boundary:
            until = min(boundary, oldest + BATCH)
            await self._log.execute([("DELETE FROM events WHERE seq < ?", (until,))])
            gone += until - oldest
            oldest = until
        if gone:
            log.info("%d events older than %d days are deleted", gone, self._retain_days())
        return gone

    def _boundary(self, at_utc: float) -> tuple[int, int]:
        """Return the first seq of the log and the first that is young enough: they grow with time, so it is halved."""
        with closing(open_read_only(self._log.path)) as database:
            low, high = database.execute("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM events").fetchone()
            oldest = int(low)
            while low < high:
                middle = (low + high) // 2
                found = database.execute(
                    "SELECT seq, at_utc FROM events WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,)
                ).fetchone()
                if found[1] < at_utc:
                    low = found[0] + 1
                else:
                    high = middle
        return oldest, int(low)
