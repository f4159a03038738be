"""After a crash: what was under way gets an end that says why, so that every sum holds again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from pbx.events import CallEnded, Event, Logged, OfferEnded, QueueLeft
from pbx.store.database import Log
from pbx.store.export import COLUMNS, decoded

LAST = "SELECT max(at_utc) FROM events WHERE run < ?"
OPEN_CALLS = """
SELECT call_id FROM events WHERE kind = 'call.started' AND run < ?1
EXCEPT SELECT call_id FROM events WHERE kind = 'call.ended'
"""
OPEN_ENTRIES = """
SELECT call_id, json_extract(data, '$.entry_id'), json_extract(data, '$.queue'), at_utc,
       coalesce(json_extract(data, '$.position'), 0)
FROM events WHERE kind = 'queue.entered' AND run < ?1 AND json_extract(data, '$.entry_id') NOT IN (
    SELECT json_extract(data, '$.entry_id') FROM events WHERE kind = 'queue.left')
"""
OPEN_OFFERS = """
SELECT call_id, json_extract(data, '$.offer_id'), json_extract(data, '$.entry_id'), json_extract(data, '$.queue'),
       json_extract(data, '$.agent')
FROM events WHERE kind = 'offer.made' AND run < ?1 AND json_extract(data, '$.offer_id') NOT IN (
    SELECT json_extract(data, '$.offer_id') FROM events WHERE kind = 'offer.ended')
"""


def interrupted_calls(log: Log) -> list[Logged]:
    """Return what is known of the calls that an earlier run left open, in order: an end alone does not tell of what."""
    with closing(sqlite3.connect(log.path)) as database:
        calls = database.execute(OPEN_CALLS, (log.run,)).fetchall()
        sql = f"SELECT {COLUMNS} FROM events WHERE call_id = ? AND call_id != ''"
        found = [entry for call in calls for entry in decoded(database.execute(sql, call))]
    return sorted(found, key=lambda entry: entry.seq)


def end_interrupted_calls(log: Log) -> int:
    """Record an end for what an earlier run left open; return how many calls there were.

    Calls end with cause "restart", callers who waited as lost (our fault), offers as cancelled (no agent's fault).
    """
    with sqlite3.connect(log.path) as database:
        ends = list(_ends(database, log.run))
    database.close()
    for event in ends:
        log.append(event)
    return sum(isinstance(event, CallEnded) for event in ends)


def _ends(database: sqlite3.Connection, run: int) -> Iterator[Event]:
    (last_utc,) = database.execute(LAST, (run,)).fetchone()
    for (call_id,) in database.execute(OPEN_CALLS, (run,)):  # first: a call's clock stops with the run that had it
        yield CallEnded(call_id=call_id, cause="restart", by="system")
    for call_id, offer_id, entry_id, queue, agent in database.execute(OPEN_OFFERS, (run,)):
        yield OfferEnded(
            call_id=call_id, offer_id=offer_id, entry_id=entry_id, queue=queue, agent=agent, outcome="cancelled"
        )
    for call_id, entry_id, queue, at_utc, position in database.execute(OPEN_ENTRIES, (run,)):
        wait_ms = max(0, round((last_utc - at_utc) * 1000))
        yield QueueLeft(
            call_id=call_id, entry_id=entry_id, queue=queue, exit="lost", wait_ms=wait_ms, position=position,
            entered_position=position,
        )  # fmt: skip
