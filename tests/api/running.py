"""The API over a house of virtual phones: real HTTP on a real socket, no wire and no engine below."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import orjson

from pbx import events as ev
from pbx.api.http import Control
from pbx.api.pulse import Pulse
from pbx.api.tally import HEARD, Tally
from pbx.apps.conference import Rooms
from pbx.apps.desk import Desk
from pbx.apps.desk_store import MemoryDeskStore
from pbx.apps.forwards import Forgetful, Forwards
from pbx.apps.mailboxes import MemoryMailboxes
from pbx.apps.parking import Lots
from pbx.apps.queue import QueueEntry, queue
from pbx.apps.timed import Timed
from pbx.call.contract import Refusal, Routed
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.signaling.contract import Introduction
from pbx.signaling.line import Line
from pbx.signaling.line import State as TrunkState
from pbx.signaling.virtual import Behaviour
from pbx.sip.location import Location
from pbx.store.archive import Archive
from pbx.store.database import Log
from pbx.store.reader import Reader
from pbx.store.today import KINDS, Today
from tests.fakes.house import House

SOON = Behaviour(ring_after_s=0, answer_after_s=0)
RINGS = Behaviour(ring_after_s=0, answer_after_s=None)

CONFIG = {
    "endpoints": {f"{n}": {"name": f"座席 {n}", "context": "in"} for n in (1001, 1002, 2001, 2002)},
    "trunks": {"carrier": {"proxy": "sip:192.0.2.9", "context": "in", "max-calls": 7}},
    "queues": {"support": {"service-level-s": 20}, "sales": {"strategy": "ring-all"}},
    "agents": {
        "zhang": {"name": "张伟", "endpoint": "2001", "queues": {"support": 1}, "skills": {"english": 3}},
        "li": {"name": "李娜", "endpoint": "2002", "queues": {"support": 2, "sales": 1}},
    },
    "pause-reasons": {"1": {"name": "lunch"}, "2": {"name": "training", "productive": True}},
    "dispositions": {"sold": {"name": "Sold"}},
}


class Texts:
    """Names and texts in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def load(self) -> dict[str, str]:
        return dict(self.kept)

    def save(self, name: str, text: str) -> None:
        self.kept[name] = text


class Running:
    """What the API sees, and a client of it."""

    def __init__(self, directory: Path, phones: Mapping[str, Behaviour], config: Mapping[str, Any]) -> None:
        self.directory = directory
        self.base = directory
        self.config = Config.model_validate({**CONFIG, **config})
        self.version = "test"
        self.started_wall = time.time()
        self.stopped = False
        self.house = House(self.script, phones)
        self.house.calls.router = self
        self.calls = self.house.calls
        self.log = Log(directory / "pbx.db", time.time, time.monotonic)
        self.equipment = SimpleNamespace(
            rooms=Rooms(self.log.append),
            lots=Lots(self.log.append),
            mailboxes=MemoryMailboxes({}),
            forwards=Forwards(Forgetful(), self.log.append, time.time),
        )
        self.notices = SimpleNamespace(check_sync=lambda number, reboot: int(number == "1001"))
        self.location = Location()
        self.texts = Texts()
        line = Line("carrier", self.config.trunks["carrier"], None, "t1")
        line.state = TrunkState.UP
        self.trunks = SimpleNamespace(lines={"carrier": line}, enable=self._enable)
        counters = SimpleNamespace(responses={200: 3, 486: 1}, retransmitted=0)
        self.agent = SimpleNamespace(stack=SimpleNamespace(counters=counters, sizes={"dialogs": 0}))
        self.media = SimpleNamespace(lateness=([90, 9, 1] + [0] * 125, 120_000, 0), cpu_s=0.5, loads=[0.25, 0.5])
        self.routes: dict[str, Any] = {}

    async def open(self) -> None:
        self.log.start()
        self.house.calls.emit = self.emit
        self.desk = Desk(self.config, self.calls, self.emit, seed=1, store=MemoryDeskStore(), wall=time.time)
        self.desk.start()
        self.reader = Reader(self.log.path)
        await self.log.durable()
        await self.reader.start()
        self.tally, self.pulse = Tally(), Pulse()
        self.pulse.start()
        self.today = Today(time.time, "00:00", lambda queue: (20.0, 5.0))
        self.log.hear(self.tally.take, HEARD)
        self.log.hear(self.today.take, KINDS)
        self.timed = Timed(self.desk, self.texts, time.time)
        self.timed.start()
        self.archive = Archive(self.log, lambda: self.directory / "recordings", lambda: None, time.time)
        self.archive.start()
        self.media.ports = self.house.media.ports
        self.control = Control(self)  # type: ignore[arg-type]
        self.socket = self.directory / "pbx.sock"
        await self.control.start(self.socket, None)
        self.session = aiohttp.ClientSession("http://pbx", connector=aiohttp.UnixConnector(str(self.socket)))

    async def close(self) -> None:
        await self.session.close()
        await self.control.stop()
        self.pulse.stop()
        self.timed.stop()
        self.calls.end_all("lost")
        await self.calls.drained()
        self.desk.stop()
        await self.archive.stop()
        await self.reader.stop()
        await self.log.stop()

    def emit(self, event: ev.Event) -> object:
        logged = self.log.append(event)
        self.desk.observe(event)
        return logged

    def status(self) -> dict[str, object]:
        return {
            "version": "test", "pid": 1, "directory": str(self.directory), "uptime_s": 1.0,
            "calls": len(self.calls.calls), "registrations": 0,
        }  # fmt: skip

    def shut_down(self) -> None:
        self.stopped = True

    def _enable(self, name: str, on: bool) -> None:
        self.trunks.lines[name].state = TrunkState.UP if on else TrunkState.DISABLED

    def in_call(self, leg: Leg) -> dict[str, Any]:
        return {}

    def minutes_left_s(self, party: str) -> float:
        return 7200.0

    async def converse(self, leg: Leg, other: Leg, *, charged: str = "") -> None:
        await leg.bridge(other)

    def route(self, introduction: Introduction) -> Routed | Refusal:
        """The dialplan: a number is in ``routes``, or there is no way."""
        script = self.routes.get(introduction.dialled)
        return Routed(script, introduction.dialled, "in") if script is not None else Refusal(404, "Not Found")

    async def script(self, leg: Leg) -> None:
        await leg.answer()
        await leg.echo()

    async def wait(self, leg: Leg) -> None:
        """A script: the queue support."""
        await queue(leg, self.desk, "support", QueueEntry())

    async def ask(self, method: str, path: str, data: Any = None) -> tuple[int, Any]:
        """Send a request; return status and JSON."""
        body = None if data is None else data if isinstance(data, bytes) else orjson.dumps(data)
        async with self.session.request(method, path, data=body) as response:
            return response.status, orjson.loads(await response.read())

    async def get(self, path: str) -> Any:
        status, data = await self.ask("GET", path)
        assert status == 200, data
        return data


@asynccontextmanager
async def running(
    directory: Path, phones: Mapping[str, Behaviour] | None = None, **config: Any
) -> AsyncIterator[Running]:
    """Serve the API while the body runs."""
    made = Running(directory, phones or {}, config)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def until(true: Any) -> None:
    """Let the loop turn until something holds."""
    import asyncio

    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)
