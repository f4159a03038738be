"""Routes of calls: see them, begin them, end them, send them elsewhere."""

from __future__ import annotations

import time

from aiohttp import web
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 — pydantic wants this one before Python 3.12

from pbx import events as ev
from pbx.api import wire
from pbx.api.answers import NotHere, Refused, answer, body, did, known, operator
from pbx.api.contract import State
from pbx.api.shapes import closed
from pbx.call.calls import Call
from pbx.call.leg import Leg, LegState
from pbx.call.originate import originate
from pbx.call.transfer import send

RING_S = 30.0


@closed
class Originate(TypedDict):
    target: str  # who is rung: 1001, endpoint/1001, agent/zhang, trunk/carrier/NUMBER
    number: str  # what they then dial
    ring_s: NotRequired[float]


@closed
class Transfer(TypedDict):
    to: str
    leg: NotRequired[str]  # who is sent; else the caller
    rights: NotRequired[str]  # endpoint/1001: in whose name the number is dialled


class CallRoutes:
    """``/v1/calls`` and ``/v1/channels``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/calls", self._list),
            web.post("/v1/calls", self._originate),
            web.get("/v1/calls/{id}", self._one),
            web.delete("/v1/calls/{id}", self._hangup),
            web.post("/v1/calls/{id}/transfer", self._transfer),
            web.get("/v1/channels", self._channels),
            web.get("/v1/conferences", self._conferences),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        now = time.time()
        calls = list(self._state.calls.calls.values())
        return answer([wire.call_view(call, self._state.desk, now) for call in calls])

    async def _one(self, request: web.Request) -> web.Response:
        return answer(wire.call_view(self._find(request.match_info["id"]), self._state.desk, time.time()))

    async def _channels(self, request: web.Request) -> web.Response:
        return answer(wire.channel_views(self._state.calls))

    async def _conferences(self, request: web.Request) -> web.Response:
        return answer(wire.conference_views(self._state.equipment.rooms))

    async def _originate(self, request: web.Request) -> web.Response:
        asked = await body(request, Originate)
        target = asked["target"]
        if "/" not in target:
            known(self._state.config.endpoints, target, "endpoint")
            target = f"endpoint/{target}"
        ring_s = asked.get("ring_s", RING_S)
        if not 1 <= ring_s <= 600:
            raise Refused("ring_s must be from 1 to 600")
        if not asked["number"]:
            raise Refused("number: what the party is to dial")
        call = originate(self._state.calls, target, asked["number"], ring_s=ring_s)
        self._note(request, "originate", call.call_id)
        return did(f"{target} rings, to be connected to {asked['number']}", call_id=call.call_id)

    async def _hangup(self, request: web.Request) -> web.Response:
        some_id = request.match_info["id"]
        call = self._find(some_id)
        chosen = [leg for leg in call.legs.values() if leg.leg_id == some_id] or list(call.legs.values())
        live = [leg for leg in chosen if leg.state is not LegState.ENDED]
        self._note(request, "hangup", some_id)
        for leg in live:
            leg.hangup("operator")
        return did(f"hung up {some_id}", hung_up=call.call_id, legs=[leg.leg_id for leg in live])

    async def _transfer(self, request: web.Request) -> web.Response:
        some_id = request.match_info["id"]
        call = self._find(some_id)
        asked = await body(request, Transfer)
        leg = self._leg(call, asked.get("leg") or (some_id if some_id in call.legs else ""))
        source = asked.get("rights") or self._rights(leg)
        state = self._state
        entry_id = state.desk.entry_of(call.call_id)
        send(state.calls, leg, asked["to"], source)
        if entry_id:
            state.desk.release(entry_id)
        self._note(request, f"transfer to {asked['to']}", leg.leg_id)
        return did(f"{leg.party} of call {call.call_id} goes to {asked['to']}", call_id=call.call_id)

    def _leg(self, call: Call, leg_id: str) -> Leg:
        """Return who is transferred: the one named, else the first that lives."""
        if leg_id:
            leg: Leg = known(call.legs, leg_id, f"leg of call {call.call_id} named")
        else:
            leg = next((x for x in call.legs.values() if x.state is not LegState.ENDED), next(iter(call.legs.values())))
        if leg.state is not LegState.UP:
            raise Refused(f"leg {leg.leg_id} is not answered: only a call that is up can be sent elsewhere", 409)
        return leg

    @staticmethod
    def _rights(leg: Leg) -> str:
        """Return in whose name an operator's transfer dials: whom the leg talks to, else itself."""
        peer = leg.peer
        return peer.party if peer is not None and peer.party.startswith("endpoint/") else leg.party

    def _find(self, some_id: str) -> Call:
        call = self._state.calls.find(some_id)
        if call is None:
            raise NotHere(f"no call {some_id}: it may be over; `pbx show calls` lists those that are not")
        return call

    def _note(self, request: web.Request, what: str, target: str) -> None:
        call = self._state.calls.find(target)
        self._state.log.append(
            ev.OperatorDid(call_id=call.call_id if call else "", who=operator(request), what=what, target=target)
        )
