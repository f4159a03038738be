"""Transfers (RFC 3515, RFC 3891): a leg changes its partner, and who transferred leaves.

A leg is *taken* from the script that runs it: the script ends as if the conversation had ended, but the leg lives on
and gets a script of its own. Who transfers, transfers with the rights of that party: the target goes through the
dialplan as if it had dialled it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbx import events as ev
from pbx.call.contract import Refusal, Routed
from pbx.call.leg import ELSEWHERE, Leg, LegState
from pbx.errors import CallEnded, CallFailed, Declined, NoAnswer, ParseError
from pbx.signaling.contract import Introduction, LegSignal
from pbx.sip.headers import parse_address
from pbx.sip.message import Request
from pbx.sip.replaces import replaces_in_uri
from pbx.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from pbx.call.calls import Call, Calls

RETURN_RING_S = 60.0
PART_S = 2.0  # for the old scripts to let go


@dataclass(frozen=True, slots=True)
class Asked:
    """What a REFER wants: a number, and the leg to join with where it is an attended transfer."""

    number: str
    other: Leg | None = None


class Referral:
    """Tells who referred what becomes of it, by NOTIFY with a sipfrag (RFC 3515 §2.4)."""

    def __init__(self, signal: LegSignal, *, wanted: bool) -> None:
        self._signal = signal
        self._wanted = wanted

    def tell(self, status: int, reason: str) -> None:
        if not self._wanted:
            return
        state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
        headers = (
            ("Event", "refer"),
            ("Subscription-State", state),
            ("Content-Type", "message/sipfrag;version=2.0"),
        )
        self._signal.request("NOTIFY", headers, f"SIP/2.0 {status} {reason}\r\n".encode())


def on_refer(calls: Calls, leg: Leg, request: Request, transaction: ServerTransaction) -> None:
    """Carry out a REFER that came inside *leg*'s dialog, or outside and naming it."""
    assert leg.signal is not None
    try:
        asked = _asked(calls, request)
    except ParseError as error:
        leg.signal.respond(transaction, request, error.status)
        return
    partner = leg.peer
    if asked is None or partner is None or leg.state is not LegState.UP:
        leg.signal.respond(transaction, request, 603 if asked is not None else 404)
        return
    wanted = (request.get("Refer-Sub") or "").strip().lower() != "false"  # RFC 4488
    referral = Referral(leg.signal, wanted=wanted)
    if asked.other is not None and asked.other.peer is not None and asked.other.call_id != leg.call_id:
        if account_of(leg.party, partner, asked.other.peer) and not calls.router.minutes_left_s(leg.party):
            leg.signal.respond(transaction, request, 603)
            return
        leg.signal.respond(transaction, request, 202)
        attended(calls, leg, asked.other, referral)
        return
    routed = route_for(calls, leg, asked.number)
    if isinstance(routed, Refusal):
        leg.signal.respond(transaction, request, routed.status)
        return
    leg.signal.respond(transaction, request, 202)
    blind(calls, leg, asked.number, routed, referral)


def _asked(calls: Calls, request: Request) -> Asked | None:
    """Read Refer-To; None where it names no dialog that is there.

    :raises ParseError: for none, several, or a broken one (RFC 3515 §2.4.2).
    """
    values = request.values("Refer-To")
    if len(values) != 1:
        raise ParseError("a REFER needs one Refer-To")
    uri = parse_address(values[0]).uri
    named = replaces_in_uri(uri.headers)
    if named is None:
        return Asked(uri.user)
    other = calls.leg_of_dialog(named)
    if other is None:
        return None
    # A consulted party that still rings is called anew: its ringing ends with the call of who transfers.
    return Asked(other.callee.number if other.direction == "in" else uri.user, other)


def route_for(calls: Calls, leg: Leg, number: str) -> Routed | Refusal:
    """Ask the dialplan as if the transferring party had dialled *number*."""
    source = leg.party
    own = leg.caller if leg.direction == "in" else leg.callee
    partner = leg.peer
    shown = own
    if partner is not None:
        shown = partner.caller if partner.direction == "in" else partner.callee
    sip_call_id = leg.signal.sip_call_id if leg.signal is not None else ""
    return calls.router.route(
        Introduction(source, own.number, shown.name, number, number, sip_call_id, "transfer", None)
    )


