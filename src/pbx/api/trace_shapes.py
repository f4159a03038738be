"""What ``/v1/trace`` answers, as types."""

from __future__ import annotations

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

closed = with_config(ConfigDict(extra="forbid"))


@closed
class TracedShape(TypedDict):
    at_utc: float
    received: bool  # by us
    transport: str  # udp, tcp, tls
    local: list[str | int]  # address, port
    remote: list[str | int]
    title: str  # the method, or the status
    text: str  # as on the wire; digests, keys, passwords and digits are masked


@closed
class TraceShape(TypedDict):
    """The messages of a call, in order of time."""

    call_id: str
    live: bool  # more may come
    messages: list[TracedShape]
