"""The two listeners. The Unix socket serves every route; the TCP port only metrics and health."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from pbx.api import configuration, metrics
from pbx.api.answers import answer, errors
from pbx.api.callbacks import CallbackRoutes
from pbx.api.calls import CallRoutes
from pbx.api.contract import State
from pbx.api.desk_phones import DeskPhoneRoutes
from pbx.api.feed import Feed
from pbx.api.lines import Lines
from pbx.api.phones import PhoneRoutes
from pbx.api.queues import AgentRoutes, QueueRoutes
from pbx.api.recordings import RecordingRoutes
from pbx.api.supervision import SupervisionRoutes
from pbx.api.system import SystemRoutes
from pbx.api.trace import TraceRoutes
from pbx.api.why import WhyRoutes
from pbx.errors import PbxError

MAX_BODY_BYTES = 64 * 1024


class Control:
    """The control protocol, listening."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._runners: list[web.AppRunner] = []
        self.feed = Feed(state.log, state.reader)
        self.lines = Lines()

    def application(self) -> web.Application:
        """Return every route of the control socket."""
        made = web.Application(middlewares=[errors], client_max_size=MAX_BODY_BYTES)
        for topic in (
            CallRoutes,
            PhoneRoutes,
            DeskPhoneRoutes,
            QueueRoutes,
            AgentRoutes,
            RecordingRoutes,
            CallbackRoutes,
            RecordingRoutes,
            SupervisionRoutes,
            WhyRoutes,
            TraceRoutes,
            SystemRoutes,
        ):
            made.add_routes(topic(self._state).table())
        made.add_routes([*self.feed.table(), *self.lines.table(), *configuration.routes(lambda: self._state.reloader)])
        made.add_routes([web.get("/metrics", self._metrics), web.get("/health", self._health)])
        return made

    async def start(self, socket: Path, http: str | None) -> None:
        """Listen.

        :raises PbxError: when the socket or the port cannot be used.
        """
        self.feed.start()
        self.lines.start()
        socket.parent.mkdir(parents=True, exist_ok=True)
        socket.unlink(missing_ok=True)
        before = os.umask(0o177)  # 0600 from the first moment
        try:
            await self._serve(self.application(), lambda runner: web.UnixSite(runner, str(socket)), str(socket))
        finally:
            os.umask(before)
        if http is not None:
            public = web.Application(middlewares=[errors])
            public.add_routes([web.get("/metrics", self._metrics), web.get("/health", self._health)])
            host, _, port = http.rpartition(":")
            await self._serve(public, lambda runner: web.TCPSite(runner, host.strip("[]"), int(port)), http)

    async def _serve(
        self, application: web.Application, site: Callable[[web.AppRunner], web.BaseSite], shown: str
    ) -> None:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        try:
            await site(runner).start()
        except OSError as error:
            raise PbxError(f"cannot listen on {shown}: {error.strerror or error}") from error

    async def stop(self) -> None:
        self.lines.stop()
        self.feed.stop()
        for runner in self._runners:
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=metrics.scrape(self._state), content_type="text/plain", charset="utf-8")

    async def _health(self, request: web.Request) -> web.Response:
        faults = metrics.faults(self._state)
        status = "ok" if not faults else "degraded"
        return answer({"status": status, "version": self._state.version, "faults": faults}, 200 if not faults else 503)
