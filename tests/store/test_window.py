"""A part of a log says of its time what the whole says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from pbx import events as ev
from pbx.store.audit import audit
from pbx.store.families import Seats, families
from pbx.store.paths import leg_quality, menu_path
from pbx.store.schema import migrate
from pbx.store.segments import segments_of
from pbx.store.window import Window, events_of_call
from tests.store.book import WALL
from tests.store.test_book import LOG


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book of calls, as a database."""
    made = tmp_path_factory.mktemp("window") / "log.db"
    with closing(sqlite3.connect(made)) as database:
        migrate(database)
        rows = [
            (e.seq, e.at_utc, e.at_mono, e.event.KIND, e.event.call_id, e.event.leg_id, orjson.dumps(e.event.payload()))
            for e in LOG
        ]
        with database:
            database.executemany("INSERT INTO events VALUES (?, 1, ?, ?, ?, 1, ?, ?, ?)", rows)
    return made


EDGES = sorted({entry.at_utc for entry in LOG})
TIMES = [(low, high) for low in EDGES[:: len(EDGES) // 9] for high in (low, low + 40, low + 500, EDGES[-1] + 1)]


@pytest.mark.parametrize(("since", "until"), TIMES)
def test_events_and_calls_of_a_time(path: Path, since: float, until: float) -> None:
    window = Window(since, until)
    assert list(window.events(path)) == [e for e in LOG if since <= e.at_utc < until]
    ended = {e.event.call_id for e in LOG if isinstance(e.event, ev.CallEnded) and since <= e.at_utc < until}
    expected = [entries for entries in families(LOG) if ended & {e.event.call_id for e in entries}]
    found = families(window.calls(path))
    assert found == expected
    seats = Seats(window.seats(path))
    assert [segments_of(f, seats) for f in found] == [segments_of(f, Seats(LOG)) for f in expected]
    assert [menu_path(f) for f in found] == [menu_path(f) for f in expected]


def test_without_an_edge_it_is_the_whole(path: Path) -> None:
    assert list(Window().events(path)) == Window().calls(path) == LOG
    assert list(leg_quality(Window().calls(path))) == list(leg_quality(LOG))
    assert list(Window(until_utc=WALL).events(path)) == []


def test_a_call_stands_with_the_one_it_merged_with(path: Path) -> None:
    merged = next(e.event for e in LOG if isinstance(e.event, ev.CallMerged))
    one, other = events_of_call(path, merged.call_id), events_of_call(path, merged.merged)
    assert one == other
    assert {e.event.call_id for e in one} >= {merged.call_id, merged.merged}
    assert events_of_call(path, "unknown") == []


@pytest.mark.parametrize("since", EDGES[:: len(EDGES) // 20])
def test_a_log_whose_beginning_is_gone_adds_up(path: Path, since: float) -> None:
    assert audit(list(Window(since).events(path)), EDGES[-1] + 1) == []


def test_a_day_does_not_read_the_others(path: Path) -> None:
    """What the planner says: an index or the primary key, never all events."""
    with closing(sqlite3.connect(path)) as database:
        plans = [
            "SELECT call_id FROM events WHERE kind = 'call.ended' AND at_utc >= 1.0 AND at_utc < 2.0",
            "SELECT seq FROM events WHERE call_id IN ('a', 'b') AND call_id != ''",
            "SELECT seq FROM events WHERE seq >= 5 AND seq < 9 ORDER BY seq",
            "SELECT seq FROM events WHERE kind = 'call.merged'",
        ]
        for sql in plans:
            told = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}"))
            assert "SEARCH" in told, (sql, told)
