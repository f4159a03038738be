"""Supervision over the control protocol: a phone rings, and who answers is in the conversation."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 — pydantic wants this one before Python 3.12

from pbx.api.answers import NotHere, Refused, body, did, known, operator
from pbx.api.contract import State
from pbx.api.queues import note
from pbx.api.shapes import closed
from pbx.apps.supervision import Mode, supervise, watched_leg
from pbx.call.leg import Leg
from pbx.call.originate import originate


@closed
class Supervise(TypedDict):
    phone: str  # an endpoint
    mode: NotRequired[Literal["listen", "whisper", "barge", "take-over"]]


class SupervisionRoutes:
    """``/v1/calls/ID/supervise``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [web.post("/v1/calls/{id}/supervise", self._supervise)]

    async def _supervise(self, request: web.Request) -> web.Response:
        state, named = self._state, request.match_info["id"]
        asked = await body(request, Supervise)
        phone, mode = asked["phone"], Mode(asked.get("mode", "listen"))
        known(state.config.endpoints, phone, "endpoint")
        if state.calls.find(named) is None:
            raise NotHere(f"no call {named}; `pbx show calls` lists them")
        watched = watched_leg(state.calls, named)
        if watched is None:
            raise Refused(f"nobody talks in {named} yet", 409)
        who = operator(request)

        async def script(own: Leg) -> None:
            state.desk.supervised(watched.party, who)
            await supervise(state.calls, own, watched, mode, state.log.append, who)

        shown = watched.party.partition("/")[2]
        originate(state.calls, f"endpoint/{phone}", shown, script=script, name=mode.value)
        note(state, request, f"{mode.value} from endpoint/{phone}", watched.call_id)
        return did(f"{phone} rings; keys there: 4 listen, 5 whisper, 6 barge, 7 take over")
