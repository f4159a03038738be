"""Recording a conversation: caller left, called party right, from the moment both are joined."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.call.tape import Tape

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
    tape = Tape(leg, other, path, emit, queue=queue, agent=agent)
    try:
        yield
    finally:
        tape.stop()
