"""Transfers: who talks to whom afterwards, who is told what, which call survives."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from pbx import events as ev
from pbx.call.contract import Refusal, Routed
from pbx.call.leg import Leg, LegState
from pbx.call.offer import MediaWishes
from pbx.signaling.contract import Introduction
from pbx.signaling.virtual import Behaviour, VirtualSignal, introduction
from pbx.sip.message import Request
from pbx.sip.transaction import ServerTransaction
from tests.fakes.house import House, in_house


class Exchange(House):
    """A house where a number is an endpoint; the rights of who asked are remembered."""

    def __init__(self, behaviour: dict[str, Behaviour]) -> None:
        super().__init__(Refusal(404), behaviour)
        self.asked: list[tuple[str, str]] = []

    def route(self, introduction: Introduction) -> Routed | Refusal:
        self.asked.append((introduction.source, introduction.dialled))
        if introduction.dialled == "9999":
            return Refusal(403)

        async def script(leg: Leg) -> None:
            async with leg.dial(f"endpoint/{introduction.dialled}", ring_s=60) as desk:
                await leg.bridge(desk)

        return Routed(script, introduction.dialled)


def refer(to: str, *headers: tuple[str, str]) -> Request:
    request = Request("REFER", "sip:pbx@192.0.2.1")
    request.headers["Refer-To"] = [to]
    for name, value in headers:
        request.add(name, value)
    return request


async def ask(leg: Leg, request: Request) -> None:
    leg.on_request(request, None)  # type: ignore[arg-type]
    await asyncio.sleep(0.1)


def talk(house: Exchange) -> tuple[Leg, VirtualSignal]:
    return house.caller("endpoint/1001", "1002")


ANSWERS = Behaviour(answer_after_s=1)


def transfers(house: House) -> list[tuple[str, str]]:
    return [(e.how, e.outcome) for e in house.log.events if isinstance(e, ev.LegTransferred)]


def test_the_called_transfers_the_caller_and_leaves() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS, "endpoint/1003": ANSWERS})
        leg, _ = talk(house)
        await asyncio.sleep(2)
        called = leg.peer
        assert called is not None
        await ask(called, refer("<sip:1003@pbx>"))
        await asyncio.sleep(2)
        assert house.asked[-1] == ("endpoint/1002", "1003")  # with the rights of who transfers
        assert called.state is LegState.ENDED
        assert leg.peer is not None
        assert leg.peer.party == "endpoint/1003"
        history = house.phones.placed[0].signal.history
        assert history == ["respond REFER 202", "request NOTIFY", "request NOTIFY", "hangup"]
        leg.hangup()
        await house.calls.drained()
        assert house.media.ports == []
        assert house.kinds().count("call.ended") == 1

    in_house(body)


def test_the_caller_transfers_the_called_and_leaves() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS, "endpoint/1003": ANSWERS})
        leg, signal = talk(house)
        await asyncio.sleep(2)
        called = leg.peer
        assert called is not None
        await ask(leg, refer("<sip:1003@pbx>"))
        await asyncio.sleep(2)
        assert leg.state is LegState.ENDED
        assert called.state is LegState.UP
        assert called.peer is not None
        assert called.peer.party == "endpoint/1003"
        assert signal.history[-1] == "hangup"
        house.phones.placed[1].signal.leave()
        await house.calls.drained()
        assert called.state is LegState.ENDED
        assert house.media.ports == []

    in_house(body)


@pytest.mark.parametrize(("third", "after_s"), [(Behaviour(), 30.0), (Behaviour(status=486), 0.0)])
def test_a_blind_transfer_that_nobody_takes_returns(third: Behaviour, after_s: float) -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS, "endpoint/1003": third})
        leg, _ = talk(house)
        await asyncio.sleep(2)
        assert leg.peer is not None
        await ask(leg.peer, refer("<sip:1003@pbx>"))
        await asyncio.sleep(after_s + 2)
        assert [p.destination.party for p in house.phones.placed][-1] == "endpoint/1002"
        assert leg.peer is not None
        assert leg.peer.party == "endpoint/1002"
        assert transfers(house) == [("blind", "started"), ("blind", "returned")]
        leg.hangup()
        await house.calls.drained()

    in_house(body)


def test_a_transfer_without_the_right_is_refused_and_nothing_changes() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS})
        leg, _ = talk(house)
        await asyncio.sleep(2)
        called = leg.peer
        assert called is not None
        await ask(called, refer("<sip:9999@pbx>"))
        assert house.phones.placed[0].signal.history == ["respond REFER 403"]
        assert leg.peer is called
        leg.hangup()
        await house.calls.drained()

    in_house(body)


@pytest.mark.parametrize("value", ["", "<nonsense", "<sip:1003@pbx>, <sip:1004@pbx>"])
def test_a_broken_refer_is_refused(value: str) -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS})
        leg, _ = talk(house)
        await asyncio.sleep(2)
        assert leg.peer is not None
        request = refer(value)
        if not value:
            del request.headers["Refer-To"]
        await ask(leg.peer, request)
        assert house.phones.placed[0].signal.history == ["respond REFER 400"]
        leg.hangup()
        await house.calls.drained()

    in_house(body)


def test_an_attended_transfer_joins_both_and_the_older_call_survives() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS, "endpoint/1003": ANSWERS})
        customer, _ = house.caller("trunk/carrier", "1002")
        await asyncio.sleep(2)
        desk = customer.peer
        assert desk is not None
        consult, signal = house.caller("endpoint/1002", "1003")
        signal.sip_call_id = "consultation"
        await asyncio.sleep(2)
        third = consult.peer
        assert third is not None
        older, younger = customer.call_id, consult.call_id
        await ask(desk, refer("<sip:1003@pbx?Replaces=consultation%3Bto-tag%3D1%3Bfrom-tag%3D2>"))
        await asyncio.sleep(1)
        assert customer.peer is third
        assert third.call_id == older
        assert desk.state is consult.state is LegState.ENDED
        (merged,) = [e for e in house.log.events if isinstance(e, ev.CallMerged)]
        assert (merged.call_id, merged.merged) == (older, younger)
        assert transfers(house) == [("attended", "started"), ("attended", "connected")]
        third.on_ended("peer", 200, "")
        await house.calls.drained()
        assert customer.state is LegState.ENDED
        assert house.media.ports == []
        assert house.kinds().count("call.ended") == 2

    in_house(body)


def test_an_attended_transfer_of_calls_that_both_came_in() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS})
        first, _ = house.caller("trunk/carrier", "1002")
        await asyncio.sleep(2)
        second, _ = house.caller("endpoint/1003", "1002")
        await asyncio.sleep(2)
        house.phones.placed[1].signal.sip_call_id = "second"
        assert first.peer is not None
        await ask(first.peer, refer("<sip:x@pbx?Replaces=second%3Bto-tag%3D1%3Bfrom-tag%3D2>"))
        await asyncio.sleep(1)
        assert first.peer is second
        first.hangup()
        await house.calls.drained()
        assert second.state is LegState.ENDED
        assert house.media.ports == []
        assert house.kinds().count("call.ended") == 2

    in_house(body)


def test_a_pickup_takes_the_ringing_call() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": Behaviour()})
        caller, _ = house.caller("endpoint/1001", "1002")
        await asyncio.sleep(2)
        (ringing,) = [x for x in house.calls.calls[caller.call_id].legs.values() if x is not caller]
        signal = VirtualSignal(None, incoming=True)  # type: ignore[arg-type]
        text = introduction("endpoint/1003", "1003", "1002")
        taking = Introduction(
            text.source, text.caller, "", "1002", "1002", "pickup", text.peer, text.sdp, {}, replaces=ringing
        )
        picker = house.calls.invited(signal, taking)
        signal.events = picker
        await asyncio.sleep(1)
        assert caller.peer is picker
        assert ringing.state is LegState.ENDED
        assert house.phones.placed[0].signal.history == ['hangup SIP;cause=200;text="Call completed elsewhere"']
        assert picker.call_id == caller.call_id
        signal.leave()
        await house.calls.drained()
        assert caller.state is LegState.ENDED

    in_house(body)


@pytest.mark.parametrize("consumed", [False, True])
def test_keys_by_info_are_pressed_on_the_other_side_by_its_own_way(consumed: bool) -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": Behaviour(answer_after_s=1)})
        house.calls.wishes = lambda party: MediaWishes(dtmf="info" if party == "endpoint/1001" else "auto")
        leg, signal = house.caller()
        await asyncio.sleep(2)
        other = leg.peer
        assert other is not None
        leg.port.consume_digits(consumed)
        press = Request("INFO", "sip:x@y", {"Content-Type": ["application/dtmf-relay"]}, b"Signal=5\r\nDuration=90")
        leg.on_request(press, cast(ServerTransaction, None))
        other.on_digit("7", 100)
        said = [said.what for port in house.media.ports if port is other.port for said in port.said]
        assert said == ([] if consumed else ["digits 5"])
        assert [entry for entry in signal.history if entry.startswith("request")] == ["request INFO"]
        signal.leave()
        await house.calls.drained()

    in_house(body)


def test_digits_in_info_bodies_are_keys() -> None:
    async def body() -> None:
        house = Exchange({"endpoint/1002": ANSWERS})
        leg, _ = talk(house)
        await asyncio.sleep(2)
        for kind, text in [("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n"), ("application/dtmf", b"*")]:
            request = Request("INFO", "sip:x@y", {"Content-Type": [kind]}, text)
            await ask(leg, request)
        pressed = [(e.digit, e.duration_ms) for e in house.log.events if isinstance(e, ev.LegDigit)]
        assert pressed == [("5", 160), ("*", 250)]
        leg.hangup()
        await house.calls.drained()

    in_house(body)
