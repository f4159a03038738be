"""What keys do during a conversation: transfer, consult, three-way, record; and an agent's codes that run a flow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pbx.acd.agent import State
from pbx.apps.agent_keys import note_disposition, pause_next, raise_hand
from pbx.call import audio
from pbx.call.buttons import aside
from pbx.call.contract import Refusal
from pbx.call.leg import Leg, LegState
from pbx.call.tape import Tape
from pbx.call.transfer import account_of, blind, complete, route_for
from pbx.dialplan.script import Finished, Script
from pbx.dialplan.variables import Variables
from pbx.errors import CallEnded, CallFailed, PbxError

if TYPE_CHECKING:
    from pbx.apps.desk import Desk
    from pbx.dialplan.router import Dialplan

Action = Callable[[Leg], Awaitable[None]]
MOST_DIGITS = 20


@dataclass(slots=True)
class Consultation:
    """Who is spoken to aside, and who waits with music meanwhile."""

    partner: Leg
    three_way: bool = False


def keys_of(plan: Dialplan, leg: Leg) -> Mapping[str, Action]:
    """Return the keys of a leg: an endpoint's codes, and those of the agent who sits there."""
    room, _, endpoint = leg.party.partition("/")
    if room != "endpoint":
        return {}
    if "consultation" in leg.variables:
        chosen = {"consult": _complete, "transfer": _complete, "three-way": _three_way}
        return {key: chosen[name] for key, name in plan.codes.in_call.items() if name in chosen}
    actions: dict[str, Action] = {
        "transfer": _transfer, "consult": _consult, "record": partial(_record, plan=plan),
    }  # fmt: skip
    found = {key: actions[name] for key, name in plan.codes.in_call.items() if name in actions}
    desk = plan.equipment.desk
    agent = desk.agent_at(endpoint) if desk is not None else ""
    if desk is not None and agent:
        found |= {key: partial(_flow, plan=plan, code=key) for key in plan.config.agent_codes}
        if desk.state(agent) is not State.LOGGED_OUT:
            found |= _agents_keys(plan, desk, agent)
    return found


def _agents_keys(plan: Dialplan, desk: Desk, agent: str) -> dict[str, Action]:
    """Return the keys of who is logged in as an agent."""

    async def dispose(leg: Leg) -> None:
        await note_disposition(leg, desk, agent, call_id=leg.call_id)

    actions: dict[str, Action] = {
        "pause-next": partial(pause_next, desk=desk, agent=agent),
        "raise-hand": partial(raise_hand, desk=desk, agent=agent),
    }
    if plan.config.dispositions:
        actions["note-disposition"] = dispose
    return {key: actions[name] for key, name in plan.codes.in_call.items() if name in actions}


def _partner(leg: Leg) -> Leg:
    """Return who this leg talks with.

    :raises CallEnded: where they are gone.
    """
    if leg.peer is None:
        raise CallEnded("nobody to talk to")
    return leg.peer


async def _number(leg: Leg) -> str:
    return (await audio.collect(leg, ["enter-number"], most=MOST_DIGITS)).digits


async def _transfer(leg: Leg) -> None:
    """Send the other side to a number that is typed, with the rights of who presses."""
    partner = _partner(leg)
    async with aside(leg, partner, music_to=partner):
        number = await _number(leg)
        routed = route_for(leg.calls, leg, number) if number else Refusal(404)
        if isinstance(routed, Refusal):
            await audio.play(leg, "not-allowed" if routed.status == 403 else "transfer-failed")
            return
    blind(leg.calls, leg, number, routed)


async def _consult(leg: Leg) -> None:
    """Call somebody while the other side hears music; hanging up, or the same keys again, connects both.

    Who hangs up before an answer has transferred: it goes on ringing there, and comes back unanswered.
    """
    partner = _partner(leg)
    async with aside(leg, partner, music_to=partner):
        number = await _number(leg)
        routed = route_for(leg.calls, leg, number) if number else Refusal(404)
        if isinstance(routed, Refusal):
            await audio.play(leg, "not-allowed" if routed.status == 403 else "transfer-failed")
            return
        consultation = Consultation(partner)
        leg.variables["consultation"] = consultation

        def changed(one: Leg) -> None:
            if one.state is not LegState.ENDED or connect(one, consultation) or one.peer is not partner:
                return
            if partner.state is LegState.UP and not consultation.three_way:
                blind(one.calls, one, number, routed)  # who was called has not answered yet

        leg.on_change.insert(0, changed)
        try:
            await routed.script(leg)
        except CallFailed as error:
            leg.log.info("x consultation: %s", error.reason)
            if leg.state is LegState.UP:
                await audio.play(leg, "transfer-failed")
        finally:
            leg.on_change.remove(changed)
            leg.variables.pop("consultation", None)


