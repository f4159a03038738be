"""Callbacks that were promised: see them, take one back."""

from __future__ import annotations

import time

from aiohttp import web

from pbx.api.answers import NotHere, answer, did
from pbx.api.contract import State
from pbx.api.queues import note
from pbx.api.shapes import CallbackShape


class CallbackRoutes:
    """``/v1/callbacks``."""

    def __init__(self, state: State) -> None:
        self._state = state

    def table(self) -> list[web.RouteDef]:
        return [web.get("/v1/callbacks", self._list), web.delete("/v1/callbacks/{id}", self._cancel)]

    async def _list(self, request: web.Request) -> web.Response:
        desk = self._state.desk
        shown: list[CallbackShape] = [
            {
                "callback_id": promised.memory.callback_id,
                "queue": promised.memory.queue,
                "number": promised.memory.number,
                "since_utc": promised.memory.since,
                "expires_utc": promised.memory.expires_at,
                "attempts": promised.memory.attempt,
                "position": desk.core.position(promised.memory.callback_id),
            }
            for promised in desk.callbacks
        ]
        return answer(shown)

    async def _cancel(self, request: web.Request) -> web.Response:
        named = request.match_info["id"]
        promised = self._state.desk.callbacks.find(named)
        if promised is None:
            raise NotHere(f"no callback {named}; `pbx callback list` lists them")
        note(self._state, request, "cancel callback", named)
        self._state.desk.callbacks.cancel(named)
        told = time.strftime("%H:%M", time.localtime(promised.memory.since))
        return did(f"{promised.memory.number} is not called back (waited since {told})")
