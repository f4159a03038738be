"""Queues by interval: the sums of their entries, what is counted beside them, and how Asterisk would count it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pbx import events as ev
from pbx.events import Logged
from pbx.store.entries import Entry, QueueSums

LONGEST_WAIT_S = 2 * 86_400  # an entry without an exit after that is a hole in the log, not a caller
SHORT_TALK_MS = 10_000  # an answered call that ended so soon is looked at
Bounds = Callable[[float], float]
Thresholds = Callable[[str], tuple[float, float]]
Row = dict[str, object]


@dataclass(slots=True)
class Beside:
    """What is told of a queue beside the exits of its entries."""

    overflow_in: int = 0
    transfer_in: int = 0
    refused: int = 0  # full, closed, nobody logged in: never inside
    overflowed: int = 0  # timed out or emptied, and gone on to another queue
    transferred: int = 0
    short_by_caller: int = 0  # answered, and over within ten seconds
    short_by_agent: int = 0


def share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def settle_waiting(entries: Iterable[Entry], now_utc: float) -> None:
    """Let who still waits count as having waited until now."""
    for entry in entries:
        if entry.exit == "waiting" and now_utc - entry.entered_utc < LONGEST_WAIT_S:
            entry.wait_ms = max(0, round((now_utc - entry.entered_utc) * 1000))


def queues(
    entries: Iterable[Entry],
    thresholds: Thresholds,
    begin_of: Bounds,
    group_of: Callable[[str], str] = lambda queue: queue,
    refused: Iterable[Logged] = (),
) -> list[Row]:
    """Return a row an interval and queue, or group of queues where *group_of* says so; "" is left out."""
    found: dict[tuple[float, str], tuple[QueueSums, Beside]] = {}

    def at(when: float, queue: str) -> tuple[QueueSums, Beside]:
        name = group_of(queue)
        return found.setdefault((begin_of(when), name), (QueueSums(name), Beside()))

    lapsed: dict[str, Beside] = {}  # by call: timed out or emptied, and perhaps about to go on
    for entry in entries:
        sums, beside = at(entry.entered_utc, entry.queue)
        threshold_s, short_s = thresholds(entry.queue)
        sums.add(entry, threshold_s=threshold_s, short_s=short_s)
        if entry.exit == "waiting" and entry.wait_ms <= threshold_s * 1000:
            sums.left_in_time += 1  # nothing is decided yet
        _count(beside, entry)
        if (before := lapsed.pop(entry.call_id, None)) is not None and entry.source == "overflow":
            before.overflowed += 1
        if entry.exit in ("timeout", "emptied"):
            lapsed[entry.call_id] = beside
    for logged in refused:
        if isinstance(event := logged.event, ev.QueueRefused):
            at(logged.at_utc, event.queue)[1].refused += 1
    return [
        _row(began, sums, beside)
        for (began, name), (sums, beside) in sorted(found.items(), key=lambda item: item[0])
        if name
    ]


def _count(beside: Beside, entry: Entry) -> None:
    beside.overflow_in += entry.source == "overflow"
    beside.transfer_in += entry.source == "transfer"
    beside.transferred += entry.served_by == "transfer"
    if entry.exit == "answered" and entry.served_by and entry.talk_ms < SHORT_TALK_MS:
        beside.short_by_caller += entry.served_by == "caller"
        beside.short_by_agent += entry.served_by == "agent"


def _row(began: float, sums: QueueSums, beside: Beside) -> Row:
    answered, abandoned, in_time = sums.exits["answered"], sums.exits["abandoned"], sums.answered_in_time
    ended, asa_ms = answered + abandoned, sums.asa_ms
    patient = sums.entered - sums.short_abandoned
    return {
        "began_utc": began, "queue": sums.queue, "entered": sums.entered, **sums.exits,
        "short_abandoned": sums.short_abandoned, "refused": beside.refused, "overflowed": beside.overflowed,
        "overflow_in": beside.overflow_in, "transfer_in": beside.transfer_in,
        "service_level": share(sums.service_level),
        "sl_offered": share(in_time / sums.entered if sums.entered else None),
        "sl_answered": share(in_time / answered if answered else None),
        "sl_abandon_ok": share((in_time + sums.abandoned_in_time) / ended if ended else None),
        "answered_share": share(answered / sums.entered if sums.entered else None),
        "abandoned_share": share((abandoned - sums.short_abandoned) / patient if patient else None),
        "asa_s": None if asa_ms is None else round(asa_ms / 1000, 1),
        "longest_wait_s": round(sums.longest_wait_ms / 1000, 1),
        "transferred": beside.transferred,
        "short_by_caller": beside.short_by_caller, "short_by_agent": beside.short_by_agent,
        "provisional": bool(sums.exits["waiting"]),
    }  # fmt: skip


def like_asterisk(entries: Iterable[Entry], thresholds: Thresholds, begin_of: Bounds) -> list[Row]:
    """Return a row an interval and queue as app_queue counts: by when a call ended, who left otherwise in no figure."""
    found: dict[tuple[float, str], list[Entry]] = {}
    for entry in entries:
        ended_utc = entry.served_utc if entry.exit == "answered" else entry.left_utc
        if entry.exit in ("answered", "abandoned") and ended_utc is not None:
            found.setdefault((begin_of(ended_utc), entry.queue), []).append(entry)
    rows: list[Row] = []
    for (began, queue), mine in sorted(found.items(), key=lambda item: item[0]):
        threshold_ms = thresholds(queue)[0] * 1000
        completed = [entry for entry in mine if entry.exit == "answered"]
        in_time = sum(entry.wait_ms <= threshold_ms for entry in completed)
        gone_in_time = sum(entry.wait_ms <= threshold_ms for entry in mine) - in_time
        count = len(completed)
        rows.append(
            {
                "began_utc": began, "queue": queue, "completed": count, "abandoned": len(mine) - count,
                "holdtime_s": round(sum(entry.wait_ms for entry in completed) / count / 1000, 1) if count else None,
                "talktime_s": round(sum(entry.talk_ms for entry in completed) / count / 1000, 1) if count else None,
                "servicelevel_perf": share(in_time / count if count else None),
                "servicelevel_perf2": share((in_time + gone_in_time) / len(mine)),
            }
        )  # fmt: skip
    return rows


def behind(entries: Iterable[Entry], begin_of: Bounds) -> list[Row]:
    """Return the entries themselves, a row each: what every figure of a queue opens to."""
    return [
        {
            "began_utc": begin_of(entry.entered_utc), "entered_utc": round(entry.entered_utc, 3), "queue": entry.queue,
            "call": entry.call_id, "caller": entry.caller, "source": entry.source, "exit": entry.exit,
            "agent": entry.agent, "wait_s": round(entry.wait_ms / 1000, 1), "talk_s": round(entry.talk_ms / 1000, 1),
            "ended_by": entry.served_by, "disposition": entry.disposition,
        }
        for entry in entries
    ]  # fmt: skip
