"""Listen, whisper, barge, take over: who hears whom, and that it stays so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pbx import events as ev
from pbx.apps.supervision import Mode, conversation_of, supervise, watched_leg
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.signaling.virtual import Behaviour, VirtualSignal
from tests.apps.test_queue import Centre, config
from tests.fakes.house import in_house


class Watched(Centre):
    """A caller talks with agent a1; the supervisor's call is next."""

    def __init__(self, mode: Mode = Mode.LISTEN, talk_s: float = 60) -> None:
        super().__init__(config(agents=1), {"endpoint/2001": Behaviour(answer_after_s=2, talk_s=talk_s)})
        self.mode = mode
        self.own: Leg | None = None
        self.own_signal: VirtualSignal | None = None

    async def open(self) -> None:
        self.desk.login("a1")
        self.caller, self.caller_signal = self.house.caller("trunk/carrier", "800")
        await asyncio.sleep(3)
        agent = conversation_of(self.house.calls, "endpoint/2001")
        assert agent is not None
        assert watched_leg(self.house.calls, self.caller.call_id) is agent
        self.agent = agent

        async def script(leg: Leg) -> None:
            await supervise(self.house.calls, leg, agent, self.mode, self.house.log.append, "boss")

        self.house.script = script
        self.own, self.own_signal = self.house.caller("endpoint/2050", "*55")
        await asyncio.sleep(0.1)

    def hears(self) -> dict[str, str]:
        """Say who hears whom: c caller, a agent, s supervisor."""
        caller, agent, own = (leg.media.port for leg in (self.caller, self.agent, self.own))  # type: ignore[union-attr]
        names = {caller: "c", agent: "a", own: "s"}
        return {names[port]: "".join(sorted(names[p] for p in port.hears)) for port in names}  # type: ignore[attr-defined]

    def press(self, key: str) -> None:
        assert self.own is not None
        self.own.on_digit(key, 100)


def run(body: Callable[[], Awaitable[None]]) -> None:
    in_house(body)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.LISTEN, {"c": "a", "a": "c", "s": "ac"}),
        (Mode.WHISPER, {"c": "a", "a": "cs", "s": "ac"}),
        (Mode.BARGE, {"c": "as", "a": "cs", "s": "ac"}),
    ],
)
def test_who_hears_whom(mode: Mode, expected: dict[str, str]) -> None:
    async def body() -> None:
        watched = Watched(mode)
        await watched.open()
        assert watched.hears() == expected

    run(body)


def test_keys_change_the_mode_and_are_for_nobody_else() -> None:
    async def body() -> None:
        watched = Watched()
        await watched.open()
        for key, agent in (("5", "cs"), ("4", "c"), ("6", "cs"), ("9", "cs")):
            watched.press(key)
            await asyncio.sleep(0.1)
            assert watched.hears()["a"] == agent
        assert watched.own.media.port.consuming  # type: ignore[union-attr]
        modes = [event.mode for event in watched.all(ev.SupervisorDid)]
        assert modes == ["listen", "whisper", "listen", "barge"]
        await watched.house.calls.drained()
        assert [event.mode for event in watched.all(ev.SupervisorDid)][-1] == "left"

    run(body)


def test_when_the_supervisor_leaves_nobody_notices() -> None:
    async def body() -> None:
        watched = Watched(Mode.BARGE)
        await watched.open()
        assert watched.own_signal is not None
        watched.own_signal.leave()
        await asyncio.sleep(0.1)
        caller, agent = watched.caller.media.port, watched.agent.media.port  # type: ignore[union-attr]
        assert caller.hears == {agent}  # type: ignore[attr-defined]
        assert agent.hears == {caller}  # type: ignore[attr-defined]
        await watched.house.calls.drained()
        assert watched.exits() == ["answered"]

    run(body)


def test_taking_over_frees_the_agent_and_keeps_the_caller() -> None:
    async def body() -> None:
        watched = Watched(talk_s=3600)
        await watched.open()
        watched.press("7")
        await asyncio.sleep(1)
        assert watched.desk.state("a1").value == "wrap-up"
        assert watched.agent.end is not None
        assert watched.own is not None
        assert watched.caller.peer is watched.own
        assert watched.own.media.port.hears == {watched.caller.media.port}  # type: ignore[union-attr]
        assert not watched.own.media.port.consuming  # type: ignore[union-attr]
        watched.caller_signal.leave()
        await watched.house.calls.drained()
        assert watched.own.end is not None

    run(body)


def test_the_end_of_the_conversation_ends_it() -> None:
    async def body() -> None:
        watched = Watched(talk_s=10)
        await watched.open()
        await asyncio.sleep(20)
        assert watched.own is not None
        assert watched.own.end is not None
        assert watched.house.calls.calls == {}

    run(body)


def test_rights_come_from_the_agent_or_the_team() -> None:
    async def body() -> None:
        made = config(agents=2).model_dump(by_alias=True, exclude_defaults=True)
        made["agents"]["a1"]["team"] = "floor"
        made["agents"]["boss"] = {"endpoint": "2050", "rights": ["supervise"]}
        made["teams"] = {"floor": {"supervisors": ["2060", "a2"]}}
        desk = Centre(Config.model_validate(made)).desk
        assert desk.may_supervise("2050", "a1")
        assert desk.may_supervise("2060", "a1")
        assert desk.may_supervise("2002", "a1")
        assert not desk.may_supervise("2002", "a2")
        assert not desk.may_supervise("2070", "a1")
        assert (desk.agent_named("a1"), desk.agent_named("2001"), desk.agent_named("nobody")) == ("a1", "a1", "")

    run(body)
