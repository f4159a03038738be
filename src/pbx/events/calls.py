"""Calls and legs; their ways through the dialplan and its menus."""

from __future__ import annotations

from pbx.events.base import Event, kind

# ---- calls and legs ------------------------------------------------------------------------------------------------


@kind("call.started")
class CallStarted(Event):
    linked_id: str = ""  # the same for every call that grew from one
    direction: str = ""  # inbound, outbound, internal
    source: str = ""  # endpoint/1001, trunk/carrier, api
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    number: str = ""  # normalised
    did: str = ""


@kind("call.routed")
class CallRouted(Event):
    context: str = ""
    match: str = ""
    number: str = ""
    where: str = ""  # file:line of the route


@kind("call.answered")
class CallAnswered(Event):
    by: str = ""  # the party, or the application, that answered


@kind("call.merged")
class CallMerged(Event):
    merged: str = ""  # the call_id that ended in this one


@kind("call.ended")
class CallEnded(Event):
    cause: str = ""  # answered, busy, no-answer, declined, unreachable, cancelled, refused, failed, lost, restart
    status: int = 0  # the SIP status that tells it
    by: str = ""  # caller, callee, system


@kind("leg.created")
class LegCreated(Event):
    direction: str = ""  # in, out
    party: str = ""  # endpoint/1001, trunk/carrier
    caller: str = ""
    callee: str = ""
    sip_call_id: str = ""
    source: str = ""  # transport:address:port of the peer


@kind("leg.ringing")
class LegRinging(Event):
    status: int = 180


@kind("leg.answered")
class LegAnswered(Event):
    codec: str = ""


@kind("leg.bridged")
class LegBridged(Event):
    other: str = ""  # leg_id


@kind("leg.unbridged")
class LegUnbridged(Event):
    other: str = ""


@kind("leg.held")
class LegHeld(Event):
    by: str = ""  # peer, us


@kind("leg.resumed")
class LegResumed(Event):
    by: str = ""


@kind("leg.transferred")
class LegTransferred(Event):
    how: str = ""  # blind, attended, consult-returned
    target: str = ""
    by: str = ""
    outcome: str = ""  # started, connected, returned, failed


@kind("leg.digit", detail=True)
class LegDigit(Event):
    digit: str = ""
    duration_ms: int = 0


@kind("leg.media")
class LegMedia(Event):
    state: str = ""  # never-came, stopped, wrong-source, undecryptable, back


@kind("leg.quality")
class LegQuality(Event):
    direction: str = ""  # received, sent
    codec: str = ""
    packets: int = 0
    lost: int = 0
    late: int = 0
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    r_factor: float | None = None  # by the E-model; None: unknown
    mos: float | None = None


@kind("leg.ended")
class LegEnded(Event):
    cause: str = ""
    status: int = 0
    by: str = ""  # peer, us


# ---- dialplan, menus -----------------------------------------------------------------------------------------------


@kind("step.ran", detail=True)
class StepRan(Event):
    step: str = ""  # the trace words, as `pbx test` shows them: "dial endpoint/1002"
    where: str = ""  # file:line:column of the step; empty for what a step came to
    began: bool = False  # a dial or queue step begins: "at N s" counts from here


@kind("menu.entered")
class MenuEntered(Event):
    menu: str = ""


@kind("menu.key")
class MenuKey(Event):
    menu: str = ""
    key: str = ""  # a key; "" is silence
    outcome: str = ""  # chosen, wrong, silence, exhausted


@kind("menu.left")
class MenuLeft(Event):
    menu: str = ""
    how: str = ""  # key, exhausted, hangup


@kind("switch.turned")
class SwitchTurned(Event):
    switch: str = ""
    state: str = ""  # auto, open, closed
    by: str = ""


@kind("call.emergency")
class CallEmergency(Event):
    endpoint: str = ""
    number: str = ""
    notify: tuple[str, ...] = ()


@kind("call.parked")
class CallParked(Event):
    place: str = ""  # 701
    by: str = ""  # endpoint/1001
    state: str = ""  # parked, recalled, fetched, left


@kind("endpoint.set")
class EndpointSet(Event):
    endpoint: str = ""
    what: str = ""  # forward-all, forward-busy, forward-no-answer, dnd, filter
    value: str = ""  # a number, "" for none; on, off
    by: str = ""


@kind("call.served")
class CallServed(Event):
    what: str = ""


@kind("lookup.ended")
class LookupEnded(Event):
    lookup: str = ""
    outcome: str = ""
    took_ms: int = 0
