"""Call records in the column order of Asterisk's Master.csv, so that existing billing tools keep working."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable

from pbx.store.cdr import CallRecord

COLUMNS = (
    "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata", "start", "answer",
    "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield", "peeraccount", "linkedid",
    "sequence",
)  # fmt: skip
DISPOSITIONS = {
    "answered": "ANSWERED",
    "busy": "BUSY",
    "no-answer": "NO ANSWER",
    "cancelled": "NO ANSWER",
    "lost": "FAILED",
    "failed": "FAILED",
    "refused": "FAILED",
    "declined": "FAILED",
    "unreachable": "CONGESTION",
    "restart": "FAILED",
}


def row(record: CallRecord, sequence: int) -> list[str]:
    """Return a record's columns; times are UTC."""
    clid = f'"{record.caller_name}" <{record.caller}>' if record.caller_name else record.caller
    answered = record.answered_utc is not None
    disposition = "ANSWERED" if answered else DISPOSITIONS.get(record.cause, "FAILED")
    return [
        record.source.removeprefix("endpoint/"), record.caller, record.number or record.dialled, record.context, clid,
        record.source, record.answered_by, "Dial" if record.answered_by else "", "", _stamp(record.started_utc),
        _stamp(record.answered_utc), _stamp(record.ended_utc), str(record.duration_ms // 1000),
        str(record.talk_ms // 1000), disposition, "DOCUMENTATION", record.call_id,
        record.disposition,
        record.answered_by.removeprefix("endpoint/"), record.linked_id, str(sequence),
    ]  # fmt: skip


def to_csv(records: Iterable[CallRecord], *, header: bool = False) -> str:
    """Write records as Asterisk does: every text quoted, numbers too."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    for sequence, record in enumerate(records, 1):
        writer.writerow(row(record, sequence))
    return out.getvalue()


def _stamp(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
