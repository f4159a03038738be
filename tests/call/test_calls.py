"""Calls between virtual phones: who hears what, who is told what, what is recorded."""

from __future__ import annotations

import asyncio

import pytest

from pbx import events as ev
from pbx.call.contract import Refusal, Routed
from pbx.call.leg import ELSEWHERE, Leg, LegState
from pbx.errors import Busy, NoAnswer, Unreachable
from pbx.signaling.virtual import Behaviour
from pbx.store.cdr import call_record
from tests.fakes.house import House, in_house


async def dials_1002(call: Leg) -> None:
    async with call.dial("endpoint/1002", ring_s=20) as desk:
        await call.bridge(desk)


def test_a_colleague_answers_and_both_hear_each_other() -> None:
    async def body() -> None:
        house = House(dials_1002, {"endpoint/1002": Behaviour(answer_after_s=5)})
        leg, signal = house.caller()
        await asyncio.sleep(6)
        one, two = house.media.ports
        assert one.hears == {two}
        assert two.hears == {one}
        assert signal.history == ["ring 180", "accept"]
        signal.leave()
        await house.calls.drained()
        assert house.phones.placed[0].signal.history == ["hangup"]
        assert house.media.ports == []
        record = call_record(house.log.entries)
        assert (record.cause, record.ended_by, record.answered_by) == ("answered", "caller", "endpoint/1002")
        assert (record.duration_ms, record.talk_ms) == (6000, 1000)
        assert leg.state is LegState.ENDED

    in_house(body)


def test_the_callee_hangs_up_first() -> None:
    async def body() -> None:
        house = House(dials_1002, {"endpoint/1002": Behaviour(answer_after_s=1, talk_s=10)})
        _, signal = house.caller()
        await house.calls.drained()
        assert signal.history[-1] == "hangup"
        assert call_record(house.log.entries).ended_by == "callee"
        assert call_record(house.log.entries).talk_ms == 10_000

    in_house(body)


def test_nobody_answers() -> None:
    async def body() -> None:
        house = House(dials_1002)
        _, signal = house.caller()
        await house.calls.drained()
        assert asyncio.get_running_loop().time() == pytest.approx(20)
        assert signal.history == ["ring 180", "reject 480"]
        assert house.phones.placed[0].signal.history == ["hangup"]
        assert call_record(house.log.entries).cause == "no-answer"

    in_house(body)


def test_busy_is_told_to_the_caller() -> None:
    async def body() -> None:
        house = House(dials_1002, {"endpoint/1002": Behaviour(status=486)})
        _, signal = house.caller()
        await house.calls.drained()
        assert signal.history == ["reject 486"]
        assert call_record(house.log.entries).cause == "busy"

    in_house(body)


def test_the_caller_gives_up_while_it_rings() -> None:
    async def body() -> None:
        house = House(dials_1002)
        _, signal = house.caller()
        await asyncio.sleep(3)
        signal.leave()
        await house.calls.drained()
        assert house.phones.placed[0].signal.history == ["hangup"]
        record = call_record(house.log.entries)
        assert (record.cause, record.ended_by, record.duration_ms) == ("cancelled", "caller", 3000)

    in_house(body)


def test_the_losers_of_a_race_are_told_that_the_call_was_completed_elsewhere() -> None:
    async def body() -> None:
        async def script(call: Leg) -> None:
            async with call.dial(["endpoint/1", "endpoint/2", "endpoint/3"], ring_s=20) as desk:
                assert desk.party == "endpoint/2"
                await call.bridge(desk)

        house = House(script, {"endpoint/2": Behaviour(answer_after_s=2, talk_s=5)})
        house.caller()
        await house.calls.drained()
        first, second, third = (placed.signal for placed in house.phones.placed)
        assert first.history == third.history == [f"hangup {ELSEWHERE}"]
        assert second.history == []

    in_house(body)


def test_two_who_answer_in_the_same_breath_give_one_winner_and_one_goodbye() -> None:
    async def body() -> None:
        async def script(call: Leg) -> None:
            async with call.dial(["endpoint/1", "endpoint/2"], ring_s=20) as desk:
                await call.bridge(desk)

        both = Behaviour(answer_after_s=2)
        house = House(script, {"endpoint/1": both, "endpoint/2": both})
        leg, _ = house.caller()
        await asyncio.sleep(3)
        up = [p.signal for p in house.phones.placed if p.signal.state == "up"]
        assert len(up) == 1
        loser = next(p.signal for p in house.phones.placed if p.signal.state == "ended")
        assert loser.history == [f"hangup {ELSEWHERE}"]
        leg.hangup()
        await house.calls.drained()

    in_house(body)


