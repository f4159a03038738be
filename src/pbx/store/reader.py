"""Questions to the log, on a connection of their own that never disturbs the writer.

Events of no call are in no index by call, so a question by call says ``call_id != ''``: else all events are read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import aiosqlite

from pbx.events import Logged
from pbx.store.cdr import RECORD_KINDS, CallRecord, call_record
from pbx.store.export import decoded

LAST_CALLER_S = 30 * 86_400.0  # who called before that is not called back


class Reader:
    """Read-only access to the log's database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: aiosqlite.Connection | None = None

    async def start(self) -> None:
        self._database = await aiosqlite.connect(f"file:{self._path}?mode=ro", uri=True)

    async def stop(self) -> None:
        if self._database is not None:
            await self._database.close()

    async def events_of(self, call_id: str) -> list[Logged]:
        """Return a call's events in order."""
        return await self._events(
            """SELECT seq, at_utc, at_mono, kind, call_id, leg_id, data FROM events
               WHERE call_id = ? AND call_id != '' ORDER BY seq""",
            (call_id,),
        )

    async def call_named(self, some_id: str) -> str:
        """Return the call_id that a call_id, a leg_id or a SIP Call-ID belongs to, "" where the log knows none."""
        assert self._database is not None
        call_id = some_id.partition(".")[0]
        for sql, value in (
            ("SELECT call_id FROM events WHERE call_id = ? AND call_id != '' LIMIT 1", some_id),
            ("SELECT call_id FROM events WHERE call_id = ? AND call_id != '' LIMIT 1", call_id),
            (
                """SELECT call_id FROM events INDEXED BY legs_by_sip_call_id
                   WHERE kind = 'leg.created' AND json_extract(data, '$.sip_call_id') = ?
                   ORDER BY seq DESC LIMIT 1""",
                some_id,
            ),
        ):
            rows = list(await self._database.execute_fetchall(sql, (value,)))
            if rows:
                return str(rows[0][0])
        return ""

    async def records(
        self, limit: int = 50, since_utc: float | None = None, until_utc: float | None = None
    ) -> list[CallRecord]:
        """Return finished calls that ended in [since, until), newest first."""
        entries = await self._events(
            f"""SELECT e.seq, e.at_utc, e.at_mono, e.kind, e.call_id, e.leg_id, e.data FROM (
                    SELECT call_id, seq AS ended FROM events
                    WHERE kind = 'call.ended' AND at_utc >= ? AND at_utc < ? ORDER BY at_utc DESC, seq DESC LIMIT ?) x
                CROSS JOIN events e ON e.call_id = x.call_id AND e.call_id != ''
                WHERE e.kind IN ({", ".join("?" * len(RECORD_KINDS))})
                ORDER BY x.ended DESC, e.seq""",
            (
                0.0 if since_utc is None else since_utc,
                1e18 if until_utc is None else until_utc,
                limit,
                *RECORD_KINDS,
            ),
        )
        return [call_record(list(group)) for _, group in groupby(entries, key=lambda entry: entry.event.call_id)]

    async def since(self, at_utc: float, kinds: Sequence[str]) -> list[Logged]:
        """Return the events of some kinds from an instant on."""
        marks = ", ".join("?" * len(kinds))
        return await self._events(
            f"""SELECT seq, at_utc, at_mono, kind, call_id, leg_id, data FROM events
                WHERE kind IN ({marks}) AND at_utc >= ? ORDER BY seq""",
            (*kinds, at_utc),
        )

    async def after(self, seq: int, limit: int) -> list[Logged]:
        """Return the next events after a place in the log."""
        return await self._events(
            """SELECT seq, at_utc, at_mono, kind, call_id, leg_id, data FROM events WHERE seq > ?
               ORDER BY seq LIMIT ?""",
            (seq, limit),
        )

    async def last_caller(self, endpoint: str) -> str:
        """Return the number that called an endpoint last, "" for none in LAST_CALLER_S."""
        assert self._database is not None
        rows = await self._database.execute_fetchall(
            """SELECT json_extract(data, '$.caller') FROM events
               WHERE kind = 'leg.created' AND at_utc >= ? AND instr(data, ?)
               AND json_extract(data, '$.direction') = 'out'
               AND coalesce(json_extract(data, '$.caller'), '') NOT IN ('', ?) ORDER BY at_utc DESC LIMIT 1""",
            (time.time() - LAST_CALLER_S, f'"party":"endpoint/{endpoint}"', endpoint),
        )
        return next((str(row[0]) for row in rows), "")

    async def oldest(self) -> int:
        """Return the seq of the oldest event that is kept, 1 for an empty log."""
        assert self._database is not None
        rows = list(await self._database.execute_fetchall("SELECT coalesce(min(seq), 1) FROM events"))
        return int(rows[0][0])

    async def _events(self, sql: str, values: tuple[object, ...]) -> list[Logged]:
        assert self._database is not None
        rows = await self._database.execute_fetchall(sql, values)
        return list(decoded(rows))
