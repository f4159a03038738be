"""Reports by the number that was dialled: what its callers met, in menus and queues, over the whole call.

Total wait is from a call's first queue entry to the conversation, across overflows. Containment is served without
reaching a queue ÷ calls that entered a menu.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pbx import events as ev
from pbx.events import Logged

KINDS = ("call.started", "menu.entered", "call.served", "queue.entered", "queue.left", "queue.refused", "call.ended")


@dataclass(slots=True)
class _Call:
    number: str
    began_utc: float
    menu: bool = False
    served: bool = False  # before any queue
    queued_utc: float | None = None  # the first entry
    refused: bool = False  # by a queue, and never let into one
    end: str = ""  # how the last entry ended
    wait_s: float | None = None


def numbers(log: Iterable[Logged], begin_of: Callable[[float], float]) -> list[dict[str, object]]:
    """Return a row an interval and number dialled from outside, by when the call came in."""
    calls: dict[str, _Call] = {}
    for entry in log:
        _follow(calls, entry)
    found: dict[tuple[float, str], list[_Call]] = {}
    for call in calls.values():
        found.setdefault((begin_of(call.began_utc), call.number), []).append(call)
    rows: list[dict[str, object]] = []
    for (began, number), mine in sorted(found.items()):
        menu, queued = [call for call in mine if call.menu], [call for call in mine if call.queued_utc is not None]
        contained = sum(call.served and call.queued_utc is None for call in menu)
        waits = [call.wait_s for call in queued if call.wait_s is not None]
        rows.append(
            {
                "began_utc": began, "number": number, "calls": len(mine), "menu": len(menu),
                "served": sum(call.served for call in mine),
                "containment": round(contained / len(menu), 4) if menu else None,
                "queued": len(queued), "answered": len(waits),
                "abandoned": sum(call.end == "abandoned" for call in queued),
                "refused": sum(call.refused and call.queued_utc is None for call in mine),
                "total_wait_s": round(sum(waits) / len(waits), 1) if waits else None,
            }
        )  # fmt: skip
    return rows


def _follow(calls: dict[str, _Call], entry: Logged) -> None:
    event = entry.event
    if isinstance(event, ev.CallStarted):
        if event.direction == "inbound":
            calls[event.call_id] = _Call(event.did or event.number or event.dialled, entry.at_utc)
        return
    call = calls.get(event.call_id)
    if call is None:
        return
    if isinstance(event, ev.MenuEntered):
        call.menu = True
    elif isinstance(event, ev.CallServed):
        call.served = call.served or call.queued_utc is None
    elif isinstance(event, ev.QueueEntered):
        call.queued_utc = entry.at_utc if call.queued_utc is None else call.queued_utc
        call.end = "waiting"
    elif isinstance(event, ev.QueueRefused):
        call.refused = True
    elif isinstance(event, ev.QueueLeft) and call.queued_utc is not None:
        call.end = event.exit
        if event.exit == "answered" and call.wait_s is None:
            call.wait_s = entry.at_utc - call.queued_utc
