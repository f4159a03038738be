"""A day of twenty phones in virtual time: registrations, lamps, calls that last. Nothing grows, nothing drifts."""

from __future__ import annotations

import asyncio
import gc

from pbx.events import Event, RegistrationAdded, RegistrationRemoved
from pbx.signaling.registrar import Registrar
from pbx.signaling.subscriptions import Subscriptions
from pbx.sip.dialog import dialog_as_client
from pbx.sip.invite import Session
from pbx.sip.location import Binding
from pbx.sip.message import Request, Response
from pbx.sip.outputs import (
    Invited,
    Output,
    Reoffer,
    RequestReceived,
    ResponseReceived,
    SubscriptionEnded,
    SubscriptionRefreshed,
)
from pbx.sip.transaction import ServerTransaction
from pbx.virtual import run_virtual
from tests.fakes.wire import Wire
from tests.signaling.test_subscriptions import Board, Watcher
from tests.sip.calls import EMPTY, SDP

PHONES, CALLS, STEP_S = 20, 5, 5
DAY_S, HOUR_S, REGISTER_S, SUBSCRIBE_S = 86_400, 3_600, 270, 3_300


class Store:
    """Bindings that are durable at once."""

    async def save(self, account: str, bindings: list[Binding]) -> None: ...
    def load(self) -> list[tuple[str, Binding]]:
        return []


class Day:
    """Phones on stack a, the server on stack b."""

    def __init__(self) -> None:
        self.wire = wire = Wire(delay_s=0.002)
        self.events: list[Event] = []
        self.registrar = Registrar(Store(), self.events.append, lambda: wire.now, lambda account: 1)
        self.lamps = Subscriptions(wire.b.stack, Board(), "example.com", lambda: wire.now)
        self.calls: list[Session] = []
        self.watchers: dict[int, Watcher] = {}
        self.cseq = 0
        self.statuses: dict[int, int] = {}
        wire.a.on_output, wire.b.on_output = self.phone, self.server

    def server(self, output: Output, now: float) -> None:
        if isinstance(output, RequestReceived) and output.request.method == "REGISTER":
            source = f"endpoint/{output.request.to.uri.user}"
            self.registrar.handle(output.request, output.transaction, source, self.respond)
        elif isinstance(output, RequestReceived):
            self.lamps.handle(output.request, output.transaction, output.source)
        elif isinstance(output, SubscriptionRefreshed | SubscriptionEnded):
            self.lamps.on_output(output)
        elif isinstance(output, Invited):
            output.session.accept(now, SDP)
        elif isinstance(output, Reoffer):
            output.session.change.answer(now, SDP)

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        self.wire.b.stack.respond(transaction, response, self.wire.now)

    def phone(self, output: Output, now: float) -> None:
        if isinstance(output, Reoffer):
            output.session.change.answer(now, SDP)
        elif isinstance(output, ResponseReceived) and output.response is not None:
            self.statuses[output.response.status] = self.statuses.get(output.response.status, 0) + 1
            if isinstance(output.token, Request) and output.response.status == 200:
                number = int(output.token.from_.uri.user)
                dialog = dialog_as_client(output.token, output.response, self.wire.a.flow_to(self.wire.b))
                self.watchers[number] = Watcher(self.wire.a.stack, dialog)

    def ask(self, method: str, number: int, expires_s: int) -> None:
        """Let a phone register, or subscribe: the first time, and again inside the dialog."""
        wire, watcher = self.wire, self.watchers.get(number) if method == "SUBSCRIBE" else None
        self.cseq += 1
        if watcher is not None:
            request = watcher.dialog.request(method)
        else:
            request = Request(method, "sip:1002@192.0.2.2" if method == "SUBSCRIBE" else "sip:192.0.2.2")
            to = f"<sip:{number}@example.com>" if method == "REGISTER" else "<sip:1002@example.com>"
            request.headers = {
                "From": [f"<sip:{number}@example.com>;tag={method}"],
                "To": [to],
                "Call-ID": [f"{method}-{number}"],
                "CSeq": [f"{self.cseq} {method}"],
            }
        request.headers |= {"Contact": [f"<sip:{number}@192.0.2.1:5060>"], "Expires": [str(expires_s)]}
        if method == "SUBSCRIBE":
            request.headers["Event"] = ["dialog"]
        first = method == "SUBSCRIBE" and watcher is None
        wire.a.stack.request(request, wire.a.flow_to(wire.b), wire.now, request if first else method)

    def call(self, number: int) -> None:
        request = Request("INVITE", "sip:1002@192.0.2.2")
        request.headers = {
            "From": [f"<sip:{number}@example.com>;tag=c"],
            "To": ["<sip:1002@example.com>"],
            "Call-ID": [f"call-{number}"],
            "CSeq": ["1 INVITE"],
            "Max-Forwards": ["70"],
            "Content-Type": ["application/sdp"],
            "Session-Expires": [f"1800;refresher={'uac' if number % 2 else 'uas'}"],
        }
        request.body = SDP
        self.calls.append(self.wire.a.stack.invite(request, self.wire.a.flow_to(self.wire.b), self.wire.now))

    async def pass_time(self, until: float) -> None:
        """Move time step by step; each phone does what is due."""
        while self.wire.now < until:
            second = round(self.wire.now)
            for number in range(PHONES):
                if second % REGISTER_S == number * STEP_S:
                    self.ask("REGISTER", number, 300)
                if second % SUBSCRIBE_S == number * STEP_S:
                    self.ask("SUBSCRIBE", number, 3_600)
            self.wire.run(second + 0.5)
            await asyncio.sleep(0)  # the store's turn, and who waits for it
            await asyncio.sleep(0)
            self.registrar.expire()
            self.lamps.changed("dialog", "1002") if second % 600 == 0 else None
            self.wire.run(second + STEP_S)
            for kept in (self.wire.sent, self.wire.a.outputs, self.wire.b.outputs):
                kept.clear()  # what the fake remembers

    def held(self) -> dict[str, int]:
        return {name: size for name, size in self.wire.b.stack.sizes.items() if name in ("dialogs", "timers")}


def test_a_day_leaves_as_much_as_an_hour() -> None:
    async def body() -> None:
        day = Day()
        for number in range(CALLS):
            day.call(number)
        await day.pass_time(HOUR_S)
        held, objects = day.held(), counted()
        assert held["dialogs"] == PHONES + CALLS
        await day.pass_time(DAY_S)
        assert all(call.is_up for call in day.calls)
        assert day.lamps.count == PHONES
        assert day.held()["dialogs"] == held["dialogs"]
        assert day.held()["timers"] <= held["timers"]  # some transactions may linger at either instant
        assert counted() < objects + 500
        added = [event for event in day.events if isinstance(event, RegistrationAdded)]
        assert len(added) == PHONES  # each once; everything after was a refresh in time
        assert not [event for event in day.events if isinstance(event, RegistrationRemoved)]
        assert set(day.statuses) == {200}
        for number in range(PHONES):
            (binding,) = day.registrar.location.bindings(str(number), day.wire.now)
            assert (binding.registered_at - number * STEP_S) % REGISTER_S < 0.01  # no drift since the first
            day.ask("REGISTER", number, 0)
            day.ask("SUBSCRIBE", number, 0)
        for call in day.calls:
            call.bye(day.wire.now)
        day.wire.run(day.wire.now + 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        day.wire.run(day.wire.now + 100)
        assert day.wire.b.stack.sizes == EMPTY
        assert (day.lamps.count, list(day.registrar.location.accounts())) == (0, [])

    run_virtual(body())


def counted() -> int:
    gc.collect()
    return len(gc.get_objects())
