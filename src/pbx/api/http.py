"""The control protocol's routes. The Unix socket serves them all; the TCP port only metrics and health."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import orjson
from aiohttp import web

from pbx.api import configuration, wire
from pbx.call.calls import Calls
from pbx.config.config import Config
from pbx.errors import PbxError
from pbx.sip.location import Location
from pbx.store.reader import Reader

log = logging.getLogger(__name__)


class State(Protocol):
    """What the server lets the API see."""

    config: Config
    calls: Calls
    reader: Reader
    started_wall: float
    version: str

    @property
    def reloader(self) -> configuration.Reloads: ...

    @property
    def location(self) -> Location: ...

    def metrics(self) -> bytes: ...
    def status(self) -> dict[str, object]: ...


def _json(data: object, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS), status=status, content_type="application/json"
    )


class Control:
    """The two listeners."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._runners: list[web.AppRunner] = []

    async def start(self, socket: Path, http: str | None) -> None:
        """Listen.

        :raises PbxError: when the socket or the port cannot be used.
        """
        application = web.Application(middlewares=[_errors])
        application.add_routes(
            [
                web.get("/v1/status", self._status),
                web.get("/v1/calls", self._calls),
                web.get("/v1/calls/{id}", self._call),
                web.delete("/v1/calls/{id}", self._hangup),
                web.get("/v1/endpoints", self._endpoints),
                web.get("/v1/registrations", self._registrations),
                web.get("/v1/trunks", self._trunks),
                web.get("/v1/cdr", self._cdr),
                *configuration.routes(lambda: self._state.reloader),
            ]
        )
        socket.parent.mkdir(parents=True, exist_ok=True)
        socket.unlink(missing_ok=True)
        before = os.umask(0o177)  # 0600 from the first moment
        try:
            await self._serve(application, lambda runner: web.UnixSite(runner, str(socket)), str(socket))
        finally:
            os.umask(before)
        if http is not None:
            public = web.Application()
            public.add_routes([web.get("/metrics", self._metrics), web.get("/health", self._health)])
            host, _, port = http.rpartition(":")
            await self._serve(public, lambda runner: web.TCPSite(runner, host.strip("[]"), int(port)), http)

    async def _serve(
        self, application: web.Application, site: Callable[[web.AppRunner], web.BaseSite], shown: str
    ) -> None:
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        try:
            await site(runner).start()
        except OSError as error:
            raise PbxError(f"cannot listen on {shown}: {error.strerror or error}") from error

    async def stop(self) -> None:
        for runner in self._runners:
            await runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        return _json(self._state.status())

    async def _calls(self, request: web.Request) -> web.Response:
        return _json([wire.call_view(call, time.time()) for call in self._state.calls.calls.values()])

    async def _call(self, request: web.Request) -> web.Response:
        call = self._state.calls.find(request.match_info["id"])
        if call is None:
            return _json({"error": f"no call {request.match_info['id']}"}, 404)
        return _json(wire.call_view(call, time.time()))

    async def _hangup(self, request: web.Request) -> web.Response:
        call = self._state.calls.find(request.match_info["id"])
        if call is None:
            return _json({"error": f"no call {request.match_info['id']}"}, 404)
        for leg in list(call.legs.values()):
            leg.hangup("operator")
        return _json({"hung_up": call.call_id})

    async def _endpoints(self, request: web.Request) -> web.Response:
        return _json(wire.endpoint_views(self._state.config, self._state.location, self._state.calls, time.time()))

    async def _registrations(self, request: web.Request) -> web.Response:
        return _json(wire.registration_views(self._state.location, time.time()))

    async def _trunks(self, request: web.Request) -> web.Response:
        return _json(wire.trunk_views(self._state.config, self._state.calls))

    async def _cdr(self, request: web.Request) -> web.Response:
        text = request.query.get("limit", "50")
        if not text.isdigit() or not 1 <= int(text) <= 100_000:
            return _json({"error": "limit must be a number from 1 to 100000"}, 400)
        return _json([asdict(record) for record in await self._state.reader.records(int(text))])

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._state.metrics(), content_type="text/plain", charset="utf-8")

    async def _health(self, request: web.Request) -> web.Response:
        return _json({"status": "ok", "version": self._state.version})


@web.middleware
async def _errors(request: web.Request, handler: Callable[[web.Request], object]) -> web.StreamResponse:
    try:
        return await handler(request)  # type: ignore[misc, no-any-return]
    except web.HTTPException as error:
        return _json({"error": f"{request.method} {request.path}: {error.reason}"}, error.status)
    except PbxError as error:
        return _json({"error": str(error)}, 400)
