"""Page: many phones answer by themselves and hear one person; those in a call are left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pbx.apps.outcome import Ended, Outcome, Unreachable
from pbx.call.calls import Calls
from pbx.call.leg import Leg, LegState
from pbx.errors import CallFailed
from pbx.signaling.contract import Destination

RING_S = 5.0  # a phone that has not answered by itself until then does not


async def page(leg: Leg, calls: Calls, targets: Sequence[str], *, longest_s: float = 300.0) -> Outcome:
    """Speak to every free phone of *targets* until the caller hangs up."""
    leg.variables["auto-answer"] = True
    destinations: list[Destination] = []
    for target in targets:
        try:
            destinations += calls.targets.resolve(target, leg)
        except CallFailed as error:
            leg.log.info("x %s: %s", target, error)
    busy = {other.party for call in calls.calls.values() for other in call.legs.values() if other.end is None}
    chosen = [d for d in destinations if d.party not in busy]
    if not chosen:
        return Unreachable()
    await leg.answer()
    room = leg.new_room()
    room.join(leg.port)

    def changed(other: Leg) -> None:
        if other.state is LegState.UP and other.media is not None:
            room.join(other.media.port, muted=True)

    rung = [calls.ring_out(leg, destination, changed) for destination in chosen]
    try:
        await asyncio.sleep(RING_S)
        for other in rung:
            if other.state in (LegState.NEW, LegState.RINGING):
                other.hangup("no-answer")
        if not any(other.state is LegState.UP for other in rung):
            return Unreachable()
        await asyncio.sleep(longest_s)
        return Ended()
    finally:
        for other in rung:
            other.hangup()
        room.close()
