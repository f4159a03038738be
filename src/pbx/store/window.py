"""Part of a log: the calls that ended in some time, and what else happened in it, without reading the rest.

The primary key is the order of time, so where a time begins is found by bisection; a call's events, by its index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pbx.events import AgentState, Logged
from pbx.store.export import COLUMNS, decoded, open_read_only, read_log

SEAT_S = 2 * 86_400  # an agent who took no new state for so long before is not known to sit at their phone
DAY_S = 86_400.0
STANDING_DAYS = 8  # over a weekend and a holiday nobody takes a new state
STATES = "kind = 'agent.state' AND at_utc >= ? AND at_utc < ?"
BATCH = 500  # calls a statement


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the log, [since, until) in seconds since the epoch; None: as far as it reaches."""

    since_utc: float | None = None
    until_utc: float | None = None

    @property
    def whole(self) -> bool:
        return self.since_utc is None and self.until_utc is None

    def events(self, path: Path) -> Iterator[Logged]:
        """Yield the events of this time.

        :raises StoreError: when the database cannot be read.
        """
        if self.whole:
            yield from read_log(path)
            return
        with closing(open_read_only(path)) as database:
            first, last = 0, (1 << 62)
            if self.since_utc is not None:
                first = _seq_at(database, self.since_utc)
            if self.until_utc is not None:
                last = _seq_at(database, self.until_utc)
            sql = f"SELECT {COLUMNS} FROM events WHERE seq >= ? AND seq < ? ORDER BY seq"
            yield from decoded(database.execute(sql, (first, last)))

    def calls(self, path: Path) -> list[Logged]:
        """Return the events of the calls that ended in this time, with those of calls they merged with, in order.

        :raises StoreError: when the database cannot be read.
        """
        if self.whole:
            return list(read_log(path))
        low, high = self._edges()
        sql = "SELECT call_id FROM events WHERE kind = 'call.ended' AND at_utc >= ? AND at_utc < ?"
        with closing(open_read_only(path)) as database:
            return _calls(database, {call_id for (call_id,) in database.execute(sql, (low, high))})

    def of_kinds(self, path: Path, kinds: Sequence[str]) -> list[Logged]:
        """Return the events of some kinds in this time, in order.

        :raises StoreError: when the database cannot be read.
        """
        marks = ", ".join("?" * len(kinds))
        sql = f"SELECT {COLUMNS} FROM events WHERE kind IN ({marks}) AND at_utc >= ? AND at_utc < ? ORDER BY seq"
        with closing(open_read_only(path)) as database:
            return list(decoded(database.execute(sql, (*kinds, *self._edges()))))

    def standing(self, path: Path, agents: Iterable[str]) -> list[Logged]:
        """Return the last state that each agent took before this time, in the run of the server that went on into it.

        Read backwards a day at a time until all *agents* are known, for STANDING_DAYS at most.

        :raises StoreError: when the database cannot be read.
        """
        if self.since_utc is None:
            return []
        wanted, found = set(agents), dict[str, Logged]()
        started = "SELECT max(at_utc) FROM events WHERE kind = 'server.started' AND at_utc < ?"
        sql = f"SELECT {COLUMNS}, max(seq) FROM events WHERE {STATES} GROUP BY json_extract(data, '$.agent')"
        with closing(open_read_only(path)) as database:
            began = float(database.execute(started, (self.since_utc,)).fetchone()[0] or 0.0)
            high = self.since_utc
            while high > max(began, self.since_utc - STANDING_DAYS * DAY_S) and wanted - found.keys():
                low = max(high - DAY_S, began)
                for entry in decoded(row[:-1] for row in database.execute(sql, (low, high))):
                    assert isinstance(entry.event, AgentState)
                    found.setdefault(entry.event.agent, entry)
                high = low
        return sorted(found.values(), key=lambda entry: entry.seq)

    def _edges(self) -> tuple[float, float]:
        return (
            0.0 if self.since_utc is None else self.since_utc,
            1e18 if self.until_utc is None else self.until_utc,
        )

    def seats(self, path: Path) -> list[Logged]:
        """Return the agents' states that tell who sat where in this time.

        :raises StoreError: when the database cannot be read.
        """
        low = 0.0 if self.since_utc is None else self.since_utc - SEAT_S
        high = 1e18 if self.until_utc is None else self.until_utc
        sql = f"SELECT {COLUMNS} FROM events WHERE kind = 'agent.state' AND at_utc >= ? AND at_utc < ? ORDER BY seq"
        with closing(open_read_only(path)) as database:
            return list(decoded(database.execute(sql, (low, high))))


def events_of_call(path: Path, call_id: str) -> list[Logged]:
    """Return the events of one call and of those it merged with, in order; none for a call that the log does not know.

    :raises StoreError: when the database cannot be read.
    """
    with closing(open_read_only(path)) as database:
        return _calls(database, {call_id})


def _calls(database: sqlite3.Connection, wanted: set[str]) -> list[Logged]:
    """Read calls by their index, and those they merged with, until no new one turns up."""
    found: list[Logged] = []
    known: set[str] = set()
    while new := sorted(wanted - known):
        known |= set(new)
        for at in range(0, len(new), BATCH):
            part = new[at : at + BATCH]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT {COLUMNS} FROM events WHERE call_id IN ({marks}) AND call_id != ''"
            found += decoded(database.execute(sql, part))
        wanted |= _merged_with(database, set(new))
    return sorted(found, key=lambda entry: entry.seq)


def _merged_with(database: sqlite3.Connection, calls: set[str]) -> set[str]:
    """Return the calls on the other side of every merger of *calls*; mergers are few, so all of them are looked at."""
    sql = "SELECT call_id, json_extract(data, '$.merged') FROM events WHERE kind = 'call.merged'"
    pairs = [(str(one), str(other)) for one, other in database.execute(sql)]
    return {b for a, b in pairs if a in calls} | {a for a, b in pairs if b in calls}


def _seq_at(database: sqlite3.Connection, at_utc: float) -> int:
    """Return the first seq at or after an instant; a clock that was set back is passed over."""
    low, high = database.execute("SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM events").fetchone()
    while low < high:
        middle = (low + high) // 2
        seq, found = database.execute(
            "SELECT seq, at_utc FROM events WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,)
        ).fetchone()
        if found < at_utc:
            low = int(seq) + 1
        else:
            high = middle
    return int(low)
