"""The boss and the secretary: who is rung first, who passes, and who may turn it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pbx import events as ev
from pbx.call.leg import LegState
from pbx.config.config import Config
from pbx.dialplan.check import check
from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor, refer
from tests.dialplan.test_features import ANSWERS, office

PHONES = {f"endpoint/{n}": ANSWERS for n in ("1001", "1002", "1003")}


def firm(**boss: Any) -> dict[str, Any]:
    """1001 is the boss, 1002 the secretary; 1003 always passes."""
    config = office()
    config["endpoints"]["1001"] |= {"secretary": "1002", "filter": True, "filter-pass": ["1003", "+8613700000000"]}
    config["endpoints"]["1001"] |= boss
    return config


@pytest.mark.parametrize(
    ("source", "caller", "rung"),
    [
        ("endpoint/1004", "1004", "endpoint/1002"), ("trunk/line", "+8613900000000", "endpoint/1002"),
        ("endpoint/1002", "1002", "endpoint/1001"), ("endpoint/1003", "1003", "endpoint/1001"),
        ("trunk/line", "+8613700000000", "endpoint/1001"),
    ],
)  # fmt: skip
def test_calls_go_to_the_secretary_but_for_those_who_pass(source: str, caller: str, rung: str) -> None:
    async def body() -> None:
        floor = Floor(firm(), PHONES)
        leg, _ = floor.call(source, "1001", caller)
        await asyncio.sleep(3)
        assert floor.rung() == [rung]
        assert leg.peer is not None
        assert leg.peer.party == rung

    on_floor(body)


def test_the_secretary_puts_a_caller_through() -> None:
    async def body() -> None:
        floor = Floor(firm(), PHONES)
        caller, _ = floor.call("trunk/line", "1001", "+8613900000000")
        await asyncio.sleep(3)
        assert caller.peer is not None
        caller.peer.on_request(refer("1001"), None)  # type: ignore[arg-type]
        await asyncio.sleep(3)
        assert caller.peer is not None
        assert caller.peer.party == "endpoint/1001"

    on_floor(body)


def test_a_secretary_who_is_away_is_as_if_the_boss_did_not_answer() -> None:
    async def body() -> None:
        floor = Floor(firm(), {**PHONES, "endpoint/1002": Behaviour(status=486)})
        leg, _ = floor.call("endpoint/1004", "1001")
        await asyncio.sleep(5)
        assert floor.rung() == ["endpoint/1002"]
        assert floor.heard(leg)[0] == "voicemail-unavailable"
        leg.hangup()
        forwarded = Floor(firm(forward={"no-answer": "1003"}), {**PHONES, "endpoint/1002": Behaviour(status=486)})
        forwarded.call("endpoint/1004", "1001")
        await asyncio.sleep(5)
        assert forwarded.rung() == ["endpoint/1002", "endpoint/1003"]

    on_floor(body)


def test_a_redirecting_secretary_sends_nobody_out_on_the_boss_account() -> None:
    async def body() -> None:
        floor = Floor(firm(), {"trunk/line": ANSWERS})
        floor.call("endpoint/1004", "1001")
        await asyncio.sleep(0.5)
        floor.phones.placed[0].signal.events.on_failed(302, "", ["<sip:13912345678@192.0.2.10>"])
        await asyncio.sleep(3)
        assert floor.rung() == ["endpoint/1002"]

    on_floor(body)


def test_both_may_turn_it_and_nobody_else() -> None:
    async def body() -> None:
        floor = Floor(firm(), PHONES)
        said = []
        for phone, code in (
            ("1001", "*37"),
            ("1002", "*37"),
            ("1002", "*371001"),
            ("1003", "*37"),
            ("1003", "*371001"),
        ):
            leg, _ = floor.call(f"endpoint/{phone}", code)
            await floor.calls.drained()
            said.append(floor.heard(leg)[0])
        assert said == ["filter-off", "filter-on", "filter-off", "not-allowed", "not-allowed"]
        assert [(e.endpoint, e.what, e.value) for e in floor.log.events if isinstance(e, ev.EndpointSet)] == [
            ("1001", "filter", "off"), ("1001", "filter", "on"), ("1001", "filter", "off"),
        ]  # fmt: skip
        leg, _ = floor.call("endpoint/1004", "1001")
        await asyncio.sleep(3)
        assert floor.rung() == ["endpoint/1001"]
        assert leg.state is LegState.UP
        assert floor.equipment.forwards.changed(lambda name: None) == ["endpoint 1001: calls go to them first"]

    on_floor(body)


def test_check_knows_a_filter_that_cannot_work() -> None:
    def messages(**boss: Any) -> str:
        return "\n".join(str(finding) for finding in check(Config.model_validate(firm(**boss))))

    assert "its own secretary" in messages(secretary="1001")
    assert "has no secretary" in messages(secretary=[])
    assert "1999" in messages(secretary="1999")
