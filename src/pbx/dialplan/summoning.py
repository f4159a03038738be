"""Calling somebody into a conference: with the rights of the moderator who asks."""

from __future__ import annotations

from pbx.apps.conference import Terms
from pbx.call.contract import Refusal, Routed
from pbx.call.leg import Leg
from pbx.call.originate import ring_for
from pbx.config.steps import DialStep
from pbx.dialplan.script import Script
from pbx.dialplan.walk import every_step
from pbx.errors import CallFailed
from pbx.signaling.contract import Introduction

RING_S = 30.0


def summon(script: Script, room: str, leg: Leg, number: str) -> bool:
    """Ring a number that the moderator may dial; who answers joins the room. False where it may not be dialled."""
    plan = script.plan
    owner = str(script.values["endpoint"])
    found = plan.choose_for(owner, number) if owner else Refusal(403)
    if isinstance(found, Refusal):
        return False
    step = next((s for s in every_step(found.route.do) if isinstance(s, DialStep) and s.dial), None)
    if step is None:
        return False
    target = step.dial[0].replace("{number}", found.number).replace("{dialled}", number)
    if "{" in target:
        return False
    try:
        destinations = leg.calls.targets.resolve(target, leg, number=found.number)
    except CallFailed as error:
        leg.log.info("x %s cannot be called in: %s", target, error)
        return False

    async def join(guest: Leg) -> None:
        await plan.equipment.rooms.join(guest, room, Terms(path=plan.equipment.recording_path, called_in=True))

    shown = Introduction(destinations[0].party, owner, leg.caller.name, number, number, "", "conference", None)
    ring_for(leg.calls, shown, destinations, Routed(join, found.number), ring_s=RING_S)
    script.tell(f"called-in {target}")
    return True
