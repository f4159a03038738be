"""The call record: a projection of a call's events, kept nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.events import Logged

# What a record is made of; the rest of a call's events need not be read for it.
RECORD_KINDS = ("call.started", "call.routed", "leg.created", "leg.answered", "leg.bridged", "call.ended",
                "call.disposition", "survey.answered")  # fmt: skip


@dataclass(slots=True)
class CallRecord:
    """One call as a record shows it; times are seconds since the epoch, durations monotonic milliseconds."""

    call_id: str
    linked_id: str = ""
    direction: str = ""
    source: str = ""
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    number: str = ""
    context: str = ""
    answered_by: str = ""
    started_utc: float = 0.0
    answered_utc: float | None = None
    ended_utc: float | None = None
    duration_ms: int = 0
    talk_ms: int = 0
    cause: str = ""
    status: int = 0
    ended_by: str = ""
    disposition: str = ""  # what the last agent said that it was about
    score: str = ""  # of the survey
    legs: list[str] = field(default_factory=list)


def call_record(entries: Iterable[Logged]) -> CallRecord:
    """Derive a call's record from its events, in order."""
    record = CallRecord("")
    started = answered = 0.0
    parties: dict[str, str] = {}
    last = 0.0
    for entry in entries:
        event = entry.event
        if not (isinstance(event, ev.CallEnded) and event.cause == "restart"):
            last = entry.at_mono  # else of another run, whose clock says nothing: it lasted to the last that is known
        if isinstance(event, ev.CallStarted):
            record.call_id, record.linked_id = event.call_id, event.linked_id
            record.direction, record.source = event.direction, event.source
            record.caller, record.caller_name = event.caller, event.caller_name
            record.dialled, record.started_utc, started = event.dialled, entry.at_utc, entry.at_mono
        elif isinstance(event, ev.CallRouted):
            record.context, record.number = event.context, event.number
        elif isinstance(event, ev.LegCreated):
            parties[event.leg_id] = event.party
            record.legs.append(event.leg_id)
        elif isinstance(event, ev.LegAnswered) and record.legs and event.leg_id == record.legs[0]:
            record.answered_utc, answered = entry.at_utc, entry.at_mono
        elif isinstance(event, ev.LegBridged) and not record.answered_by:
            record.answered_by = parties.get(event.other, "")
        elif isinstance(event, ev.CallDisposition):
            record.disposition = event.code
        elif isinstance(event, ev.SurveyAnswered):
            record.score = event.score or record.score
        elif isinstance(event, ev.CallEnded):
            record.ended_utc = entry.at_utc
            record.duration_ms = round((last - started) * 1000)
            record.talk_ms = round((last - answered) * 1000) if answered else 0
            record.cause, record.status, record.ended_by = event.cause, event.status, event.by
    return record
