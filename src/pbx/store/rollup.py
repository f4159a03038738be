"""Half-hours of queues and agents: caches of the log for reports, rebuilt and compared by `pbx audit`.

An entry belongs to the half-hour in which it entered the queue, whatever became of it and when; an agent's seconds are
cut at the boundaries. A half-hour is rolled up once nobody who entered in it waits any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from pbx import events as ev
from pbx.events import Logged, event_from
from pbx.store.agent_time import LOGGED_OUT, cut, spells
from pbx.store.database import Statement
from pbx.store.entries import EXITS, QueueSums, entries_of
from pbx.store.export import open_read_only
from pbx.store.queue_figures import LONGEST_WAIT_S

HALF_HOUR_S = 1800
SETTLE_S = 600  # a half-hour rests so long before it is looked at
STEP_S = 7 * 86_400  # rolled up at once, so that the first time on an old log fits into memory
KINDS = ("queue.entered", "queue.left", "queue.served", "offer.made", "agent.state", "server.started")
FIGURES = ("short_abandoned", "answered_in_time", "left_in_time", "wait_ms_of_answered", "longest_wait_ms")
QUEUE_COLUMNS = ("began_utc", "queue", "entered", *EXITS, *FIGURES)
Thresholds = Callable[[str], tuple[float, float]]


@dataclass(slots=True)
class Rolled:
    """Finished half-hours."""

    queues: dict[tuple[int, str], QueueSums] = field(default_factory=dict)
    agents: dict[tuple[int, str, str], float] = field(default_factory=dict)  # (began, agent, state): seconds

    def queue_rows(self) -> list[tuple[object, ...]]:
        return [
            (began, queue, sums.entered, *(sums.exits[name] for name in EXITS), *(getattr(sums, f) for f in FIGURES))
            for (began, queue), sums in sorted(self.queues.items())
        ]

    def agent_rows(self) -> list[tuple[object, ...]]:
        return [(*key, round(seconds, 3)) for key, seconds in sorted(self.agents.items())]


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where it is rolled up, and who was in which state then."""

    until_utc: int
    states: tuple[tuple[str, str, str, str], ...] = ()  # agent, state, reason, doing


def floor(at: float) -> int:
    return int(at // HALF_HOUR_S) * HALF_HOUR_S


def roll(log: Iterable[Logged], mark: Mark, until_utc: float, thresholds: Thresholds) -> tuple[Rolled, Mark]:
    """Roll up the half-hours from *mark* to *until_utc*, or to the first in which somebody still waits."""
    begin = [
        Logged(
            0,
            float(mark.until_utc),
            0.0,
            ev.AgentState(agent=agent, was=LOGGED_OUT, now=state, reason=reason, doing=doing),
        )
        for agent, state, reason, doing in mark.states
    ]
    entries = [*begin, *log]
    waiting = [e.entered_utc for e in entries_of(entries).values() if e.exit == "waiting"]
    until = floor(min([until_utc, *(at for at in waiting if at >= max(mark.until_utc, until_utc - LONGEST_WAIT_S))]))
    if until <= mark.until_utc:
        return Rolled(), mark
    rolled = Rolled()
    for entry in entries_of(entries).values():
        if mark.until_utc <= entry.entered_utc < until:
            threshold_s, short_s = thresholds(entry.queue)
            key = (floor(entry.entered_utc), entry.queue)
            rolled.queues.setdefault(key, QueueSums(entry.queue)).add(entry, threshold_s=threshold_s, short_s=short_s)
    before = [entry for entry in entries if entry.at_utc < until]
    for spell in spells(before, until):
        for began, part in cut(spell, HALF_HOUR_S):
            place = (int(began), part.agent, part.state)
            rolled.agents[place] = rolled.agents.get(place, 0.0) + part.seconds
    return rolled, Mark(until, tuple(_states(before)))


def _states(entries: Iterable[Logged]) -> list[tuple[str, str, str, str]]:
    found: dict[str, tuple[str, str, str, str]] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.ServerStarted):
            found.clear()
        elif isinstance(event, ev.AgentState):
            found[event.agent] = (event.agent, event.now, event.reason, event.doing)
    return sorted(state for state in found.values() if state[1] != LOGGED_OUT)


# ---- the tables ----------------------------------------------------------------------------------------------------


