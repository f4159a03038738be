"""What the API answers of calls that are over: records, recordings, explanations."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from pbx.api.shapes import closed


@closed
class CdrShape(TypedDict):
    call_id: str
    linked_id: str
    direction: str
    source: str
    caller: str
    caller_name: str
    dialled: str
    number: str
    context: str
    answered_by: str
    started_utc: float
    answered_utc: float | None
    ended_utc: float | None
    duration_ms: int
    talk_ms: int
    cause: str
    status: int
    ended_by: str
    disposition: str
    score: str
    legs: list[str]


@closed
class RecordingShape(TypedDict):
    recording_id: str
    call_id: str
    leg_id: str
    other: str
    queue: str
    agent: str
    caller: str
    dialled: str
    path: str
    started_utc: float
    ended_utc: float | None
    duration_ms: int
    marks: list[list[Any]]
    size_bytes: int
    sha256: str
    sealed_seq: int
    held: bool
    deleted_utc: float | None
    deleted_by: str


@closed
class FaultShape(TypedDict):
    recording_id: str
    fault: str


@closed
class VerifiedShape(TypedDict):
    did: str
    faults: list[FaultShape]


@closed
class MomentShape(TypedDict):
    """One thing that happened to a call."""

    at_utc: float
    after_s: float  # since the call began
    kind: str  # of event
    text: str
    where: str  # file:line:column of the step, "" where no step said so
    reasons: list[str]  # of a decision, one a candidate: "zhang: paused lunch"


@closed
class WhyShape(TypedDict):
    call_id: str
    moments: list[MomentShape]