def blind(calls: Calls, leg: Leg, number: str, routed: Routed, referral: Referral | None = None) -> None:
    """Send *leg*'s partner to what the dialplan says about *number*; unanswered, it comes back to *leg*'s party."""
    partner = leg.peer
    assert partner is not None
    call = calls.calls[partner.call_id]
    _tell(calls, leg, "blind", number, "started")
    if referral is not None:
        referral.tell(100, "Trying")
    back = leg.party

    async def onward(moved: Leg) -> None:
        try:
            await _unless_it_only_rings(calls, moved, routed)
        except CallFailed as error:
            if moved.state is not LegState.UP:
                raise
            moved.log.info("transfer to %s failed (%s): back to %s", number, error.reason, back)
            _tell(calls, moved, "blind", number, "returned")
            async with moved.dial(back, ring_s=RETURN_RING_S) as returned:
                await calls.router.converse(moved, returned)

    take(calls, call, partner)
    if referral is not None:
        referral.tell(200, "OK")
    leg.hangup()
    calls.adopt(call, partner, Routed(onward, routed.number, routed.context, routed.match, routed.where))


async def _unless_it_only_rings(calls: Calls, moved: Leg, routed: Routed) -> None:
    """Run the target's script, cut off when after the limit somebody rings and nobody has answered.

    :raises CallFailed: NoAnswer at the limit, or what the script raised.
    """
    script = asyncio.get_running_loop().create_task(_script(routed, moved))
    try:
        done, _ = await asyncio.wait({script}, timeout=calls.transfer_returns_s)
        if not done and moved.peer is None and _rings_somebody(calls, moved):
            raise NoAnswer(f"no answer within {calls.transfer_returns_s:g} s")
        await script
    finally:
        if not script.done():
            script.cancel()
            await asyncio.wait({script})


async def _script(routed: Routed, leg: Leg) -> None:
    await routed.script(leg)


def send(calls: Calls, leg: Leg, number: str, source: str) -> None:
    """Send *leg* to what the dialplan says about *number* for *source*: an operator's transfer.

    Whom it talks to is let go as after a blind transfer: unanswered, the caller comes back to that party.

    :raises Declined: where the dialplan has no way for this source.
    """
    partner = leg.peer
    shown = leg.caller if leg.direction == "in" else leg.callee
    own = source.partition("/")[2]
    routed = calls.router.route(Introduction(source, own, shown.name, number, number, "", "api", None))
    if isinstance(routed, Refusal):
        raise Declined(f"{source} cannot dial {number}: {routed.status}", status=routed.status)
    if partner is not None:
        blind(calls, partner, number, routed)
        return
    call = calls.calls[leg.call_id]
    take(calls, call, leg)
    calls.adopt(call, leg, routed)


def account_of(by: str, first: Leg, second: Leg) -> str:
    """Return who pays for a conversation that *by* connected: *by*, where *second* or a stranger's partner is outside.

    What an inside party goes on with is the call that was placed for them; what leaves the house is a transfer to
    outside, whichever of both calls the phone names first.
    """

    def placed_outside(leg: Leg) -> bool:
        return leg.direction == "out" and leg.party.startswith("trunk/")

    outside = placed_outside(second) or (placed_outside(first) and not second.party.startswith("endpoint/"))
    return by if outside else ""


def _rings_somebody(calls: Calls, leg: Leg) -> bool:
    call = calls.calls.get(leg.call_id)
    return call is not None and any(
        other.direction == "out" and other.state in (LegState.NEW, LegState.RINGING) for other in call.legs.values()
    )


