"""The one writer: events go in as one statement a batch, and are durable when it says so.

``append`` never blocks and never raises. A batch is written at most 100 ms after its first event, at once when
somebody waits in ``durable``. One statement for many rows takes the GIL once, not once a row.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import orjson

from pbx.errors import StoreError
from pbx.events import Event, Listener, LogDropped, Logged, listen
from pbx.store.schema import migrate
from pbx.writable import writable

log = logging.getLogger(__name__)

BATCH_S = 0.1
MAX_WAITING = 200_000  # events kept in memory while the disk stalls
MOST_ROWS = 256  # of one statement; SQLite takes 500
COLUMNS = 8  # of a row, the run apart

Statement = tuple[str, tuple[object, ...]]


class Log:
    """The append-only log of one server run."""

    def __init__(self, path: Path, wall: Callable[[], float], mono: Callable[[], float]) -> None:
        self._path = path
        self._wall, self._mono = wall, mono
        self._waiting: deque[Logged] = deque()
        self._statements: list[Statement] = []
        self._seq = 0
        self._written = 0  # every event up to this one is durable
        self._marks: list[tuple[int, asyncio.Future[None]]] = []
        self._wake = threading.Event()
        self._woken = False  # what the event says, without asking it for each event of the log
        self._urgent = False
        self._stopping = False
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._work, name="log-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database: sqlite3.Connection | None = None
        self.run = 0
        self.unclean = False  # the run before this one did not stop in order
        self.dropped = 0
        self.listeners: list[Listener] = []  # of everything
        self._by_kind: dict[type[Event], tuple[Listener, ...]] = {}
        self.on_written: list[Callable[[], None]] = []  # a batch became durable

    # ---- life ------------------------------------------------------------------------------------------------------

    def start(self, version: str = "") -> None:
        """Open or make the database and begin a run.

        :raises StoreError: when it cannot be used.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._path, check_same_thread=False, timeout=30)
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            migrate(database)
            (self._seq,) = database.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
            last = database.execute("SELECT run, stopped_utc FROM runs ORDER BY run DESC LIMIT 1").fetchone()
            self.unclean = last is not None and last[1] is None
            self.run = (last[0] if last else 0) + 1
            with database:
                database.execute("INSERT INTO runs VALUES (?, ?, ?, NULL)", (self.run, self._wall(), version))
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot use the database {self._path}: {error}") from error
        self._written = self._seq
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Write what waits, mark the run as stopped in order, close."""
        if self._loop is None:
            return
        self._statements.append(("UPDATE runs SET stopped_utc = ? WHERE run = ?", (self._wall(), self.run)))
        self._stopping = True
        self._wake.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 30)
        self._loop = None

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def append(self, event: Event) -> int:
        """Add an event and return its place; never blocks, never raises."""
        self._seq += 1
        logged = Logged(self._seq, self._wall(), self._mono(), event)
        self._waiting.append(logged)
        if len(self._waiting) > MAX_WAITING:
            self._drop_detail()
        if not self._woken:
            self._woken = True
            self._wake.set()
        for tell in self.listeners:
            tell(logged)
        for tell in self._by_kind.get(type(event), ()):
            tell(logged)
        return self._seq

    def hear(self, listener: Listener, kinds: Iterable[type[Event]]) -> None:
        """Let *listener* hear of some kinds alone: most events of a call are of no interest to most.

        :raises ValueError: where it would hear of nothing, or twice of the same.
        """
        listen(self._by_kind, listener, kinds)

    def unhear(self, listener: Listener) -> None:
        """Tell *listener* no more of what it wanted to hear."""
        for kind, listeners in self._by_kind.items():
            self._by_kind[kind] = tuple(one for one in listeners if one != listener)

    async def durable(self, seq: int | None = None) -> None:
        """Wait until everything up to *seq* (None: everything so far) is on the disk.

        :raises StoreError: when the disk refuses.
        """
        mark = self._seq if seq is None else seq
        if self._written >= mark and not self._statements:
            return
        if self._failure is not None:
            raise StoreError(self._failure)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._marks.append((mark, future))
        self._urgent = True
        self._wake.set()
        await future

    def write(self, statements: list[Statement]) -> None:
        """Write something beside the log with the next batch; never blocks."""
        self._statements += statements
        self._wake.set()

    async def execute(self, statements: list[Statement]) -> None:
        """Write something beside the log, durably, in one transaction with what waits.

        :raises StoreError: when the disk refuses.
        """
        self._statements += statements
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._marks.append((self._seq, future))
        self._urgent = True
        self._wake.set()
        await future

    @property
    def path(self) -> Path:
        return self._path

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def seq(self) -> int:
        """The place of the latest event."""
        return self._seq

    @property
    def written(self) -> int:
        """The place up to which every event is durable."""
        return self._written

    @property
    def failure(self) -> str:
        """What keeps the log from being written, "" when nothing does."""
        return self._failure or ""

    # ---- the writer's thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait()
            if not self._urgent and not self._stopping:
                threading.Event().wait(BATCH_S)  # let a batch gather
            self._wake.clear()
            self._woken = False  # who appended before is in the batch that is written now
            self._urgent = False
            stopping = self._stopping
            marks, self._marks = self._marks, []
            before = self._written
            failure = self._write()
            self._failure = failure
            if (marks or self._written != before) and self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._settle, marks, failure)
            if failure is not None:
                threading.Event().wait(1.0)
                self._wake.set()
            if stopping and (failure is not None or not self._waiting):
                break
        if self._database is not None:
            self._database.close()

    def _write(self) -> str | None:
        """Write everything that waits in one transaction; return what went wrong."""
        batch = list(self._waiting)
        statements = self._statements[:]
        assert self._database is not None
        try:
            with self._database:
                for first in range(0, len(batch), MOST_ROWS):
                    self._database.execute(*insertion(batch[first : first + MOST_ROWS], self.run))
                for sql, values in statements:
                    self._database.execute(sql, values)
        except sqlite3.Error as error:
            if self._failure is None:
                log.error("the log cannot be written, kept in memory: %s", error)
            return str(error)
        if self._failure is not None:
            log.warning("the log is written again")
        del self._statements[: len(statements)]
        for _ in batch:
            self._waiting.popleft()
        if batch:
            self._written = batch[-1].seq
        return None

    def _settle(self, marks: list[tuple[int, asyncio.Future[None]]], failure: str | None) -> None:
        """Tell those who wait, on the loop."""
        for _, future in marks:
            if not future.done():
                if failure is None:
                    future.set_result(None)
                else:
                    future.set_exception(StoreError(failure))
        for tell in self.on_written:
            tell()

    def _drop_detail(self) -> None:
        """Give up the oldest detail; never a call, a queue or an agent event."""
        for index, logged in enumerate(self._waiting):
            if logged.event.DETAIL:
                del self._waiting[index]
                self.dropped += 1
                if self.dropped % 1000 == 1:
                    log.error("the disk stalls: %d detail events dropped", self.dropped)
                    self._waiting.append(
                        Logged(self._next(), self._wall(), self._mono(), LogDropped(count=self.dropped))
                    )
                return

    def _next(self) -> int:
        self._seq += 1
        return self._seq


def insertion(batch: Sequence[Logged], run: int) -> tuple[str, list[object]]:
    """Return the statement that adds up to MOST_ROWS events, and its values; rows that are missing are NULL."""
    values: list[object] = [run]
    for seq, at_utc, at_mono, event in batch:
        try:
            data = orjson.dumps(event.payload()).decode()
        except TypeError:  # a text that cannot be written: one event must not stop the log
            data = orjson.dumps(writable(event.payload()), default=repr).decode()
        values += (seq, at_utc, at_mono, event.KIND, event.VERSION, event.call_id, event.leg_id, data)
    rows = 1 << max(3, (len(batch) - 1).bit_length())  # few sizes, so that SQLite prepares few statements
    values += [None] * (COLUMNS * (rows - len(batch)))
    return _insert_of(rows), values


@functools.lru_cache(maxsize=16)
def _insert_of(rows: int) -> str:
    row = f"({', '.join('?' * COLUMNS)})"
    columns = ", ".join(f"column{number}" for number in range(1, COLUMNS + 1))
    return f"""INSERT INTO events (run, seq, at_utc, at_mono, kind, version, call_id, leg_id, data)
        SELECT ?1, {columns} FROM (VALUES {", ".join([row] * rows)}) WHERE column1 IS NOT NULL"""


class MemoryLog:
    """The log's twin in virtual time: everything is durable at once."""

    def __init__(self, wall: Callable[[], float], mono: Callable[[], float]) -> None:
        self._wall, self._mono = wall, mono
        self.entries: list[Logged] = []
        self.listeners: list[Listener] = []
        self._by_kind: dict[type[Event], tuple[Listener, ...]] = {}

    def append(self, event: Event) -> int:
        logged = Logged(len(self.entries) + 1, self._wall(), self._mono(), event)
        self.entries.append(logged)
        for tell in (*self.listeners, *self._by_kind.get(type(event), ())):
            tell(logged)
        return logged.seq

    def hear(self, listener: Listener, kinds: Iterable[type[Event]]) -> None:
        listen(self._by_kind, listener, kinds)

    async def durable(self, seq: int | None = None) -> None:
        return

    @property
    def events(self) -> list[Event]:
        return [logged.event for logged in self.entries]
