"""The event feed: ``/v1/feed`` is a WebSocket that carries the log as it becomes durable, from any place on.

A reader says where it stopped (``since``) and gets everything after it, from memory where it is recent, else from the
database; nothing is told before it is on the disk, so what a reader saw is true after a crash as well. What a reader
has not taken yet is kept for it nowhere: one that is slow reads from the database, one that is frozen is dropped, and
nobody else notices.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from itertools import takewhile

import orjson
from aiohttp import WSMsgType, web

from pbx.api.answers import Refused
from pbx.api.shapes import VERSION
from pbx.events import KINDS, Logged
from pbx.store.database import Log
from pbx.store.reader import Reader

log = logging.getLogger(__name__)

RING = 2_000  # events kept in memory for readers that are nearly up to date
PAGE = 500  # events read from the database at once
MOST_READERS = 100
SEND_S = 10.0  # a reader that takes nothing for so long is frozen
QUIET_KINDS = ("acd.fed",)  # bulk for `pbx acd replay`: only who asks for it gets it

Wanted = Callable[[Logged], bool]


class Feed:
    """Every reader of the feed."""

    def __init__(self, events: Log, reader: Reader) -> None:
        self._log = events
        self._reader = reader
        self._ring: deque[Logged] = deque(maxlen=RING)
        self._wakes: set[asyncio.Event] = set()
        self.dropped = 0  # readers that were frozen

    def start(self) -> None:
        self._log.listeners.append(self._ring.append)
        self._log.on_written.append(self._written)

    def stop(self) -> None:
        self._log.listeners.remove(self._ring.append)
        self._log.on_written.remove(self._written)

    def forget(self) -> None:
        """Let go of what the log has too: it would keep the memory of a rush in small pieces."""
        self._ring.clear()

    @property
    def readers(self) -> int:
        return len(self._wakes)

    def table(self) -> list[web.RouteDef]:
        return [web.get("/v1/feed", self._serve)]

    def _written(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one reader.

        :raises Refused: for a question that makes no sense, or one reader too many.
        """
        wanted = _wanted(request)
        cursor = await self._since(request)
        if len(self._wakes) >= MOST_READERS:
            raise Refused(f"{MOST_READERS} readers follow the feed already", 503)
        socket = web.WebSocketResponse(heartbeat=30.0, compress=False)
        await socket.prepare(request)
        wake = asyncio.Event()
        self._wakes.add(wake)
        sender = asyncio.get_running_loop().create_task(self._send(socket, wake, cursor, wanted), name="feed")
        sender.add_done_callback(lambda task: self._over(task, request))
        try:
            async for message in socket:  # nothing is expected; a close ends it
                if message.type is WSMsgType.ERROR:
                    break
        finally:
            self._wakes.discard(wake)
            sender.cancel()
        return socket

    def _over(self, task: asyncio.Task[None], request: web.Request) -> None:
        """Drop a reader whose sending ended: it does not take what it is sent, or is gone."""
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, TimeoutError):
            self.dropped += 1
            log.warning("x a reader of the feed is frozen: dropped")
        elif error is not None and not isinstance(error, ConnectionError):
            log.error("x a reader of the feed is dropped", exc_info=error)
        if request.transport is not None:
            request.transport.abort()

    async def _since(self, request: web.Request) -> int:
        """Return after which event to begin.

        :raises Refused: for a place that is not in the log.
        """
        text = request.query.get("since", "")
        latest = self._log.written
        if not text:
            return latest
        if not text.isascii() or not text.isdigit():
            raise Refused("since must be the seq of an event, or 0 for everything")
        if int(text) > self._log.seq:
            raise Refused(
                f"since={text} is not in this log, whose latest event is {latest}: is it another server?", 409
            )
        return int(text)

    async def _send(self, socket: web.WebSocketResponse, wake: asyncio.Event, cursor: int, wanted: Wanted) -> None:
        await self._put(socket, {"feed": VERSION, "seq": self._log.written, "since": cursor})
        oldest = await self._reader.oldest()
        if cursor + 1 < oldest:
            await self._put(socket, {"lost": {"after": cursor, "before": oldest}})
        while True:
            wake.clear()
            page = await self._next(cursor)
            for entry in page:
                if wanted(entry):
                    await self._put(socket, shown(entry))
            if page:
                cursor = page[-1].seq
            else:
                await wake.wait()

    async def _next(self, cursor: int) -> list[Logged]:
        """Return what comes after *cursor* and is durable: from memory, or a page from the database."""
        written = self._log.written
        if cursor >= written:
            return []
        if self._ring and self._ring[0].seq <= cursor + 1:
            new = list(takewhile(lambda entry: entry.seq > cursor, reversed(self._ring)))
            return [entry for entry in reversed(new) if entry.seq <= written]
        return [entry for entry in await self._reader.after(cursor, PAGE) if entry.seq <= written]

    @staticmethod
    async def _put(socket: web.WebSocketResponse, data: object) -> None:
        async with asyncio.timeout(SEND_S):
            await socket.send_str(orjson.dumps(data).decode())


def shown(entry: Logged) -> dict[str, object]:
    """Return an event as the feed shows it."""
    event = entry.event
    return {
        "seq": entry.seq,
        "at_utc": entry.at_utc,
        "kind": event.KIND,
        "version": event.VERSION,
        "call_id": event.call_id,
        "leg_id": event.leg_id,
        "data": event.payload(),
    }


def _wanted(request: web.Request) -> Wanted:
    """Read which events a reader wants: ``kinds=call.,queue.left`` and ``call=ID``.

    :raises Refused: for a kind that does not exist.
    """
    prefixes = tuple(word for word in request.query.get("kinds", "").split(",") if word)
    for prefix in prefixes:
        if not any(kind.startswith(prefix) for kind in KINDS):
            raise Refused(f"no kind of event begins with {prefix}; docs/events.md has them all")
    call_id = request.query.get("call", "")

    def wanted(entry: Logged) -> bool:
        kind = entry.event.KIND
        if call_id and entry.event.call_id != call_id:
            return False
        return kind.startswith(prefixes) if prefixes else kind not in QUIET_KINDS

    return wanted
