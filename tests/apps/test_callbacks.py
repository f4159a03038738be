"""A caller hangs up and keeps the place; an agent first, then the customer; promises outlive the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pbx import events as ev
from pbx.acd.agent import State
from pbx.apps.desk_store import MemoryDeskStore
from pbx.apps.outcome import Promised
from pbx.apps.queue import QueueEntry
from pbx.call.leg import Leg
from pbx.signaling.virtual import Behaviour
from tests.apps.test_queue import ANSWERS, Centre, config
from tests.fakes.house import in_house

RULE = {"callback": {"trunk": "carrier", "tries": 2, "every-min": 10}, "wrap-up-s": 10}
CUSTOMER = "+8613800138000"
PHONES = {"endpoint/2001": ANSWERS, "trunk/carrier": Behaviour(answer_after_s=5, talk_s=40)}


def may_call(number: str) -> str:
    return CUSTOMER if number == "13800138000" else ""


def centre(
    phones: dict[str, Behaviour] | None = None, *, number: str = CUSTOMER, store: MemoryDeskStore | None = None
) -> Centre:
    entry = QueueEntry(callback_number=number, may_call=may_call, did="4001234567", callback_expires_s=7200)
    made = Centre(config({"q": RULE}, agents=1), PHONES if phones is None else phones, entry=entry, store=store)
    made.desk.login("a1")
    made.desk.pause("a1")
    return made


def presses(made: Centre, *keys: str, customer: str = "1") -> None:
    """Let the caller press one of *keys* at each prompt that waits, and the customer press *customer*."""
    left = list(keys)

    def asked(leg: Leg, expected: str) -> None:
        key = (left.pop(0) if left else "") if leg.direction == "in" else customer
        for digit in key:
            asyncio.get_running_loop().call_soon(leg.media.port.press, digit)  # type: ignore[union-attr]

    made.house.calls.on_ask = asked


def states(made: Centre) -> list[str]:
    return [event.state for event in made.all(ev.CallbackChanged)]


def run(body: Callable[[], Any]) -> None:
    in_house(body)


def test_a_caller_takes_the_offer_and_an_agent_calls_back() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "1", "1")
        _, signal = made.house.caller(source="trunk/carrier", dialled="4001234567")
        await asyncio.sleep(115)
        assert states(made) == []
        await asyncio.sleep(60)
        assert (states(made), made.outcomes, made.exits()) == (["offered", "promised"], [Promised()], ["callback"])
        assert signal.history == ["accept", "hangup"]
        made.desk.ready("a1")
        await asyncio.sleep(1)
        assert made.desk.state("a1") is State.RINGING
        assert [str(p.caller.uri.user) for p in made.house.phones.placed] == [CUSTOMER]
        await asyncio.sleep(2)  # the agent is there; only now the customer's phone rings
        assert made.desk.state("a1") is State.ON_CALL
        agent, customer = made.house.phones.placed
        assert (customer.destination.party, customer.destination.uri.user) == ("trunk/carrier", CUSTOMER)
        await asyncio.sleep(10)
        assert states(made)[2:] == ["dialling", "connected"]
        await made.house.calls.drained()
        assert made.desk.state("a1") is State.WRAP_UP
        assert list(made.desk.callbacks) == []
        (call,) = [e for e in made.all(ev.CallStarted) if e.direction == "outbound"]
        assert (call.source, call.dialled) == ("queue/q", CUSTOMER)
        (served,) = made.all(ev.QueueServed)
        assert (served.by, served.call_id) == ("caller", call.call_id)
        assert agent.signal.state == customer.signal.state == "ended"

    run(body)


def test_another_number_is_typed_and_one_abroad_is_not_taken() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "1", "2", "0044123#", "13800138000#", "1")
        made.house.caller()
        await asyncio.sleep(200)
        (promise,) = made.desk.callbacks
        assert promise.memory.number == CUSTOMER

    run(body)


def test_a_withheld_number_is_asked_for_and_silence_promises_nothing() -> None:
    async def body() -> None:
        made = centre(number="")
        presses(made, "1", "")
        made.house.caller()
        await asyncio.sleep(200)
        assert (states(made), list(made.desk.callbacks), made.outcomes) == (["offered"], [], [])

    run(body)


def test_the_key_counts_also_after_the_offer() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "", "1")
        made.house.caller()
        await asyncio.sleep(140)
        assert states(made) == ["offered"]
        made.house.media.ports[0].press("1")
        await asyncio.sleep(40)
        assert states(made) == ["offered", "promised"]

    run(body)


def test_an_agent_who_answers_meanwhile_gets_the_caller() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "1", "")
        made.house.caller()
        await asyncio.sleep(120.5)
        made.desk.ready("a1")
        await asyncio.sleep(20)
        assert made.exits() == ["answered"]
        assert states(made) == ["offered"]

    run(body)


def test_a_mailbox_is_not_taken_for_the_customer() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "1", "1", customer="")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.ready("a1")
        await asyncio.sleep(100)
        assert states(made)[2:] == ["dialling", "waiting"]
        assert made.desk.state("a1") in (State.WRAP_UP, State.READY)

    run(body)


def test_who_is_busy_twice_is_given_up() -> None:
    async def body() -> None:
        made = centre({**PHONES, "trunk/carrier": Behaviour(status=486)})
        presses(made, "1", "1")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.ready("a1")
        await asyncio.sleep(300)
        assert states(made)[2:] == ["dialling", "waiting"]
        await asyncio.sleep(700)
        assert states(made)[2:] == ["dialling", "waiting", "dialling", "failed"]
        assert [e.cause for e in made.all(ev.CallbackChanged) if e.state in ("waiting", "failed")] == ["busy", "busy"]
        assert made.house.calls.calls == {}

    run(body)


def test_an_agent_who_does_not_answer_costs_no_attempt() -> None:
    async def body() -> None:
        made = centre({**PHONES, "endpoint/2001": Behaviour()})
        presses(made, "1", "1")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.ready("a1")
        await asyncio.sleep(60)
        (promise,) = made.desk.callbacks
        assert promise.memory.attempt == 0
        assert made.house.calls.calls == {}
        assert "dialling" not in states(made)

    run(body)


def test_a_promise_outlives_the_process() -> None:
    async def body() -> None:
        store = MemoryDeskStore()
        made = centre(store=store)
        presses(made, "1", "1")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.stop()
        later = Centre(config({"q": RULE}, agents=1), PHONES, store=store)
        presses(later)
        assert later.desk.state("a1") is State.PAUSED
        later.desk.ready("a1")
        await asyncio.sleep(30)
        assert states(later) == ["promised", "dialling", "connected"]
        await later.house.calls.drained()
        assert store.callbacks == {}

    run(body)


def test_a_promise_that_expired_meanwhile_is_told() -> None:
    async def body() -> None:
        store = MemoryDeskStore()
        made = centre(store=store)
        presses(made, "1", "1")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.stop()
        await asyncio.sleep(8000)
        later = Centre(config({"q": RULE}, agents=1), PHONES, store=store)
        assert states(later) == ["expired"]

    run(body)


def test_a_promise_is_taken_back_while_the_agents_phone_rings() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "1", "1")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.ready("a1")
        await asyncio.sleep(1)
        (promise,) = made.desk.callbacks
        made.desk.callbacks.cancel(promise.memory.callback_id)
        await asyncio.sleep(1)
        assert states(made)[-1] == "cancelled"
        assert made.desk.state("a1") is State.READY
        assert made.house.calls.calls == {}

    run(body)


def test_nobody_is_called_back_while_the_queue_is_closed() -> None:
    async def body() -> None:
        made = centre()
        presses(made, "1", "1")
        made.house.caller()
        await asyncio.sleep(200)
        made.desk.follow_hours(lambda queue: False)
        made.desk.ready("a1")
        await asyncio.sleep(100)
        assert made.desk.state("a1") is State.READY
        made.desk.follow_hours(lambda queue: True)
        await asyncio.sleep(30)
        assert states(made)[-1] == "connected"

    run(body)
