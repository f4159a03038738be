"""Recording a conversation: caller left, called party right, from the moment both are joined."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from pbx import events as ev
from pbx.call.contract import Emit
from pbx.call.leg import Leg

Recording = Callable[[Leg, Leg, str], contextlib.AbstractAsyncContextManager[None]]
"""Record customer and agent, whose name is the third, while the body runs, if a rule says so."""


@contextlib.asynccontextmanager
async def not_recorded(leg: Leg, other: Leg, agent: str) -> AsyncIterator[None]:
    yield


def policy(*most_specific_first: str | None) -> str:
    """Decide whether to record: "never" anywhere wins, else the first that says something, else "never"."""
    if "never" in most_specific_first:
        return "never"
    return next((said for said in most_specific_first if said), "never")


@contextlib.asynccontextmanager
async def recorded(
    leg: Leg, other: Leg, path: Path, emit: Emit, *, queue: str = "", agent: str = ""
) -> AsyncIterator[None]:
    """Record *leg* and *other* while the body runs."""
    if leg.media is None or other.media is None:
        yield
        return
    recording_id, call_id = path.stem, leg.call_id
    loop = asyncio.get_running_loop()
    began = loop.time()
    port = leg.media.port
    token = port.record(path, other=other.media.port)
    emit(
        ev.RecordingStarted(
            call_id=call_id, leg_id=leg.leg_id, recording_id=recording_id, path="/".join(path.parts[-4:]),
            other=other.leg_id, queue=queue, agent=agent, caller=leg.caller.number, dialled=leg.callee.number,
        )
    )  # fmt: skip

    def written(outcome: str) -> None:
        emit(ev.RecordingWritten(call_id=call_id, recording_id=recording_id, outcome=outcome))

    leg.when_done[token] = written
    try:
        yield
    finally:
        duration_ms = round((loop.time() - began) * 1000)
        emit(ev.RecordingEnded(call_id=call_id, recording_id=recording_id, duration_ms=duration_ms))
        port.stop_recording()