def events_since(database: sqlite3.Connection, at_utc: float, until_utc: float = 1e18) -> list[Logged]:
    """Read what roll-ups are made of; the last event before each start of the server stands before it."""
    marks = ", ".join("?" * len(KINDS))
    found: list[Logged] = []
    for seq, at, mono, kind, call_id, leg_id, data in database.execute(
        f"""SELECT seq, at_utc, at_mono, kind, call_id, leg_id, data FROM events
            WHERE kind IN ({marks}) AND at_utc >= ? AND at_utc < ? ORDER BY seq""",
        (*KINDS, at_utc, until_utc),
    ):
        if kind == "server.started":
            last = database.execute(
                "SELECT at_utc FROM events WHERE seq < ? ORDER BY seq DESC LIMIT 1", (seq,)
            ).fetchone()
            if last is not None and last[0] >= at_utc:
                found.append(Logged(seq - 1, last[0], mono, ev.ServerStopped()))
        found.append(Logged(seq, at, mono, event_from(kind, call_id, leg_id, orjson.loads(data))))
    return found


def read_mark(database: sqlite3.Connection) -> Mark | None:
    """Return up to where the tables go; None for an empty log."""
    row = database.execute("SELECT value FROM settings WHERE name = 'rollup'").fetchone()
    if row is not None:
        until, states = orjson.loads(bytes(row[0]))
        return Mark(until, tuple((a, s, r, doing[0] if doing else "") for a, s, r, *doing in states))
    first = database.execute("SELECT min(at_utc) FROM events").fetchone()[0]
    return Mark(floor(first)) if first is not None else None


def due(path: Path, now_utc: float, thresholds: Thresholds) -> list[Statement]:
    """Return the statements that bring the tables up to date; none where nothing is finished.

    :raises StoreError: when the database cannot be read.
    """
    with closing(open_read_only(path)) as database:
        mark = read_mark(database)
        if mark is None or floor(now_utc - SETTLE_S) <= mark.until_utc:
            return []
        until_utc = min(now_utc - SETTLE_S, mark.until_utc + STEP_S)
        log = events_since(database, mark.until_utc, until_utc + LONGEST_WAIT_S)
    rolled, after = roll(log, mark, until_utc, thresholds)
    if after == mark:
        return []
    kept = orjson.dumps([after.until_utc, after.states])
    marks = ", ".join("?" * len(QUEUE_COLUMNS))
    return [
        *((f"INSERT OR REPLACE INTO queue_half_hours VALUES ({marks})", row) for row in rolled.queue_rows()),
        *(("INSERT OR REPLACE INTO agent_half_hours VALUES (?, ?, ?, ?)", row) for row in rolled.agent_rows()),
        ("INSERT OR REPLACE INTO settings VALUES ('rollup', ?)", (kept,)),
    ]


def differences(path: Path, thresholds: Thresholds) -> list[tuple[str, str]]:
    """Rebuild every half-hour from the log and compare; yield (row, what differs).

    :raises StoreError: when the database cannot be read.
    """
    with closing(open_read_only(path)) as database:
        mark = read_mark(database)
        first = database.execute("SELECT min(at_utc) FROM events").fetchone()[0]
        if mark is None or first is None:
            return []
        log = events_since(database, 0.0)
        queues = database.execute("SELECT * FROM queue_half_hours ORDER BY began_utc, queue").fetchall()
        agents = database.execute("SELECT * FROM agent_half_hours ORDER BY began_utc, agent, state").fetchall()
    kept_from = floor(first)
    rebuilt, _ = roll(log, Mark(kept_from), mark.until_utc, thresholds)
    found = []
    pairs = (("queue", queues, rebuilt.queue_rows(), 2), ("agent", agents, rebuilt.agent_rows(), 3))
    for name, kept, made, keys in pairs:
        one = {row[:keys]: row[keys:] for row in kept if row[0] >= kept_from}
        other = {row[:keys]: row[keys:] for row in made}
        for key in sorted(one.keys() | other.keys()):
            if not _same(one.get(key), other.get(key)):
                found.append(
                    (f"{name} {' '.join(map(str, key))}", f"the roll-up says {one.get(key)}, the log {other.get(key)}")
                )
    return found


def _same(one: tuple[object, ...] | None, other: tuple[object, ...] | None) -> bool:
    if one is None or other is None:
        return False
    return all(abs(float(a) - float(b)) < 0.002 for a, b in zip(one, other, strict=True))  # type: ignore[arg-type]