def test_what_several_failures_mean_together() -> None:
    async def body() -> None:
        outcomes = []

        async def script(call: Leg) -> None:
            for targets in (["endpoint/busy", "endpoint/busy2"], ["endpoint/busy", "nobody/9"], ["nobody/9"]):
                try:
                    async with call.dial(targets, ring_s=5):
                        pass
                except (Busy, NoAnswer, Unreachable) as error:
                    outcomes.append(type(error))

        refuse = Behaviour(status=486)
        house = House(script, {"endpoint/busy": refuse, "endpoint/busy2": refuse})
        house.caller()
        await house.calls.drained()
        assert outcomes == [Busy, NoAnswer, Unreachable]

    in_house(body)


def test_failover_goes_on_after_a_503_and_not_after_a_486() -> None:
    async def body() -> None:
        async def script(call: Leg) -> None:
            async with call.dial(["trunk/a", "trunk/b"], order="failover", ring_s=5, number="123") as leg:
                await call.bridge(leg)

        house = House(script, {"trunk/a": Behaviour(status=503), "trunk/b": Behaviour(answer_after_s=1, talk_s=1)})
        house.caller()
        await house.calls.drained()
        assert [p.destination.party for p in house.phones.placed] == ["trunk/a", "trunk/b"]
        house = House(script, {"trunk/a": Behaviour(status=486)})
        house.caller()
        await house.calls.drained()
        assert [p.destination.party for p in house.phones.placed] == ["trunk/a"]

    in_house(body)


def test_hold_is_recorded_and_answered() -> None:
    async def body() -> None:
        house = House(dials_1002, {"endpoint/1002": Behaviour(answer_after_s=1)})
        leg, signal = house.caller()
        await asyncio.sleep(2)
        signal.ask_hold(True)
        assert leg.media is not None
        assert leg.media.held
        assert leg.media.agreed is not None
        assert leg.media.agreed.direction == "recvonly"
        signal.ask_hold(False)
        assert not leg.media.held
        assert [k for k in house.kinds() if k in ("leg.held", "leg.resumed")] == ["leg.held", "leg.resumed"]
        signal.leave()
        await house.calls.drained()

    in_house(body)


def test_a_bug_in_a_script_answers_500_and_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async def script(call: Leg) -> None:
            if call.callee.number == "bug":
                raise ZeroDivisionError
            await dials_1002(call)

        house = House(script, {"endpoint/1002": Behaviour(answer_after_s=1)})
        _, broken = house.caller(dialled="bug")
        _, good = house.caller()
        await asyncio.sleep(2)
        assert broken.history == ["reject 500"]
        assert good.history == ["ring 180", "accept"]
        good.leave()
        await house.calls.drained()

    in_house(body)
    assert "ZeroDivisionError" in caplog.text


def test_a_refused_call_has_its_record() -> None:
    async def body() -> None:
        house = House(Refusal(404))
        _, signal = house.caller()
        assert signal.history == ["reject 404"]
        assert house.kinds().count("call.ended") == 1
        assert call_record(house.log.entries).status == 404

    in_house(body)


def test_every_call_ends_exactly_once() -> None:
    async def body() -> None:
        house = House(dials_1002, {"endpoint/1002": Behaviour(answer_after_s=1, talk_s=1)})
        for _ in range(20):
            house.caller()
        await house.calls.drained()
        ended = [e.call_id for e in house.log.events if isinstance(e, ev.CallEnded)]
        assert len(ended) == len(set(ended)) == 20

    in_house(body)


def test_a_draining_server_takes_no_new_calls() -> None:
    async def body() -> None:
        house = House(dials_1002)
        house.calls.draining = True
        _, signal = house.caller()
        assert signal.history == ["reject 503"]

    in_house(body)


def test_a_trunk_that_has_all_its_calls_gets_no_other_one_in() -> None:
    async def body() -> None:
        house = House(dials_1002)
        house.calls.is_full = lambda party: party == "trunk/carrier"
        _, signal = house.caller("trunk/carrier")
        assert signal.history == ["reject 503"]
        leg, other = house.caller("trunk/other")
        await asyncio.sleep(1)
        assert other.history == ["ring 180"]
        leg.hangup()

    in_house(body)


def test_an_emergency_passes_over_every_limit() -> None:
    async def body() -> None:
        house = House(dials_1002)
        house.calls.is_full = lambda party: True
        house.calls.draining = True
        house.calls.max_calls = 0
        house.route = lambda introduction: Routed(dials_1002, over_limits=True)  # type: ignore[method-assign]
        leg, signal = house.caller(dialled="119")
        await asyncio.sleep(1)
        assert signal.history == ["ring 180"]
        assert leg.over_limits
        leg.hangup()

    in_house(body)


def test_echo_lets_the_caller_hear_themselves() -> None:
    async def body() -> None:
        house = House(lambda call: call.echo())
        _, signal = house.caller()
        await asyncio.sleep(1)
        (port,) = house.media.ports
        assert port.hears == {port}
        signal.leave()
        await house.calls.drained()

    in_house(body)
