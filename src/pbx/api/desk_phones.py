"""Routes for what people set at their desks: forwards, do-not-disturb, parked calls, settings to fetch again."""

from __future__ import annotations

import time

from aiohttp import web
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 — pydantic wants this one before Python 3.12

from pbx import events as ev
from pbx.api.answers import Refused, answer, body, did, known, operator
from pbx.api.contract import State
from pbx.apps.forwards import WHATS
from pbx.dialplan.dialling import may_forward
from pbx.dialplan.router import Dialplan


class Forward(TypedDict):
    what: str  # all, busy, no-answer
    to: str  # a number; "" ends it


class Dnd(TypedDict):
    on: bool


class Sync(TypedDict):
    reboot: NotRequired[bool]


class DeskPhoneRoutes:
    """``/v1/endpoints/N/forward``, ``…/dnd``, ``…/sync``, ``/v1/parking`` and ``/v1/mailboxes``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/endpoints/{name}/forward", self._forward),
            web.post("/v1/endpoints/{name}/dnd", self._dnd),
            web.post("/v1/endpoints/{name}/filter", self._filter),
            web.post("/v1/endpoints/{name}/sync", self._sync),
            web.get("/v1/parking", self._parking),
            web.get("/v1/mailboxes", self._mailboxes),
        ]

    def _note(self, request: web.Request, what: str, target: str) -> str:
        who = operator(request)
        self._state.log.append(ev.OperatorDid(who=who, what=what, target=target))
        return who

    async def _forward(self, request: web.Request) -> web.Response:
        name, state = request.match_info["name"], self._state
        known(state.config.endpoints, name, "endpoint")
        asked = await body(request, Forward)
        what, to = asked["what"], asked["to"]
        if what not in WHATS:
            raise Refused(f"what must be one of {', '.join(WHATS)}")
        plan = state.calls.router
        if to and isinstance(plan, Dialplan) and (why := may_forward(plan, name, to)):
            raise Refused(why)
        who = self._note(request, f"forward {what} to {to or 'nowhere'}", name)
        state.equipment.forwards.set(name, what, to, by=who)
        return did(f"endpoint {name}: forward {what} {'to ' + to if to else 'is off'}")

    async def _dnd(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known(self._state.config.endpoints, name, "endpoint")
        on = (await body(request, Dnd))["on"]
        who = self._note(request, f"do not disturb {'on' if on else 'off'}", name)
        self._state.equipment.forwards.set_dnd(name, on, by=who)
        return did(f"endpoint {name}: do not disturb is {'on' if on else 'off'}")

    async def _filter(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known(self._state.config.endpoints, name, "endpoint")
        on = (await body(request, Dnd))["on"]
        if not self._state.config.endpoints[name].secretary:
            raise Refused(f"endpoint {name} has no secretary in the configuration", 409)
        who = self._note(request, f"filter {'on' if on else 'off'}", name)
        self._state.equipment.forwards.set_filter(name, on, by=who)
        return did(f"endpoint {name}: calls go to {'the secretary' if on else name} first")

    async def _sync(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known(self._state.config.endpoints, name, "endpoint")
        reboot = (await body(request, Sync)).get("reboot", False) if request.can_read_body else False
        self._note(request, "check-sync", name)
        count = self._state.notices.check_sync(name, reboot=reboot)
        self._state.agent.pump()
        if not count:
            raise Refused(f"endpoint {name} is not registered")
        return did(f"endpoint {name}: {count} phones were asked to fetch their settings")

    async def _parking(self, request: web.Request) -> web.Response:
        parked = self._state.equipment.lots.all()
        now = time.time()
        return answer(
            [
                {
                    "place": place, "call_id": found.leg.call_id, "caller": found.leg.identity.number, "by": found.by,
                    "parked_s": round(now - found.since_wall, 1),
                }
                for place, found in sorted(parked.items())
            ]
        )  # fmt: skip

    async def _mailboxes(self, request: web.Request) -> web.Response:
        config, boxes = self._state.config, self._state.equipment.mailboxes
        own = [number for number, endpoint in config.endpoints.items() if endpoint.voicemail is not None]
        rows = []
        for name in dict.fromkeys([*own, *config.mailboxes]):
            messages = boxes.messages(name)
            new = sum(not message.heard for message in messages)
            newest = max((message.at_utc for message in messages), default=None)
            rows.append({"mailbox": name, "new": new, "old": len(messages) - new, "newest_utc": newest})
        return answer(rows)
