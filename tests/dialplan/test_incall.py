"""Keys during a conversation: only the own side's count, and nobody hears what they must not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pbx import events as ev
from pbx.call.leg import Leg, LegState
from pbx.call.transfer import attended
from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor, refer
from tests.dialplan.test_features import ANSWERS, office

PHONES = {f"endpoint/{n}": ANSWERS for n in ("1002", "1003", "1004")}


async def talking(floor: Floor) -> tuple[Leg, Leg]:
    """Let a customer call 1002, and 1002 answer; return both legs."""
    customer, _ = floor.call("trunk/line", "1002", "+8613800138000")
    await asyncio.sleep(3)
    assert customer.peer is not None
    return customer, customer.peer


def hears(leg: Leg) -> set[object]:
    return set(leg.port.hears)  # type: ignore[attr-defined]


def test_the_keys_of_a_transfer_send_the_other_side_away() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob = await talking(floor)
        floor.press(bob, "##")
        await asyncio.sleep(0.5)
        assert floor.heard(customer)[-1] == "default"
        assert hears(customer) == set()
        floor.press(bob, "1003#")
        await asyncio.sleep(3)
        assert bob.state is LegState.ENDED
        assert customer.peer is not None
        assert customer.peer.party == "endpoint/1003"
        assert hears(customer) == {customer.peer.port}
        customer.hangup()
        await floor.calls.drained()
        assert floor.media.ports == []

    on_floor(body)


def test_a_transfer_by_keys_that_nobody_answers_comes_back() -> None:
    async def body() -> None:
        floor = Floor(office(), {"endpoint/1002": ANSWERS, "endpoint/1003": Behaviour()})
        config = floor.config.contexts["in"].route[0].do[0]
        assert config.ring_s == 20.0  # type: ignore[union-attr]
        customer, bob = await talking(floor)
        floor.press(bob, "##")
        await asyncio.sleep(0.5)
        floor.press(bob, "1003#")
        await asyncio.sleep(10)
        assert customer.peer is None
        await asyncio.sleep(15)  # the route goes on to the mailbox of 1003: a message, no return
        assert "voicemail-unavailable" in floor.heard(customer)

    on_floor(body)


def test_who_may_not_dial_it_may_not_transfer_to_it() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob = await talking(floor)
        floor.press(bob, "##")
        await asyncio.sleep(0.5)
        floor.press(bob, "02088886666#")
        await asyncio.sleep(3)
        assert floor.heard(bob)[-1] == "not-allowed"
        assert customer.peer is bob
        assert hears(customer) == {bob.port}

    on_floor(body)


def test_other_keys_go_on_to_the_other_side_and_the_callers_keys_do_nothing() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob = await talking(floor)
        floor.press(bob, "5")
        floor.press(bob, "*7")
        floor.press(bob, "*")
        await asyncio.sleep(2)
        assert [said for said in floor.heard(customer) if said.startswith("digits")] == [
            "digits 5",
            "digits *7",
            "digits *",
        ]
        floor.press(customer, "##")
        await asyncio.sleep(2)
        assert customer.peer is bob
        assert not customer.port.consuming  # type: ignore[attr-defined]
        assert bob.port.consuming  # type: ignore[attr-defined]

    on_floor(body)


async def consulting(floor: Floor) -> tuple[Leg, Leg, Leg]:
    customer, bob = await talking(floor)
    floor.press(bob, "*2")
    await asyncio.sleep(0.5)
    floor.press(bob, "1003#")
    await asyncio.sleep(3)
    assert bob.peer is not None
    return customer, bob, bob.peer


@pytest.mark.parametrize("how", ["hang up", "keys"])
def test_a_consultation_ends_by_connecting_the_other_two(how: str) -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob, carol = await consulting(floor)
        assert carol.party == "endpoint/1003"
        assert hears(carol) == {bob.port}
        assert hears(customer) == set()
        if how == "keys":
            floor.press(bob, "*2")
        else:
            assert bob.signal is not None
            bob.signal.leave()  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        assert bob.state is LegState.ENDED
        assert customer.peer is carol
        assert hears(customer) == {carol.port}
        assert hears(carol) == {customer.port}
        customer.hangup()
        await floor.calls.drained()
        assert floor.media.ports == []
        assert len([e for e in floor.log.events if isinstance(e, ev.CallEnded)]) == 1

    on_floor(body)


def test_when_the_consulted_leaves_both_talk_again() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob, carol = await consulting(floor)
        assert carol.signal is not None
        carol.signal.leave()  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        assert customer.peer is bob
        assert bob.peer is customer
        assert hears(customer) == {bob.port}
        assert hears(bob) == {customer.port}

    on_floor(body)


def test_three_talk_together_and_two_remain() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob, carol = await consulting(floor)
        floor.press(bob, "*3")
        await asyncio.sleep(1)
        ports = {customer.port, bob.port, carol.port}
        for leg in (customer, bob, carol):
            assert hears(leg) == ports - {leg.port}
        assert bob.signal is not None
        bob.signal.leave()  # type: ignore[attr-defined]
        await asyncio.sleep(2)
        assert hears(customer) == {carol.port}

    on_floor(body)


def test_a_recording_on_demand_is_announced_to_both_and_stops() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob = await talking(floor)
        floor.press(bob, "*1")
        await asyncio.sleep(2)
        assert floor.heard(bob)[-1] == floor.heard(customer)[-1] == "call-recorded"
        assert customer.port.recording is not None  # type: ignore[attr-defined]
        floor.press(bob, "*1")
        await asyncio.sleep(2)
        assert floor.heard(bob)[-1] == "call-not-recorded"
        kinds = [e.KIND for e in floor.log.events if e.KIND.startswith("recording")]
        assert (kinds[0], set(kinds[1:])) == ("recording.started", {"recording.written", "recording.ended"})

    on_floor(body)


def hotline() -> dict[str, Any]:
    config = office(
        agents={"zhang": {"endpoint": "1002", "queues": {"q": 1}, "login": "always"}},
        queues={"q": {"record": "always", "notice": "recording-notice"}},
        flows={"pay": {"do": [{"collect": "card", "prompt": "enter-number", "secret": True}, {"play": "thank-you"}]}},
        agent_codes={"*71": {"flow": "pay", "tell-agent": "call-recorded"}},
    )
    config["contexts"]["in"]["route"].append({"match": "800", "do": {"queue": "q"}})
    return config


def test_an_agent_hands_the_caller_to_a_flow_and_gets_them_back() -> None:
    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        customer, _ = floor.call("trunk/line", "800", "+8613800138000")
        await asyncio.sleep(5)
        agent = customer.peer
        assert agent is not None
        floor.press(agent, "*71")
        await asyncio.sleep(1.5)
        assert floor.heard(agent)[-1] == "default"  # music
        assert hears(agent) == hears(customer) == set()
        assert customer.port.recording_paused  # type: ignore[attr-defined]
        floor.press(customer, "4111#")
        await asyncio.sleep(0.5)
        assert customer.port.recording_paused  # type: ignore[attr-defined]
        await asyncio.sleep(3)
        assert floor.heard(agent)[-1] == "call-recorded"
        assert not [said for said in floor.heard(agent) if said.startswith("digits")]
        assert not customer.port.recording_paused  # type: ignore[attr-defined]
        assert hears(agent) == {customer.port}
        marks = [(e.mark, e.cause) for e in floor.log.events if isinstance(e, ev.RecordingMarked)]
        assert marks == [("paused", "aside"), ("resumed", "aside")]
        assert not [e for e in floor.log.events if isinstance(e, ev.LegDigit) and e.leg_id == customer.leg_id]

    on_floor(body)


def test_a_caller_with_keys_of_their_own_tells_the_agent_nothing_either() -> None:
    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        customer, _ = floor.call("endpoint/1004", "800")
        await asyncio.sleep(5)
        agent = customer.peer
        assert agent is not None
        floor.press(agent, "*71")
        await asyncio.sleep(1.5)
        floor.press(customer, "4111#")
        await asyncio.sleep(4)
        assert not [said for said in floor.heard(agent) if said.startswith("digits")]
        floor.press(customer, "5")
        assert floor.heard(agent)[-1] == "digits 5"  # they talk again, and hear it once:
        assert customer.port.consuming  # type: ignore[attr-defined]

    on_floor(body)


def test_only_an_agents_seat_has_agent_codes() -> None:
    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        caller, _ = floor.call("trunk/line", "1003", "+8613800138000")
        await asyncio.sleep(3)
        assert caller.peer is not None
        floor.press(caller.peer, "*71")
        await asyncio.sleep(3)
        assert hears(caller) == {caller.peer.port}

    on_floor(body)


def updates(leg: Leg) -> list[str]:
    """Return whom a phone was told that it talks with now."""
    return [text for text in leg.signal.history if text.startswith("request UPDATE")]  # type: ignore[union-attr]


def test_a_phone_shows_its_new_partner_after_a_transfer_and_nothing_without_one() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        _, bob, carol = await consulting(floor)
        assert updates(bob) == updates(carol) == []
        floor.press(bob, "*2")
        await asyncio.sleep(2)
        assert updates(carol) == ["request UPDATE P-Asserted-Identity: <sip:+8613800138000@192.0.2.10>"]

    on_floor(body)


def test_an_agents_phone_shows_queue_name_and_number_and_rings_its_own_way() -> None:
    async def body() -> None:
        config = hotline()
        config["queues"]["q"] |= {"name": "Sales", "ring": "Bellcore-dr2"}
        floor = Floor(config, PHONES)
        floor.call("trunk/line", "800", "+8613800138000")
        await asyncio.sleep(1)
        destination = floor.phones.placed[0].destination
        assert destination.from_ is not None
        assert (destination.from_.name, destination.from_.uri.user) == ("Sales +8613800138000", "+8613800138000")
        assert ("Alert-Info", "<http://127.0.0.1/Bellcore-dr2>;info=Bellcore-dr2") in destination.headers

    on_floor(body)


def test_phones_ring_otherwise_for_a_trunk_that_says_so() -> None:
    async def body() -> None:
        config = office()
        config["trunks"]["line"]["ring"] = ";info=external"
        floor = Floor(config, PHONES)
        floor.call("trunk/line", "1002", "+8613800138000")
        floor.call("endpoint/1001", "1003")
        await asyncio.sleep(1)
        headers = [dict(placed.destination.headers) for placed in floor.phones.placed]
        assert [found.get("Alert-Info") for found in headers] == [";info=external", None]

    on_floor(body)


def test_who_is_put_on_hold_hears_music_and_then_the_other_again() -> None:
    async def body() -> None:
        floor = Floor(office(), PHONES)
        customer, bob = await talking(floor)
        assert bob.signal is not None
        bob.signal.ask_hold(True)  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        assert floor.heard(customer)[-1] == "default"
        assert hears(customer) == set()
        bob.signal.ask_hold(False)  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        assert hears(customer) == {bob.port}

    on_floor(body)


def test_a_recorded_queue_call_is_recorded_on_after_a_transfer() -> None:
    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        customer, _ = floor.call("trunk/line", "800", "+8613800138000")
        await asyncio.sleep(5)
        agent = customer.peer
        assert agent is not None
        floor.press(agent, "##")
        await asyncio.sleep(0.5)
        floor.press(agent, "1003#")
        await asyncio.sleep(3)
        assert customer.peer is not None
        assert customer.peer.party == "endpoint/1003"
        customer.hangup()
        await floor.calls.drained()
        kinds = [e.KIND for e in floor.log.events if e.KIND in ("recording.started", "recording.ended")]
        assert kinds == ["recording.started", "recording.ended"] * 2

    on_floor(body)


@pytest.mark.parametrize("minutes", [2, 0])
def test_an_attended_transfer_to_outside_uses_up_the_minutes_of_who_made_it(minutes: int) -> None:
    config = office(limits={"outside_forward_minutes_per_day": minutes})

    async def body() -> None:
        floor = Floor(config, {**PHONES, "trunk/line": ANSWERS})
        customer, bob = await talking(floor)
        floor.press(bob, "*2")
        await asyncio.sleep(0.5)
        floor.press(bob, "13912345678#")
        await asyncio.sleep(5)
        assert bob.peer is not None
        outside = bob.peer
        assert outside.party == "trunk/line"
        floor.press(bob, "*2")
        await asyncio.sleep(3)
        if not minutes:  # a conversation that was dialled goes on; the transfer does not happen
            assert bob.state is LegState.UP
            assert customer.peer is not outside
            return
        assert customer.peer is outside
        await asyncio.sleep(115)
        assert customer.peer is outside
        await asyncio.sleep(5)
        assert customer.state is LegState.ENDED
        assert floor.equipment.forwards.left_s("1002", minutes) == 0

    on_floor(body)


def test_a_transfer_of_what_was_dialled_to_a_colleague_costs_nobody_minutes() -> None:
    async def body() -> None:
        floor = Floor(office(), {**PHONES, "trunk/line": ANSWERS})
        bob, _ = floor.call("endpoint/1002", "13912345678")
        await asyncio.sleep(3)
        floor.press(bob, "*2")
        await asyncio.sleep(0.5)
        floor.press(bob, "1003#")
        await asyncio.sleep(3)
        floor.press(bob, "*2")
        await asyncio.sleep(60)
        assert floor.equipment.forwards.left_s("1002", 120) == 7200

    on_floor(body)


@pytest.mark.parametrize(("minutes", "named"), [(2, "consulted"), (2, "customer"), (0, "consulted")])
def test_a_transfer_by_the_phones_own_keys_costs_minutes_whichever_call_it_names(minutes: int, named: str) -> None:
    config = office(limits={"outside_forward_minutes_per_day": minutes})

    async def body() -> None:
        floor = Floor(config, {**PHONES, "trunk/line": ANSWERS})
        customer, bob = await talking(floor)
        consult, signal = floor.call("endpoint/1002", "13912345678")
        signal.sip_call_id = "consultation"
        await asyncio.sleep(3)
        outside = consult.peer
        assert outside is not None
        bob.signal.sip_call_id = "first"  # type: ignore[union-attr]
        request = refer("x")
        replaced = "consultation" if named == "consulted" else "first"
        request.headers["Refer-To"] = [f"<sip:x@pbx?Replaces={replaced}%3Bto-tag%3D1%3Bfrom-tag%3D2>"]
        (bob if named == "consulted" else consult).on_request(request, None)  # type: ignore[arg-type]
        await asyncio.sleep(3)
        if not minutes:
            assert (customer.peer, consult.peer) == (bob, outside)  # refused: both calls go on
            return
        assert customer.peer is outside
        await asyncio.sleep(125)
        assert customer.state is LegState.ENDED
        assert floor.equipment.forwards.left_s("1002", minutes) == 0

    on_floor(body)


def test_a_caller_who_is_transferred_into_a_queue_is_an_entry_by_transfer() -> None:
    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        customer, _ = floor.call("trunk/line", "1003", "+8613800138000")
        await asyncio.sleep(3)
        assert customer.peer is not None
        floor.press(customer.peer, "##")
        await asyncio.sleep(0.5)
        floor.press(customer.peer, "800#")
        await asyncio.sleep(8)
        (entered,) = [event for event in floor.log.events if isinstance(event, ev.QueueEntered)]
        assert (entered.source, entered.caller) == ("transfer", "+8613800138000")
        assert customer.peer is not None
        assert customer.peer.party == "endpoint/1002"
        customer.hangup()
        await floor.calls.drained()

    on_floor(body)


def entries_and_states(floor: Floor) -> tuple[list[tuple[str, str, int]], list[str]]:
    """Return how conversations of a queue ended, after how many seconds, and the agents' states."""
    events = floor.log.events
    served = [(e.agent, e.by, round(e.talk_ms / 1000)) for e in events if isinstance(e, ev.QueueServed)]
    return served, [e.now for e in events if isinstance(e, ev.AgentState)]


