"""The call room over virtual phones and media, for tests that run in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pbx.call.calls import Calls
from pbx.call.contract import Refusal, Routed, Script
from pbx.call.leg import Leg
from pbx.errors import Unreachable
from pbx.media.virtual import VirtualMedia
from pbx.signaling.contract import Destination, Introduction
from pbx.signaling.virtual import Behaviour, VirtualPhones, VirtualSignal, introduction
from pbx.sip.message import Flow
from pbx.sip.stack import Ids
from pbx.sip.uri import Uri
from pbx.store.database import MemoryLog
from pbx.virtual import run_virtual

WALL = 1_800_000_000.0


class House:
    """Everything a call needs, without a wire. *script* is what every caller gets."""

    def __init__(
        self,
        script: Script | Refusal,
        behaviour: Mapping[str, Behaviour] | Callable[[Destination], Behaviour] | None = None,
        *,
        media: VirtualMedia | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.script = script
        self.phones = VirtualPhones(behaviour or {})
        self.media = media or VirtualMedia()
        self.log = MemoryLog(lambda: WALL + loop.time(), loop.time)
        self.calls = Calls(
            self.phones, self.media, self, self, self.log.append, Ids(1), lambda: WALL + loop.time(), ["pcma", "pcmu"]
        )

    def route(self, introduction: Introduction) -> Routed | Refusal:
        return self.script if isinstance(self.script, Refusal) else Routed(self.script)

    def in_call(self, leg: Leg) -> dict[str, Any]:
        return {}

    def minutes_left_s(self, party: str) -> float:
        return 7200.0

    async def converse(self, leg: Leg, other: Leg, *, charged: str = "") -> None:
        await leg.bridge(other)

    def resolve(self, target: str, leg: Leg, *, number: str = "", caller: str = "") -> Sequence[Destination]:
        if target.startswith("nobody/"):
            raise Unreachable(f"{target} is not registered")
        flow = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.10", 5060))
        return [Destination(target, Uri("sip", number or target.partition("/")[2], "192.0.2.10"), flow)]

    def caller(self, source: str = "endpoint/1001", dialled: str = "1002") -> tuple[Leg, VirtualSignal]:
        """Let somebody call in."""
        text = introduction(source, source.partition("/")[2], dialled)
        signal = VirtualSignal(None, incoming=True)  # type: ignore[arg-type]
        leg = self.calls.invited(signal, text)
        signal.events = leg
        return leg, signal

    def kinds(self) -> list[str]:
        return [event.KIND for event in self.log.events]


def in_house(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test's body in virtual time."""

    async def body() -> None:
        await test()

    run_virtual(body())