def attended(calls: Calls, leg: Leg, consulted: Leg, referral: Referral | None = None) -> None:
    """Join the partners of two legs of one party; the older call survives."""
    first, second = leg.peer, consulted.peer
    assert first is not None
    assert second is not None
    one, other = calls.calls[leg.call_id], calls.calls[consulted.call_id]
    survivor, merged = (one, other) if one.started_wall <= other.started_wall else (other, one)
    _tell(calls, leg, "attended", second.party, "started")
    if referral is not None:
        referral.tell(100, "Trying")
    stays, comes = (first, second) if survivor is one else (second, first)
    take(calls, survivor, stays)
    take(calls, merged, comes)
    calls.move(comes, survivor)
    calls.emit(ev.CallMerged(call_id=survivor.call_id, merged=merged.call_id))

    charged = account_of(leg.party, first, second)

    async def joined(moved: Leg) -> None:
        _tell(calls, leg, "attended", second.party, "connected")
        try:
            await calls.router.converse(moved, comes, charged=charged)
        finally:
            comes.hangup()

    if referral is not None:
        referral.tell(200, "OK")
    leg.hangup()
    consulted.hangup()
    calls.finish(merged)
    calls.adopt(survivor, stays, Routed(joined))


def replace(calls: Calls, old: Leg, new: Leg) -> bool:
    """Let *new*, whose INVITE replaces *old*'s dialog, take its place: an attended transfer by others, or a pickup.

    False where there is nobody to talk to.
    """
    call = calls.calls.get(old.call_id)
    if call is None:
        return False
    partner = old.peer if old.peer is not None else next(iter(call.legs.values()))
    if partner is old or partner.state is LegState.ENDED:
        return False
    _unite(calls, call, partner, new)
    for leg in list(call.legs.values()):
        if leg is old or (leg.direction == "out" and leg.state in (LegState.NEW, LegState.RINGING)):
            leg.hangup("cancelled", ELSEWHERE)
    return True


async def join(stays: Leg, comes: Leg) -> None:
    """Connect *comes*, whose own script calls this, with *stays*; that script ends here, the call of *stays* goes on.

    :raises CallEnded: where one of both is gone.
    """
    calls = stays.calls
    call = calls.calls.get(stays.call_id)
    if call is None or stays.state is LegState.ENDED or comes.state is LegState.ENDED:
        raise CallEnded("gone")
    own = calls.calls[comes.call_id]
    take(calls, own, comes)
    _unite(calls, call, stays, comes)
    await asyncio.get_running_loop().create_future()  # until the cancellation of this script arrives


def pick_up(ringing: Leg, comes: Leg) -> bool:
    """Let *comes* take the call that *ringing* is rung for; False where it is too late."""
    calls = ringing.calls
    if not ringing.may_be_picked_up or ringing.state not in (LegState.NEW, LegState.RINGING):
        return False
    own = calls.calls[comes.call_id]
    take(calls, own, comes)
    return replace(calls, ringing, comes)


def _unite(calls: Calls, call: Call, partner: Leg, new: Leg) -> None:
    """Move *new* into *partner*'s call and let both talk, whatever their scripts were doing."""
    take(calls, call, partner)
    lone = calls.calls[new.call_id]
    calls.move(new, call)
    calls.emit(ev.CallMerged(call_id=call.call_id, merged=lone.call_id))
    calls.finish(lone)

    async def joined(moved: Leg) -> None:
        await new.answer()
        try:
            await calls.router.converse(moved, new)
        finally:
            new.hangup()

    calls.adopt(call, partner, Routed(joined))


def complete(leg: Leg, partner: Leg, consulted: Leg) -> None:
    """End a consultation by keys: *leg* leaves, *partner* and *consulted*, both in its call, talk on."""
    calls = leg.calls
    call = calls.calls[partner.call_id]
    _tell(calls, leg, "attended", consulted.party, "connected")
    consulted.kept = consulted.introduce = True
    charged = account_of(leg.party, partner, consulted)
    take(calls, call, partner)

    async def joined(moved: Leg) -> None:
        try:
            await calls.router.converse(moved, consulted, charged=charged)
        finally:
            consulted.hangup()

    calls.adopt(call, partner, Routed(joined))
    leg.hangup()


def take(calls: Calls, call: Call, leg: Leg) -> None:
    """Free *leg* from the script that holds it: from now on whoever adopts it decides when it ends."""
    leg.kept = leg.introduce = True
    if call.owner is leg and call.task is not None:
        call.task.cancel("transfer")


def _tell(calls: Calls, leg: Leg, how: str, target: str, outcome: str) -> None:
    calls.emit(
        ev.LegTransferred(call_id=leg.call_id, leg_id=leg.leg_id, how=how, target=target, by=leg.party, outcome=outcome)
    )
