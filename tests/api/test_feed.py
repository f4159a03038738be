"""The event feed: complete, in order, from any place on; a frozen reader harms nobody."""

from __future__ import annotations

import asyncio
import logging
import socket as sockets
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from pbx import events as ev
from pbx.api import feed as feed_module
from tests.api.running import Running, running, until

pytestmark = pytest.mark.asyncio


async def told(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    """Take the next messages."""
    async with asyncio.timeout(5):
        return [orjson.loads(await socket.receive_str()) for _ in range(count)]


def served(pbx: Running, number: int) -> None:
    pbx.emit(ev.CallServed(call_id=f"c{number}", what=str(number)))


async def test_a_reader_gets_what_happens_from_now_on(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx, pbx.session.ws_connect("/v1/feed") as socket:
        (hello,) = await told(socket, 1)
        assert hello["feed"] == 1
        served(pbx, 1)
        (event,) = await told(socket, 1)
        assert event["kind"] == "call.served"
        assert event["seq"] == hello["since"] + 1
        assert event["data"] == {"what": "1"}
        assert event["call_id"] == "c1"


async def test_a_reader_resumes_where_it_stopped_and_misses_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        async with pbx.session.ws_connect("/v1/feed") as socket:
            start = (await told(socket, 1))[0]["since"]
            served(pbx, 1)
            await told(socket, 1)
        for number in range(2, 1500):  # more than a page of the database
            served(pbx, number)
        await pbx.log.durable()
        async with pbx.session.ws_connect(f"/v1/feed?since={start + 1}") as socket:
            await told(socket, 1)
            events = await told(socket, 1498)
            assert [event["seq"] for event in events] == list(range(start + 2, start + 1500))


async def test_what_memory_has_forgotten_comes_from_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "RING", 10)
    async with running(tmp_path) as pbx:
        start = pbx.log.seq
        for number in range(700):
            served(pbx, number)
        async with pbx.session.ws_connect(f"/v1/feed?since={start}") as socket:
            await told(socket, 1)
            events = await told(socket, 700)
            served(pbx, 700)
            events += await told(socket, 1)
            assert [event["data"]["what"] for event in events] == [str(n) for n in range(701)]


async def test_nothing_is_told_before_it_is_on_the_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx, pbx.session.ws_connect("/v1/feed") as socket:
        await told(socket, 1)
        served(pbx, 1)
        (event,) = await told(socket, 1)
        assert event["seq"] <= pbx.log.written


async def test_a_reader_chooses_kinds_and_a_call(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as pbx,
        pbx.session.ws_connect("/v1/feed?kinds=call.,queue.left&call=c2") as socket,
    ):
        await told(socket, 1)
        pbx.emit(ev.MenuEntered(call_id="c2", menu="main"))
        served(pbx, 1)
        served(pbx, 2)
        pbx.emit(ev.QueueLeft(call_id="c2", queue="support"))
        assert [(e["kind"], e["call_id"]) for e in await told(socket, 2)] == [
            ("call.served", "c2"),
            ("queue.left", "c2"),
        ]


async def test_the_bulk_for_replays_is_for_who_asks(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        async with pbx.session.ws_connect("/v1/feed") as socket:
            await told(socket, 1)
            pbx.emit(ev.AcdFed(at=1.0, fed="{}"))
            served(pbx, 1)
            assert (await told(socket, 1))[0]["kind"] == "call.served"
        async with pbx.session.ws_connect("/v1/feed?kinds=acd.fed") as socket:
            await told(socket, 1)
            pbx.emit(ev.AcdFed(at=1.0, fed="{}"))
            assert (await told(socket, 1))[0]["kind"] == "acd.fed"


async def test_a_reader_who_comes_too_late_is_told_what_is_lost(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        for number in range(20):
            served(pbx, number)
        await pbx.log.execute([("DELETE FROM events WHERE seq <= 10", ())])
        async with pbx.session.ws_connect("/v1/feed?since=3&kinds=call.served") as socket:
            (_, lost) = await told(socket, 2)
            assert lost == {"lost": {"after": 3, "before": 11}}


@pytest.mark.parametrize(
    ("query", "status", "why"),
    [
        ("since=x", 400, "since must be the seq"),
        ("since=99999", 409, "is it another server?"),
        ("kinds=nothing.", 400, "no kind of event begins with nothing."),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(tmp_path: Path, query: str, status: int, why: str) -> None:
    async with running(tmp_path) as pbx:
        got, said = await pbx.ask("GET", f"/v1/feed?{query}")
        assert got == status
        assert why in said["error"]


async def test_a_frozen_reader_is_dropped_and_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "SEND_S", 0.2)
    async with running(tmp_path) as pbx:
        frozen = sockets.socket(sockets.AF_UNIX)
        frozen.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(frozen, str(pbx.socket))
        await loop.sock_sendall(
            frozen,
            b"GET /v1/feed HTTP/1.1\r\nHost: pbx\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        )
        async with pbx.session.ws_connect("/v1/feed") as socket:
            await told(socket, 1)
            await until(lambda: pbx.control.feed.readers == 2)
            text = "x" * 1000
            began = time.monotonic()
            for number in range(2000):
                pbx.emit(ev.CallServed(call_id=f"c{number}", what=text))
            assert time.monotonic() - began < 1.0  # who emits waits for no reader
            events = await told(socket, 2000)
            assert events[-1]["call_id"] == "c1999"
            await until(lambda: pbx.control.feed.dropped == 1)
            await until(lambda: pbx.control.feed.readers == 1)
            served(pbx, 1)
            await told(socket, 1)
        frozen.close()


async def test_the_log_is_followed_with_filters(tmp_path: Path) -> None:
    speaker = logging.getLogger("pbx.media.engine")
    async with running(tmp_path) as pbx:
        speaker.warning("before")
        async with pbx.session.ws_connect("/v1/log/follow?level=warning&room=media&text=QUICK") as socket:
            speaker.info("the quick brown fox")
            logging.getLogger("pbx.sip.stack").error("a quick dog")
            speaker.error("no fox")
            speaker.warning("a quick fox", extra={"call": "c7"})
            (line,) = await told(socket, 1)
            assert (line["message"], line["call"], line["room"]) == ("a quick fox", "c7", "media")
        async with pbx.session.ws_connect("/v1/log/follow?last=1&text=before") as socket:
            assert (await told(socket, 1))[0]["message"] == "before"
        got, said = await pbx.ask("GET", "/v1/log/follow?level=loud")
        assert (got, said["error"]) == (400, "loud is no level: debug, info, warning or error")