def connect(leg: Leg, consultation: Consultation) -> bool:
    """Let who waits and who was consulted talk; False where one of both is not there."""
    consulted = leg.peer
    partner = consultation.partner
    if consulted is None or consulted is partner or partner.state is not LegState.UP:
        return False
    if consulted.state is not LegState.UP or consulted.call_id != partner.call_id:
        return False
    if leg.variables.pop("consultation", None) is not consultation:
        return False  # done already: the hang-up that follows the keys
    if account_of(leg.party, partner, consulted) and not leg.calls.router.minutes_left_s(leg.party):
        leg.log.info("x %s has used up today's minutes outside", leg.party)
        return False
    complete(leg, partner, consulted)
    return True


async def _complete(leg: Leg) -> None:
    consultation = leg.variables.get("consultation")
    if isinstance(consultation, Consultation):
        connect(leg, consultation)


async def _three_way(leg: Leg) -> None:
    """Let all three hear each other; hanging up leaves the other two together."""
    consultation = leg.variables.get("consultation")
    if not isinstance(consultation, Consultation):
        return
    ports = [one.port for one in (leg, _partner(leg), consultation.partner)]
    consultation.partner.port.stop()
    consultation.three_way = True
    for one in ports:
        for other in ports:
            if one is not other:
                one.hear(other)


async def _record(leg: Leg, plan: Dialplan) -> None:
    """Begin to record, or stop; both sides hear which."""
    partner = _partner(leg)
    endpoint = plan.config.endpoints.get(leg.party.removeprefix("endpoint/"))
    tape = leg.tape
    by_rule = tape is not None and leg.variables.get("taping") is not tape
    if by_rule or (endpoint is not None and endpoint.record == "never"):
        await audio.play(leg, "not-allowed")
        return
    if tape is not None:
        tape.stop()
    else:
        caller, called = (leg, partner) if leg.direction == "in" else (partner, leg)
        path = plan.equipment.recording_path(leg.call_id)
        leg.variables["taping"] = Tape(caller, called, path, plan.equipment.emit)
    said = "call-not-recorded" if tape is not None else "call-recorded"
    if (clip := partner.clip(said)) is not None:
        partner.port.play([clip])
    await audio.play(leg, said)


async def _flow(leg: Leg, plan: Dialplan, code: str) -> None:
    """Hand the other side to a flow and get them back; no key of theirs reaches the agent or the recording."""
    spec = plan.config.agent_codes[code]
    customer = _partner(leg)
    async with aside(leg, customer, music_to=leg):
        script = Script(plan, customer, values_of(plan, customer), "agent-codes")
        script.tell(f"flow {spec.flow}")
        try:
            async with customer.until_hangup():
                await script.run_list(plan.config.flows[spec.flow].do)
        except Finished:
            pass
        except PbxError as error:
            customer.log.warning("x flow %s: %s", spec.flow, error)
        if spec.then == "hangup":
            customer.hangup()
        if customer.state is not LegState.UP:
            return
        leg.port.stop()
        if spec.tell_agent:
            await audio.play(leg, spec.tell_agent)


def values_of(plan: Dialplan, leg: Leg) -> Variables:
    """Return what is known of a leg's call: what its script set, or what its party says."""
    known = leg.variables.get("values")
    if isinstance(known, Variables):
        return known
    number = (leg.caller if leg.direction == "in" else leg.callee).number
    room, _, name = leg.party.partition("/")
    return Variables(
        plan,
        leg.party,
        {
            "number": number, "dialled": number, "from": number, "from-name": "", "did": "",
            "endpoint": name if room == "endpoint" else "", "trunk": name if room == "trunk" else "",
            "language": leg.language or plan.config.language,
        },
    )  # fmt: skip
