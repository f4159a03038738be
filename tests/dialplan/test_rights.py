"""No path by forward, transfer, park, pickup, conference or callback lets a phone reach what it may not dial."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.call.contract import Refusal
from pbx.call.leg import Leg, LegState
from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor, refer

PHONES = ("1001", "1002", "1003", "1004")
RIGHTS = ("internal", "local", "mobile", "national", "service", "international")
NUMBERS = ("61234567", "13912345678", "01012345678", "10086", "0044201234567", "95588", "+8613800000000", "110", "1003")
ANSWERS = Behaviour(answer_after_s=1)
OUTBOUND = {"match": ["+.", "1XX", "10XXX", "95XXX"], "do": [{"dial": "trunk/line"}]}


@st.composite
def offices(draw: st.DrawFn) -> dict[str, Any]:
    """Phones with rights, contexts, groups and forwards as they come."""
    routes = [
        {"match": "10XX", "do": [{"dial": "endpoint/{number}", "ring-s": 15.0}]},
        {"match": "900", "do": {"conference": "m", "moderator": True}},
        {"match": "800", "do": {"queue": "q"}},
        {"match": "95XXX", "right": "international", "do": [{"dial": "trunk/line"}]},
    ]
    endpoints = {}
    for number in PHONES:
        forwards = draw(
            st.dictionaries(st.sampled_from(["all", "busy", "no-answer"]), st.sampled_from(NUMBERS), max_size=2)
        )
        endpoints[number] = {
            "context": draw(st.sampled_from(["in", "outside-too", "lobby"])),
            "country": "CN",
            "area-code": "021",
            "rights": draw(st.lists(st.sampled_from(RIGHTS), unique=True)),
            "groups": draw(st.lists(st.sampled_from(["red", "blue"]), unique=True)),
            "forward": {**forwards, "after-s": 5.0} if forwards else None,
            "secretary": draw(st.sampled_from([(), ("1001",), ("1002",)])) if number != "1001" else (),
            "filter": draw(st.booleans()),
        }
    endpoints["1009"] = {"context": "in"}
    return {
        "endpoints": endpoints,
        "trunks": {"line": {"proxy": "sip:192.0.2.9", "context": "from-line", "country": "CN", "area-code": "021"}},
        "contexts": {
            "in": {"route": routes},
            "outside-too": {"include": ["in", "out"], "route": []},
            "lobby": {"route": routes[:1] if draw(st.booleans()) else []},
            "out": {"route": [OUTBOUND]},
            "from-line": {"route": routes[:1]},
        },
        "conferences": {"m": {}},
        "queues": {"q": {"callback": {"offer-after-s": 1.0, "trunk": "line", "tries": 1}}},
        "agents": {"zhang": {"endpoint": "1009", "queues": {"q": 1}}},
        "parking": {"lots": "701-709", "recall-s": 20.0},
        "feature_codes": {"profile": "default"},
        "emergency": {"trunks": ["line"]},
    }


def outside(floor: Floor) -> list[str]:
    """Return every number that was dialled on the trunk."""
    return [p.destination.uri.user for p in floor.phones.placed if p.destination.party == "trunk/line"]


def may(floor: Floor, phone: str, number: str) -> bool:
    return not isinstance(floor.plan.choose_for(phone, number), Refusal)


def answerable(floor: Floor, dialled: str) -> list[tuple[str, str]]:
    """Return who may answer for a trunk call to *dialled*: phones, with the number as each would have sent it there."""
    found = []
    for phone in PHONES:
        spec = floor.config.endpoints[phone]
        forward = floor.equipment.forwards.of(phone, spec.forward)
        found += [(phone, number) for number in (forward.all, forward.busy, forward.no_answer) if number]
    return found


async def talking(floor: Floor, phone: str) -> tuple[Leg, Leg] | None:
    """Let somebody from outside call a phone that answers; None where a forward took the call away."""
    floor.behaviour[f"endpoint/{phone}"] = ANSWERS
    caller, _ = floor.call("trunk/line", phone, "+8613700000000")
    await asyncio.sleep(2)
    peer = caller.peer
    return (caller, peer) if peer is not None and peer.party == f"endpoint/{phone}" else None


async def dial(floor: Floor, phone: str, number: str) -> None:
    floor.call(f"endpoint/{phone}", number)


async def forward(floor: Floor, phone: str, number: str) -> None:
    floor.call(f"endpoint/{phone}", f"*72{number}")
    await asyncio.sleep(15)
    floor.call("trunk/line", phone, "+8613700000000")


async def redirect(floor: Floor, phone: str, number: str) -> None:
    floor.call("trunk/line", phone, "+8613700000000")
    await asyncio.sleep(0.5)
    for placed in floor.phones.placed:
        if placed.destination.party == f"endpoint/{phone}" and placed.signal.state == "early":
            placed.signal.state = "ended"
            placed.signal.events.on_failed(302, "", [f"<sip:{number}@192.0.2.10>"])


async def transfer(floor: Floor, phone: str, number: str) -> None:
    if (both := await talking(floor, phone)) is not None:
        both[1].on_request(refer(number), None)  # type: ignore[arg-type]


async def transfer_by_keys(floor: Floor, phone: str, number: str) -> None:
    await press(floor, phone, "##", number)


async def consult_by_keys(floor: Floor, phone: str, number: str) -> None:
    await press(floor, phone, "*2", number)


async def press(floor: Floor, phone: str, keys: str, number: str) -> None:
    if (both := await talking(floor, phone)) is not None:
        floor.press(both[1], keys)
        await asyncio.sleep(1.5)
        floor.press(both[1], number.lstrip("+") + "#")


async def call_back(floor: Floor, phone: str, number: str) -> None:
    floor.equipment.last_callers[phone] = number
    leg, _ = floor.call(f"endpoint/{phone}", "*69")
    await asyncio.sleep(len(number) + 2.5)
    if leg.state is LegState.UP:
        floor.press(leg, "1")


async def call_in(floor: Floor, phone: str, number: str) -> None:
    leg, _ = floor.call(f"endpoint/{phone}", "900")
    await asyncio.sleep(2)
    if leg.state is LegState.UP:
        floor.press(leg, "*5")
        await asyncio.sleep(1.5)
        floor.press(leg, number.lstrip("+") + "#")


async def park_there(floor: Floor, phone: str, number: str) -> None:
    """Park a call by transfer, and let the forward of who parked it meet the recall."""
    floor.equipment.forwards.set(phone, "all", number, by="test")
    if (both := await talking(floor, phone)) is not None:
        both[1].on_request(refer("70"), None)  # type: ignore[arg-type]
        await asyncio.sleep(25)


async def promised(floor: Floor, phone: str, number: str) -> None:
    """Wait in a queue and ask to be called back on a number that is typed."""
    floor.desk.login("zhang")
    floor.desk.pause("zhang")
    leg, _ = floor.call(f"endpoint/{phone}", "800")
    await asyncio.sleep(3)
    for keys in ("1", number.lstrip("+") + "#", "1"):  # an extension is no number to call back: another is asked for
        if leg.state is LegState.UP:
            floor.press(leg, keys)
            await asyncio.sleep(2)
    await asyncio.sleep(20)  # the number is said again, and promised
    leg.hangup()
    floor.behaviour["endpoint/1009"] = ANSWERS
    floor.desk.ready("zhang")
    await asyncio.sleep(20)


Way = Callable[[Floor, str, str], Awaitable[None]]
WAYS: tuple[Way, ...] = (
    dial, forward, redirect, transfer, transfer_by_keys, consult_by_keys, call_back, call_in, park_there,
    promised,
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    offices(),
    st.sampled_from(WAYS),
    st.sampled_from(PHONES),
    st.sampled_from(NUMBERS),
    st.sampled_from([Behaviour(), Behaviour(status=486), Behaviour(status=480)]),
)
def test_nothing_leaves_that_its_phone_may_not_dial(
    config: dict[str, Any], way: Way, phone: str, number: str, others: Behaviour
) -> None:
    async def body() -> None:
        floor = Floor(config, {**{f"endpoint/{n}": others for n in PHONES}, "trunk/line": ANSWERS})
        await way(floor, phone, number)
        await asyncio.sleep(30)
        typed = number.lstrip("+") if way in (transfer_by_keys, consult_by_keys, call_in, promised) else number
        responsible = [(phone, typed), (phone, number), *answerable(floor, number)]
        for sent in outside(floor):
            if sent in ("110", "119", "120", "122"):
                continue  # help comes to everybody who dials it themselves; forwards to it are another test
            assert any(may(floor, who, what) and same(floor, what, sent) for who, what in responsible), (
                sent,
                responsible,
            )

    on_floor(body)


def same(floor: Floor, number: str, sent: str) -> bool:
    """Say whether a number as somebody dialled it is what went out."""
    from pbx.dialplan.number import normalise

    return normalise(number, "CN", "021") == normalise(sent, "CN", "021")


@settings(max_examples=60, deadline=None)
@given(offices(), st.sampled_from(PHONES), st.sampled_from(PHONES), st.sampled_from(["**", "*8"]))
def test_nobody_picks_up_what_they_may_not(config: dict[str, Any], taker: str, ringing: str, code: str) -> None:
    for endpoint in config["endpoints"].values():
        endpoint |= {"forward": None, "filter": False}

    async def body() -> None:
        floor = Floor(config)
        caller, _ = floor.call("trunk/line", ringing, "+8613700000000")
        await asyncio.sleep(1)
        leg, _ = floor.call(f"endpoint/{taker}", f"**{ringing}" if code == "**" else "*8")
        await asyncio.sleep(2)
        if caller.peer is leg:
            mine, theirs = (set(floor.config.endpoints[n].groups) for n in (taker, ringing))
            assert taker == ringing or may(floor, taker, ringing)
            assert taker == ringing or not theirs or mine & theirs

    on_floor(body)


@pytest.mark.parametrize("what", ["all", "busy", "no-answer"])
def test_no_forward_rings_an_emergency_line(what: str) -> None:
    async def body() -> None:
        endpoint = {"context": "in", "country": "CN", "rights": list(RIGHTS)}
        config = {
            "endpoints": {"1001": {**endpoint, "forward": {what: "110"}}, "1002": endpoint},
            "trunks": {"line": {"proxy": "sip:192.0.2.9"}},
            "contexts": {"in": {"route": [{"match": "10XX", "do": {"dial": "endpoint/{number}"}}, OUTBOUND]}},
            "emergency": {"trunks": ["line"]},
        }
        floor = Floor(config, {"endpoint/1001": Behaviour(status=486), "trunk/line": ANSWERS})
        floor.call("endpoint/1002", "1001")
        await asyncio.sleep(60)
        assert outside(floor) == []

    on_floor(body)


@pytest.mark.parametrize(("rights", "called"), [(("internal", "mobile"), ["+8613912345678"]), (("internal",), [])])
def test_a_queue_calls_a_phone_back_where_it_may_dial_itself(rights: tuple[str, ...], called: list[str]) -> None:
    async def body() -> None:
        endpoint = {"context": "in", "country": "CN", "area-code": "021"}
        config = {
            "endpoints": {"1001": {**endpoint, "rights": rights}, "1009": endpoint},
            "trunks": {"line": {"proxy": "sip:192.0.2.9", "country": "CN", "area-code": "021"}},
            "contexts": {"in": {"route": [{"match": "800", "do": {"queue": "q"}}, OUTBOUND]}},
            "queues": {"q": {"callback": {"offer-after-s": 1.0, "trunk": "line", "tries": 1}}},
            "agents": {"zhang": {"endpoint": "1009", "queues": {"q": 1}}},
            "emergency": {"trunks": ["line"]},
        }
        floor = Floor(config, {"trunk/line": ANSWERS})
        await promised(floor, "1001", "13912345678")
        assert outside(floor) == called

    on_floor(body)
