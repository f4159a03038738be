"""After a crash: what was under way gets an end that says why."""

from __future__ import annotations

import sqlite3

from pbx.events import CallEnded
from pbx.store.database import Log

OPEN_CALLS = """
SELECT call_id FROM events WHERE kind = 'call.started' AND run < ?
EXCEPT SELECT call_id FROM events WHERE kind IN ('call.ended', 'call.merged')
"""


def end_interrupted_calls(log: Log) -> int:
    """Record an end, cause "restart", for every call that an earlier run left open; return how many there were."""
    with sqlite3.connect(log.path) as database:
        interrupted = [row[0] for row in database.execute(OPEN_CALLS, (log.run,))]
    database.close()
    for call_id in interrupted:
        log.append(CallEnded(call_id=call_id, cause="restart", by="system"))
    return len(interrupted)
