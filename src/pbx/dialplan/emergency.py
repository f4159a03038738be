"""Emergency calls: by the trunks of ``[emergency]`` in order, and the house is told."""

from __future__ import annotations

import asyncio

from pbx import events as ev
from pbx.config.steps import DialStep
from pbx.dialplan.dialling import OUTSIDE_RING_S, Plan, ring, trace_words
from pbx.dialplan.script import Finished, Script
from pbx.errors import CallFailed, Unreachable


async def call_for_help(script: Script) -> None:
    """Try every trunk, whatever it answers: help matters more than a busy signal's meaning.

    :raises CallFailed: when no trunk took the call.
    """
    spec = script.plan.config.emergency
    number = str(script.values["dialled"])
    endpoint = str(script.values["endpoint"])
    script.leg.log.warning("EMERGENCY: endpoint %s calls %s", endpoint, number)
    script.emit(
        ev.CallEmergency(call_id=script.leg.call_id, leg_id=script.leg.leg_id, endpoint=endpoint, number=number,
                         notify=spec.notify)
    )  # fmt: skip
    telling = asyncio.get_running_loop().create_task(_notify(script, spec.notify, endpoint, number))
    failure: CallFailed = Unreachable("no emergency trunk")
    try:
        for index, name in enumerate(_lines(script, endpoint)):
            step = DialStep(dial=(f"trunk/{name}",))
            plan = Plan(step, step.dial, "failover", OUTSIDE_RING_S, number, _caller(script, endpoint))
            script.tell(trace_words(script, plan, step.dial), began=index == 0)
            try:
                await ring(script, plan, list(step.dial), OUTSIDE_RING_S)
            except CallFailed as error:
                script.tell(f"{error.reason} failed {error.status}")
                failure = error
    except Finished:
        return
    finally:
        telling.cancel()
    raise failure


def _lines(script: Script, endpoint: str) -> list[str]:
    """Return the trunks to try: the one of the phone's site first, since help comes to where the line is."""
    own = script.plan.config.endpoints[endpoint].site if endpoint in script.plan.config.endpoints else ""
    return list(dict.fromkeys(name for name in (own, *script.plan.config.emergency.trunks) if name))


def _caller(script: Script, endpoint: str) -> str:
    spec = script.plan.config.endpoints.get(endpoint)
    return spec.caller if spec is not None else ""


async def _notify(script: Script, targets: tuple[str, ...], endpoint: str, number: str) -> None:
    """Ring those who must know and tell them who called; their answer changes nothing for the call itself."""
    others = [target for target in targets if target != f"endpoint/{endpoint}"]
    if not others:
        return
    script.tell(f"notify {' '.join(others)}")
    whisper = ["emergency-call", *(f"d-{c}" for c in endpoint if c.isdigit())]
    try:
        async with script.leg.dial(others, ring_s=OUTSIDE_RING_S, whisper=whisper):
            pass
    except CallFailed as error:
        script.leg.log.warning("x nobody was told of the emergency call: %s", error)
