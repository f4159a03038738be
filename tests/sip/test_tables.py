"""Every cell of every transaction table is defined, reachable states only lead onward, and the end is the end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.sip.machines import CLIENT_INVITE, CLIENT_OTHER, SERVER_INVITE, SERVER_OTHER, On, State, Table
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.timers import Timers
from pbx.sip.transaction import (
    ClientInvite,
    ClientOther,
    ClientTransaction,
    ServerInvite,
    ServerOther,
    Transaction,
)
from tests.fakes.wire import A, B

TABLES = {
    "client invite": (CLIENT_INVITE, ClientInvite.FIRST),
    "client other": (CLIENT_OTHER, ClientOther.FIRST),
    "server invite": (SERVER_INVITE, ServerInvite.FIRST),
    "server other": (SERVER_OTHER, ServerOther.FIRST),
}


class Recorder:
    """The wire and the user of a transaction: notes what it is told."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.sent: list[bytes] = []
        self.told: list[str] = []
        self.forgotten = 0

    def transmit(self, data: bytes, flow: Flow) -> None:
        self.sent.append(data)

    repeat = transmit

    def forget(self, transaction: Transaction) -> None:
        self.forgotten += 1

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        self.told.append(str(response.status))

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.told.append("timeout")

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self.told.append("error")

    def on_over(self, transaction: ClientTransaction) -> None:
        self.told.append("over")

    def on_server_timeout(self, transaction: Transaction, now: float) -> None:
        self.told.append("server timeout")


def request(method: str) -> Request:
    made = Request(method, "sip:b@192.0.2.2")
    made.headers = {
        "Via": ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx"],
        "From": ["<sip:a@example.com>;tag=f"],
        "To": ["<sip:b@example.com>"],
        "Call-ID": ["c"],
        "CSeq": [f"1 {method}"],
    }
    return made


@pytest.mark.parametrize("name", TABLES)
def test_every_state_that_can_be_reached_knows_every_event(name: str) -> None:
    table, first = TABLES[name]
    reached, todo = {first}, [first]
    while todo:
        state = todo.pop()
        for event in On:
            following, _ = table[state, event]
            if following not in reached:
                reached.add(following)
                todo.append(following)
    assert State.TERMINATED in reached
    assert reached == {state for state, _ in table}


@pytest.mark.parametrize("name", TABLES)
def test_the_end_is_the_end(name: str) -> None:
    table: Table = TABLES[name][0]
    assert all(table[State.TERMINATED, event] == (State.TERMINATED, ()) for event in On)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_but_waiting_for_the_user_ends_by_a_timer_or_an_error(name: str) -> None:
    table, first = TABLES[name]
    for state in {s for s, _ in table} - {State.TERMINATED}:
        ways = {table[state, event][0] for event in (On.LINGER, On.TIMEOUT, On.ERROR)}
        waits_for_user = name.startswith("server") and state in (first, State.PROCEEDING)
        assert State.TERMINATED in ways or waits_for_user, state


STATUS = {On.R1XX: 180, On.R2XX: 200, On.R3_6XX: 486}


@settings(max_examples=300)
@given(
    made=st.sampled_from([ClientInvite, ClientOther, ServerInvite, ServerOther]),
    events=st.lists(st.sampled_from(list(On)), max_size=12),
    transport=st.sampled_from(["udp", "tcp"]),
)
def test_no_order_of_events_breaks_a_transaction(made: type[Transaction], events: list[On], transport: str) -> None:
    world, flow, now = Recorder(), Flow(transport, A, B), 0.0
    asked = request("INVITE" if made in (ClientInvite, ServerInvite) else "OPTIONS")
    transaction: Transaction
    if made in (ClientInvite, ClientOther):
        client = made(asked, flow, world, world)  # type: ignore[call-arg,arg-type]
        client.start(now)  # type: ignore[attr-defined]
        transaction = client
    else:
        transaction = made(("k",), asked, flow, world)  # type: ignore[call-arg,arg-type]
        transaction.user = world  # type: ignore[attr-defined]
    for event in events:
        now += 0.1
        response = response_to(asked, STATUS[event]) if event in STATUS else None
        transaction.step(event, now, response)
        assert transaction.state in State
    for _ in itertools.takewhile(lambda _: len(world.timers), range(100)):
        now = max(now, world.timers.deadline or now)
        world.timers.fire(now)
    assert len(world.timers) == 0, "a timer that never ends"
    assert world.forgotten <= 1
