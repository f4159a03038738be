"""An office in virtual time, with as many calls at once as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

from pbx.apps.conference import Rooms
from pbx.apps.desk import Desk
from pbx.apps.desk_store import Texts
from pbx.apps.forwards import Forgetful, Forwards
from pbx.apps.mailboxes import MemoryMailboxes
from pbx.apps.parking import Lots
from pbx.apps.voicemail import Limits
from pbx.call.calls import Calls
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.config.testfile import TestCase
from pbx.dialplan.equipment import Equipment, LookupClient, Switches
from pbx.dialplan.people import Others
from pbx.dialplan.router import Dialplan
from pbx.dialplan.targets import PlanTargets
from pbx.media.virtual import VirtualMedia, VirtualPort
from pbx.signaling.virtual import Behaviour, VirtualPhones, VirtualSignal, introduction
from pbx.sip.message import Request
from pbx.sip.stack import Ids
from pbx.store.database import MemoryLog
from pbx.virtual import run_virtual

WALL = 1_795_572_000.0


class Floor:
    """The house of one configuration. ``phones`` says what each party does when it is rung."""

    def __init__(
        self,
        config: Mapping[str, Any] | Config,
        phones: Mapping[str, Behaviour] | None = None,
        texts: Texts | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()

        def wall() -> float:
            return WALL + loop.time()

        self.config = config if isinstance(config, Config) else Config.model_validate(config)
        self.behaviour: dict[str, Behaviour] = dict(phones or {})
        self.log = MemoryLog(wall, loop.time)
        self.media = VirtualMedia()
        self.phones = VirtualPhones(lambda destination: self.behaviour.get(destination.party, Behaviour()))
        self.equipment = Equipment(
            emit=self.log.append,
            wall=wall,
            recordings=lambda name: Path("/virtual") / name,
            lookups=cast(LookupClient, None),
            switches=Switches({}, lambda name, state: None, self.log.append),
            mailboxes=MemoryMailboxes(lambda name: Limits(pin="1234") if name in self.config.endpoints else None),
            rooms=Rooms(self.log.append),
            forwards=Forwards(texts or Forgetful(), self.log.append, wall),
            lots=Lots(self.log.append),
        )
        self.plan = Dialplan(self.config, self.equipment)
        case = TestCase.model_validate({"name": "floor", "from": "", "dial": ""})
        targets = PlanTargets(
            lambda: self.config, Others(self.config, case), wall, disturb_not=self.equipment.forwards.disturb_not
        )
        self.calls = Calls(self.phones, self.media, self.plan, targets, self.log.append, Ids(1), wall, ["pcma"])  # type: ignore[arg-type]
        self.desk = Desk(self.config, self.calls, self.log.append, seed=1, wall=wall)
        self.equipment.desk = self.desk
        self.desk.start()

    def call(self, source: str, dialled: str, caller: str = "") -> tuple[Leg, VirtualSignal]:
        """Let a party (``endpoint/1001``) dial a number."""
        signal = VirtualSignal(None, incoming=True)  # type: ignore[arg-type]
        leg = self.calls.invited(signal, introduction(source, caller or source.partition("/")[2], dialled))
        signal.events = leg
        return leg, signal

    def press(self, leg: Leg, keys: str) -> None:
        """Let a party press keys, one after the other."""
        port = leg.port
        assert isinstance(port, VirtualPort)
        for key in keys:
            port.press(key)

    def rung(self) -> list[str]:
        """Return every party that was rung, in order."""
        return [placed.destination.party for placed in self.phones.placed]

    def heard(self, leg: Leg) -> list[str]:
        """Return what a leg was given to hear."""
        assert leg.media is not None
        port = leg.media.port
        assert isinstance(port, VirtualPort)
        return [said.what for said in port.said]


def refer(number: str, *headers: tuple[str, str]) -> Request:
    """Make the REFER of a blind transfer."""
    request = Request("REFER", "sip:pbx@192.0.2.1")
    request.headers["Refer-To"] = [f"<sip:{number}@pbx>"]
    for name, value in headers:
        request.add(name, value)
    return request


def on_floor(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test's body in virtual time."""

    async def body() -> None:
        await test()

    run_virtual(body())
