"""The JSON schema of each answer, made from its type: what `pbx schema` prints and the tests hold answers to."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from pbx.api.record_shapes import CdrShape, RecordingShape, VerifiedShape, WhyShape
from pbx.api.shapes import (
    VERSION,
    AgentShape,
    CallbackShape,
    CallShape,
    ChannelShape,
    CodecShape,
    ConferenceShape,
    DidShape,
    EndpointShape,
    LimitShape,
    LoggerShape,
    MailboxShape,
    ParkedShape,
    PulseShape,
    QueueDetailShape,
    QueueShape,
    RegistrationShape,
    StatusShape,
    ThreadShape,
    TrunkShape,
    UptimeShape,
    VersionShape,
)
from pbx.api.trace_shapes import TraceShape

SHAPES: dict[str, Any] = {
    "calls": list[CallShape], "call": CallShape, "channels": list[ChannelShape], "endpoints": list[EndpointShape],
    "endpoint": EndpointShape, "registrations": list[RegistrationShape], "trunks": list[TrunkShape],
    "queues": list[QueueShape], "queue": QueueDetailShape, "agents": list[AgentShape], "agent": AgentShape,
    "conferences": list[ConferenceShape], "parking": list[ParkedShape], "mailboxes": list[MailboxShape],
    "codecs": list[CodecShape], "limits": list[LimitShape],
    "threads": list[ThreadShape], "uptime": UptimeShape, "pulse": PulseShape, "status": StatusShape,
    "cdr": list[CdrShape], "recordings": list[RecordingShape], "recording": RecordingShape,
    "verified": VerifiedShape, "loggers": list[LoggerShape], "config": dict[str, Any], "did": DidShape,
    "why": WhyShape, "callbacks": list[CallbackShape], "versions": list[VersionShape], "trace": TraceShape,
}  # fmt: skip


@cache
def adapter(name: str) -> TypeAdapter[Any]:
    """Return what validates an answer of this name.

    :raises KeyError: for an unknown one.
    """
    return TypeAdapter(SHAPES[name])


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of an answer.

    :raises KeyError: for an unknown one.
    """
    made = adapter(name).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"pbx:v{VERSION}:{name}",
        "title": name,
        **made,
    }
