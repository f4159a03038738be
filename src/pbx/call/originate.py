"""A call that nobody dialled: ring a party, and let whoever answers dial a number, with that party's rights."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from pbx import events as ev
from pbx.call.calls import Call, Calls
from pbx.call.contract import Party, Refusal, Routed, Script
from pbx.call.leg import ELSEWHERE, Leg, LegState
from pbx.errors import CallFailed, Declined, NoAnswer, Unreachable, failure_of
from pbx.signaling.contract import AUTO_ANSWER, Destination, Introduction


def originate(
    calls: Calls,
    target: str,
    number: str,
    *,
    ring_s: float = 30.0,
    script: Script | None = None,
    name: str = "",
    answers: bool = False,
) -> Call:
    """Ring *target*; who answers is connected to *number* as if they had dialled it, or runs *script*.

    *number* and *name* are what the phone shows; *answers* asks it to answer by itself.

    :raises CallFailed: where the target cannot be rung, or may not dial the number.
    """
    if calls.draining or len(calls.calls) >= calls.max_calls:
        raise Unreachable("the server takes no new calls", status=503)
    call_id = calls.new_call_id()
    asker = Leg(calls, f"{call_id}.0", call_id, "in", "api", Party(number, name), Party(number))  # never on the wire
    destinations = calls.targets.resolve(target, asker)
    if answers:
        destinations = [replace(d, headers=(*d.headers, *AUTO_ANSWER)) for d in destinations]
    party = destinations[0].party
    own = party.partition("/")[2] if party.startswith("endpoint/") else destinations[0].uri.user
    introduction = Introduction(party, own, "", number, number, "", "api", None)
    routed = calls.router.route(introduction) if script is None else Routed(script, number)
    if isinstance(routed, Refusal):
        raise Declined(f"{party} cannot dial {number}: {routed.status} {routed.reason}".rstrip(), status=routed.status)
    call = begin(calls, call_id, "api", Party(own), number, routed.number)
    calls.emit(
        ev.CallRouted(
            call_id=call_id, context=routed.context, match=routed.match, number=routed.number, where=routed.where
        )
    )
    work = _run(calls, call, asker, destinations, introduction, routed, ring_s)
    call.task = asyncio.get_running_loop().create_task(work, name=f"call {call_id}")
    return call


def ring_for(
    calls: Calls, introduction: Introduction, destinations: Sequence[Destination], routed: Routed, *, ring_s: float
) -> Call:
    """Ring somewhere on behalf of *introduction*'s caller; who answers gets *routed*'s script, in a call of its own."""
    call_id = calls.new_call_id()
    shown = Party(introduction.caller, introduction.caller_name)
    asker = Leg(calls, f"{call_id}.0", call_id, "in", "api", shown, Party(introduction.dialled))
    call = begin(calls, call_id, introduction.source, shown, introduction.dialled, routed.number)
    work = _run(calls, call, asker, destinations, introduction, routed, ring_s)
    call.task = asyncio.get_running_loop().create_task(work, name=f"call {call_id}")
    return call


def begin(
    calls: Calls,
    call_id: str,
    source: str,
    caller: Party,
    dialled: str,
    number: str = "",
    *,
    direction: str = "internal",
) -> Call:
    """Open a call that has no leg yet, on behalf of *source*."""
    call = Call(call_id, source, caller, dialled, number or dialled, calls.wall())
    calls.calls[call_id] = call
    calls.emit(
        ev.CallStarted(
            call_id=call_id, linked_id=call_id, direction=direction, source=source, caller=caller.number,
            dialled=dialled,
        )
    )  # fmt: skip
    return call


async def _run(
    calls: Calls,
    call: Call,
    asker: Leg,
    destinations: Sequence[Destination],
    introduction: Introduction,
    routed: Routed,
    ring_s: float,
) -> None:
    try:
        winner = await _race(calls, asker, destinations, ring_s)
    except CallFailed as error:
        asker.log.info("x %s did not answer: %s", introduction.source, error.reason)
        calls.finish(call)
        return
    except asyncio.CancelledError:
        calls.finish(call)
        raise
    winner.caller, winner.callee = call.caller, Party(introduction.dialled)
    winner.variables = {"introduction": introduction}
    call.legs = {winner.leg_id: winner, **{k: leg for k, leg in call.legs.items() if leg is not winner}}
    call.owner = winner
    await calls.run_script(call, winner, routed)


async def _race(calls: Calls, asker: Leg, destinations: Sequence[Destination], ring_s: float) -> Leg:
    """Ring every contact of the party; the first to answer wins.

    :raises CallFailed: where none does.
    """
    over = asyncio.Event()
    legs: list[Leg] = []
    winner: list[Leg] = []

    def changed(leg: Leg) -> None:
        if leg.state is LegState.UP and not winner:
            winner.append(leg)
            over.set()
        elif leg.state is LegState.UP and leg is not winner[0]:
            leg.hangup("cancelled", ELSEWHERE)
        elif len(legs) == len(destinations) and all(other.state is LegState.ENDED for other in legs):
            over.set()

    for destination in destinations:
        legs.append(calls.ring_out(asker, destination, changed))
    for leg in legs:
        changed(leg)  # one may have failed before the last was rung
    try:
        async with asyncio.timeout(ring_s):
            await over.wait()
    except TimeoutError:
        raise NoAnswer(f"no answer within {ring_s:g} s") from None
    finally:
        for leg in legs:
            if leg not in winner and leg.state is not LegState.ENDED:
                leg.hangup("cancelled" if winner else "no-answer", ELSEWHERE if winner else "")
            leg.on_change.remove(changed)
    if not winner:
        end = legs[-1].end
        raise failure_of(end.status if end is not None else 480, rang=legs[-1].rang)
    return winner[0]
