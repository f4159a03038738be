"""Keeps recordings: seals each file when it is whole, deletes what is too old, hands out and takes away by right.

Everything it does is an event; its table is a cache of them that `pbx audit` compares.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pbx import events as ev
from pbx.errors import StoreError
from pbx.events import Logged
from pbx.store.database import Log
from pbx.store.export import open_read_only, read_kinds
from pbx.store.recordings import COLUMNS, Recording, begun, check_chain, check_files, from_row, hash_file, link, upsert

log = logging.getLogger(__name__)

EVERY_S = 3600.0  # between two looks for what is too old
DAY_S = 86_400.0
ADOPTED_DAYS = 2  # folders in which files of a crash are looked for
MOST = 1000  # rows of one answer
SILENT_OCTETS = 60  # no file, or the header of a WAV and nothing after it


HEARD = (
    ev.RecordingStarted,
    ev.RecordingMarked,
    ev.RecordingEnded,
    ev.RecordingSealed,
    ev.RecordingWritten,
    ev.RecordingTouched,
)


class Held(StoreError):
    """A legal hold keeps it."""


class Archive:
    """The recordings of one server."""

    def __init__(
        self, store: Log, folder: Callable[[], Path], retain_days: Callable[[], int | None], wall: Callable[[], float]
    ) -> None:
        self._log = store
        self._folder = folder
        self._retain_days = retain_days
        self._wall = wall
        self._open: dict[str, Recording] = {}  # not sealed yet
        self._half_over: set[str] = set()  # ended, or written, and the other is to come
        self._whole: asyncio.Queue[tuple[Recording, str]] = asyncio.Queue()
        self._chain = ""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Take up what the run before left, then follow the log."""
        with closing(open_read_only(self._log.path)) as database:
            last = database.execute(
                """SELECT json_extract(data, '$.chain') FROM events WHERE kind = 'recording.sealed'
                   ORDER BY at_utc DESC, seq DESC LIMIT 1"""
            ).fetchone()
            self._chain = last[0] if last else ""
            left = [r for r in self._rows(database, "sealed_seq = 0 AND deleted_utc IS NULL", ()) if r.recording_id]
        self._log.hear(self.take, HEARD)
        for row in left:
            self._open[row.recording_id] = row
            self._whole.put_nowait((row, "restart"))
        self._adopt()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._seal(), name="archive"),
            loop.create_task(self._retain(), name="retention"),
        ]

    async def stop(self) -> None:
        """Seal what is whole, then let go."""
        self._tasks[1].cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5.0):
                await self._whole.join()
        self._tasks[0].cancel()
        self._log.unhear(self.take)

    # ---- following the log -----------------------------------------------------------------------------------------

    def take(self, entry: Logged) -> None:
        event = entry.event
        if isinstance(event, ev.RecordingStarted):
            row = self._open[event.recording_id] = begun(entry)
        elif isinstance(event, ev.RecordingMarked | ev.RecordingEnded | ev.RecordingSealed):
            found = self._open.get(event.recording_id)
            if found is None:
                return
            row = found
            row.take(entry)
            if isinstance(event, ev.RecordingSealed):
                del self._open[event.recording_id]
            elif isinstance(event, ev.RecordingEnded):
                self._over(row)
        elif isinstance(event, ev.RecordingWritten):
            if (written := self._open.get(event.recording_id)) is not None:
                self._over(written)
            return
        elif isinstance(event, ev.RecordingTouched):
            self._touched(event, entry.at_utc)
            return
        else:
            return
        self._log.write([upsert(row)])

    def _over(self, row: Recording) -> None:
        """Seal once the conversation has ended and the file is whole, whichever comes first."""
        if row.recording_id in self._half_over:
            self._half_over.discard(row.recording_id)
            self._whole.put_nowait((row, ""))
        else:
            self._half_over.add(row.recording_id)

    def _touched(self, event: ev.RecordingTouched, at_utc: float) -> None:
        """Keep what a verb changed; an open recording that is touched keeps it too."""
        row = self._open.get(event.recording_id)
        if event.what in ("held", "released"):
            held = event.what == "held"
            self._log.write([("UPDATE recordings SET held = ? WHERE recording_id = ?", (held, event.recording_id))])
            if row is not None:
                row.held = held
        elif event.what == "deleted":
            self._log.write(
                [
                    (
                        "UPDATE recordings SET deleted_utc = ?, deleted_by = ? WHERE recording_id = ?",
                        (at_utc, event.who, event.recording_id),
                    )
                ]
            )

    def _adopt(self) -> None:
        """Give a record to files whose events a crash took with it."""
        folder = self._folder()
        with closing(open_read_only(self._log.path)) as database:
            known = {path for (path,) in database.execute("SELECT path FROM recordings")}
        days = sorted(folder.glob("[0-9]*/[0-9]*/[0-9]*"))[-ADOPTED_DAYS:]
        for path in (path for day in days for path in sorted(day.glob("*.wav"))):
            name = str(path.relative_to(folder))
            if name in known:
                continue
            if path.stat().st_size <= SILENT_OCTETS:  # killed as it began: there is nothing to keep
                path.unlink()
            else:
                call_id = path.stem if path.stem.count("-") == 1 else path.stem.rpartition("-")[0]
                log.warning("recording %s has no record: a crash took it; it gets one", name)
                self._log.append(ev.RecordingStarted(call_id=call_id, recording_id=path.stem, path=name))
                self._whole.put_nowait((self._open[path.stem], "restart"))

    async def _seal(self) -> None:
        """Hash files in the order in which they became whole."""
        while True:
            row, cause = await self._whole.get()
            try:
                size, digest = await asyncio.to_thread(hash_file, self._folder() / row.path)
                chain = link(self._chain, row.recording_id, row.path, size, digest)
                self._log.append(
                    ev.RecordingSealed(
                        call_id=row.call_id, recording_id=row.recording_id, path=row.path, size_bytes=size,
                        sha256=digest, previous=self._chain, chain=chain, cause=cause,
                    )
                )  # fmt: skip
                self._chain = chain
            except OSError as error:
                log.error("x recording %s cannot be sealed: %s", row.recording_id, error)
            finally:
                self._whole.task_done()

    # ---- retention -------------------------------------------------------------------------------------------------

    async def _retain(self) -> None:
        while True:
            try:
                await self.delete_old()
            except StoreError as error:
                log.error("x retention: %s", error)
            await asyncio.sleep(EVERY_S)

    async def delete_old(self) -> int:
        """Delete what is older than retain-days and not held; return how many."""
        days = self._retain_days()
        if days is None:
            return 0
        gone = 0
        while rows := self.find(until_utc=self._wall() - days * DAY_S, held=False, limit=100):
            for row in rows:
                await self.delete(row, "retention")
            gone += len(rows)
        if gone:
            log.info("%d recordings older than %d days are deleted", gone, days)
        return gone

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def path_of(self, row: Recording) -> Path:
        """Return where its file is."""
        return self._folder() / row.path

    def get(self, recording_id: str) -> Recording | None:
        """Return a recording, deleted ones too."""
        with closing(open_read_only(self._log.path)) as database:
            return next(iter(self._rows(database, "recording_id = ?", (recording_id,))), None)

    def find(
        self,
        *,
        caller: str = "",
        agent: str = "",
        queue: str = "",
        call_id: str = "",
        since_utc: float | None = None,
        until_utc: float | None = None,
        held: bool | None = None,
        deleted: bool = False,
        limit: int = MOST,
    ) -> list[Recording]:
        """Return what matches, newest first."""
        asked: list[tuple[str, object]] = [
            *((f"{name} = ?", value) for name, value in
              (("caller", caller), ("agent", agent), ("queue", queue), ("call_id", call_id)) if value),
            *((f"started_utc {sign} ?", value) for sign, value in ((">=", since_utc), ("<", until_utc))
              if value is not None),
        ]  # fmt: skip
        if held is not None:
            asked.append(("held = ?", int(held)))
        clauses = [clause for clause, _ in asked] + ([] if deleted else ["deleted_utc IS NULL"])
        values = tuple(value for _, value in asked)
        with closing(open_read_only(self._log.path)) as database:
            return self._rows(database, " AND ".join(clauses) or "1", values, limit)

    def touch(self, row: Recording, who: str, what: str) -> None:
        """Write down who did what with a recording."""
        self._log.append(ev.RecordingTouched(call_id=row.call_id, recording_id=row.recording_id, who=who, what=what))

    async def hold(self, row: Recording, who: str, *, on: bool) -> None:
        """Keep a recording from being deleted, or let it go again."""
        self.touch(row, who, "held" if on else "released")
        await self._log.durable()

    async def delete(self, row: Recording, who: str) -> None:
        """Delete a file; its record stays, and says so.

        :raises Held: where a legal hold keeps it, or it is still being made.
        :raises StoreError: where the file cannot be deleted.
        """
        if row.held:
            raise Held(f"recording {row.recording_id} is held: release it first")
        if row.recording_id in self._open:
            raise Held(f"recording {row.recording_id} is still being made")
        try:
            self.path_of(row).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{row.path} cannot be deleted: {error.strerror}") from error
        self.touch(row, who, "deleted")
        await self._log.durable()

    async def verify(self) -> list[tuple[str, str]]:
        """Compare every file with its seal and the seals with each other; return what is wrong."""
        return await asyncio.to_thread(verify, self._log.path, self._folder(), frozenset(self._open))

    @staticmethod
    def _rows(
        database: sqlite3.Connection, where: str, values: tuple[object, ...], limit: int = MOST
    ) -> list[Recording]:
        rows = database.execute(
            f"SELECT {', '.join(COLUMNS)} FROM recordings WHERE {where} ORDER BY started_utc DESC LIMIT ?",
            (*values, limit),
        )
        return [from_row(row) for row in rows]


def verify(path: Path, folder: Path, in_progress: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """Check the chain, every file, and that no file is without a record.

    :raises StoreError: when the database cannot be read.
    """
    faults = list(check_chain(read_kinds(path, ["recording.sealed"])))
    with closing(open_read_only(path)) as database:
        rows = [from_row(row) for row in database.execute(f"SELECT {', '.join(COLUMNS)} FROM recordings")]
    found = [fault for fault in check_files(rows, folder) if fault[0] not in in_progress]
    return faults + found
