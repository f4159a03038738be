"""Routes of phones and trunks."""

from __future__ import annotations

import time

from aiohttp import web

from pbx import events as ev
from pbx.api import wire
from pbx.api.answers import answer, did, known, operator
from pbx.api.contract import State


class PhoneRoutes:
    """``/v1/endpoints``, ``/v1/registrations`` and ``/v1/trunks``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/endpoints", self._endpoints),
            web.get("/v1/endpoints/{name}", self._endpoint),
            web.get("/v1/registrations", self._registrations),
            web.get("/v1/trunks", self._trunks),
            web.post("/v1/trunks/{name}/enable", self._enable),
            web.post("/v1/trunks/{name}/disable", self._disable),
        ]

    async def _endpoints(self, request: web.Request) -> web.Response:
        state = self._state
        return answer(wire.endpoint_views(state.config, state.location, state.calls, state.desk, time.time()))

    async def _endpoint(self, request: web.Request) -> web.Response:
        state = self._state
        name = request.match_info["name"]
        known(state.config.endpoints, name, "endpoint")
        rows = wire.endpoint_views(state.config, state.location, state.calls, state.desk, time.time())
        return answer(next(row for row in rows if row["endpoint"] == name))

    async def _registrations(self, request: web.Request) -> web.Response:
        return answer(wire.registration_views(self._state.location, time.time()))

    async def _trunks(self, request: web.Request) -> web.Response:
        return answer(wire.trunk_views(self._state.config, self._state.trunks, self._state.calls))

    async def _enable(self, request: web.Request) -> web.Response:
        return self._switch(request, True)

    async def _disable(self, request: web.Request) -> web.Response:
        return self._switch(request, False)

    def _switch(self, request: web.Request, on: bool) -> web.Response:
        name = request.match_info["name"]
        known(self._state.trunks.lines, name, "trunk")
        word = "enable" if on else "disable"
        self._state.log.append(ev.OperatorDid(who=operator(request), what=f"{word} trunk", target=name))
        self._state.trunks.enable(name, on)
        return did(f"trunk {name} is {word}d: it is {self._state.trunks.lines[name].state.value}")