def test_a_customer_whom_a_colleague_connects_with_an_agent_stays_with_that_agent() -> None:
    """By keys: the colleague asks the queue's agent first, while the customer hears music."""

    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        customer, _ = floor.call("trunk/line", "1003", "+8613800138000")
        await asyncio.sleep(3)
        colleague = customer.peer
        assert colleague is not None
        floor.press(colleague, "*2")
        await asyncio.sleep(0.5)
        floor.press(colleague, "800#")
        await asyncio.sleep(10)
        agent = colleague.peer
        assert agent is not None
        assert agent.party == "endpoint/1002"
        floor.press(colleague, "*2")
        await asyncio.sleep(30)
        assert colleague.state is LegState.ENDED
        assert customer.peer is agent
        assert hears(customer) == {agent.port}
        assert entries_and_states(floor) == ([], ["ready", "reserved", "ringing", "on-call"])
        customer.hangup()
        await floor.calls.drained()
        assert entries_and_states(floor)[0] == [("zhang", "caller", 39)]
        assert entries_and_states(floor)[1][-1] == "wrap-up"

    on_floor(body)


def test_a_phones_own_attended_transfer_to_a_queues_agent_loses_nobody() -> None:
    async def body() -> None:
        floor = Floor(hotline(), PHONES)
        customer, _ = floor.call("trunk/line", "1003", "+8613800138000")
        await asyncio.sleep(3)
        colleague = customer.peer
        assert colleague is not None
        own, _ = floor.call("endpoint/1003", "800")
        await asyncio.sleep(10)
        agent = own.peer
        assert agent is not None
        attended(floor.calls, colleague, own)
        await asyncio.sleep(30)
        assert (colleague.state, own.state) == (LegState.ENDED, LegState.ENDED)
        assert customer.peer is agent
        assert hears(customer) == {agent.port}
        assert entries_and_states(floor)[0] == []
        floor.log.events.clear()
        agent.hangup()
        await floor.calls.drained()
        assert customer.state is LegState.ENDED
        assert [one for one, *_ in entries_and_states(floor)[0]] == ["zhang"]

    on_floor(body)


@pytest.mark.parametrize("number", ["1005", "800"])
def test_who_hangs_up_before_the_consulted_answers_has_transferred(number: str) -> None:
    """Nobody is dropped: a phone goes on ringing and the call comes back, a queue takes the customer."""

    async def body() -> None:
        floor = Floor(hotline(), {**PHONES, "endpoint/1002": Behaviour(answer_after_s=9.0)})
        customer, _ = floor.call("trunk/line", "1003", "+8613800138000")
        await asyncio.sleep(3)
        colleague = customer.peer
        assert colleague is not None
        floor.press(colleague, "*2")
        await asyncio.sleep(0.5)
        floor.press(colleague, f"{number}#")
        await asyncio.sleep(5)
        colleague.hangup()
        await asyncio.sleep(12)
        assert customer.state is LegState.UP
        if number == "800":
            assert customer.peer is not None
            assert customer.peer.party == "endpoint/1002"
            sources = [e.source for e in floor.log.events if isinstance(e, ev.QueueEntered)]
            assert sources == ["consult", "transfer"]
        else:
            assert floor.rung()[-1] == "endpoint/1005"
        customer.hangup()
        await floor.calls.drained()
        assert floor.media.ports == []

    on_floor(body)
