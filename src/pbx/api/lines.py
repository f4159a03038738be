"""The server's own log, followed from elsewhere: ``/v1/log/follow`` is a WebSocket of its lines, filtered."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from typing import TypedDict

import orjson
from aiohttp import web

from pbx.api.answers import Refused, whole

KEPT = 1_000  # lines to look back
QUEUED = 1_000  # lines that a reader may be behind


class Line(TypedDict):
    at_utc: float
    level: str
    room: str
    call: str
    message: str


class Lines(logging.Handler):
    """Keeps the latest lines and hands new ones to whoever follows; never waits for a reader."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._own = threading.get_ident()
        self._kept: deque[Line] = deque(maxlen=KEPT)
        self._readers: set[Follower] = set()

    def start(self) -> None:
        logging.getLogger().addHandler(self)

    def stop(self) -> None:
        logging.getLogger().removeHandler(self)

    def table(self) -> list[web.RouteDef]:
        return [web.get("/v1/log/follow", self._serve)]

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        room = record.name.removeprefix("pbx.").partition(".")[0]
        line: Line = {
            "at_utc": record.created,
            "level": record.levelname.lower(),
            "room": room,
            "call": str(getattr(record, "call", "")),
            "message": message,
        }
        if threading.get_ident() == self._own:
            self._take(line)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, line)

    def _take(self, line: Line) -> None:
        self._kept.append(line)
        for reader in self._readers:
            reader.take(line)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one reader.

        :raises Refused: for a level that is none.
        """
        follower = Follower(request)
        last = whole(request, "last", 20, 0, KEPT)
        for line in [line for line in self._kept if follower.wants(line)][-last:] if last else []:
            follower.take(line)
        socket = web.WebSocketResponse(heartbeat=30.0, compress=False)
        await socket.prepare(request)
        self._readers.add(follower)
        sender = asyncio.get_running_loop().create_task(follower.send(socket), name="log follower")
        try:
            async for _ in socket:
                pass
        finally:
            self._readers.discard(follower)
            sender.cancel()
        return socket


class Follower:
    """One who follows, with what they want to see and a bounded queue."""

    def __init__(self, request: web.Request) -> None:
        query = request.query
        level = query.get("level", "debug")
        names = logging.getLevelNamesMapping()
        if level.upper() not in names:
            raise Refused(f"{level} is no level: debug, info, warning or error")
        self._least = names[level.upper()]
        self._room, self._call, self._text = query.get("room", ""), query.get("call", ""), query.get("text", "")
        self._queue: deque[Line] = deque()
        self._wake = asyncio.Event()
        self._lost = 0

    def wants(self, line: Line) -> bool:
        return (
            logging.getLevelNamesMapping()[line["level"].upper()] >= self._least
            and (not self._room or line["room"] == self._room)
            and (not self._call or line["call"] == self._call)
            and (not self._text or self._text.casefold() in line["message"].casefold())
        )

    def take(self, line: Line) -> None:
        if not self.wants(line):
            return
        if len(self._queue) >= QUEUED:
            self._lost += 1
        else:
            self._queue.append(line)
        self._wake.set()

    async def send(self, socket: web.WebSocketResponse) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await socket.send_str(orjson.dumps(self._queue.popleft()).decode())
            if self._lost:
                lost, self._lost = self._lost, 0
                await socket.send_str(orjson.dumps({"lost": lost}).decode())
