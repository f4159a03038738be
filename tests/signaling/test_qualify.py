"""Phones asked by OPTIONS: who falls silent, who is back, and who is not asked any more."""

from __future__ import annotations

from collections.abc import Sequence

from pbx.errors import Unreachable
from pbx.signaling.contract import Destination
from pbx.signaling.qualify import Qualifier
from pbx.sip.message import response_to
from pbx.sip.outputs import Output, RequestReceived, ResponseReceived
from pbx.sip.uri import parse_uri
from tests.fakes.wire import Wire


class Office:
    """Server b and phone a, which answers with *status*, or not at all."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.status: int | None = 200
        self.asked: dict[str, int] = {"1002": 30}
        self.there = True
        self.told: list[tuple[str, bool]] = []
        self.qualifier = Qualifier(
            self.wire.b.stack, self, "example.com", lambda: self.wire.now, lambda: self.asked.items(),
            lambda endpoint, contact, on: self.told.append((endpoint, on)),
        )  # fmt: skip
        self.wire.b.on_output = self.server
        self.wire.a.on_output = self.phone

    def endpoint(self, number: str) -> Sequence[Destination]:
        if not self.there:
            raise Unreachable("nobody")
        return [Destination("endpoint/1002", parse_uri("sip:1002@192.0.2.1"), self.wire.b.flow_to(self.wire.a))]

    def server(self, output: Output, now: float) -> None:
        if isinstance(output, ResponseReceived) and callable(output.token):
            output.token(output.response)

    def phone(self, output: Output, now: float) -> None:
        if isinstance(output, RequestReceived) and self.status is not None:
            self.wire.a.stack.respond(output.transaction, response_to(output.request, self.status), now)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.qualifier.tick()
            self.wire.run(self.wire.now + 1)


def test_a_phone_that_answers_is_asked_at_its_times_and_nothing_is_told() -> None:
    office = Office()
    office.run(95)
    assert len(office.wire.messages("b", b"OPTIONS")) == 4
    assert office.told == []
    assert office.qualifier.reaches("1002")


def test_any_answer_is_one_but_those_of_something_before_it() -> None:
    for status, lives in ((404, True), (501, True), (408, False), (503, False)):
        office = Office()
        office.status = status
        office.run(2)
        assert office.qualifier.reaches("1002") is lives, status


def test_a_phone_falls_silent_within_seconds_and_comes_back() -> None:
    office = Office()
    office.run(40)
    office.status = None
    office.run(30)
    assert office.told == [("1002", False)]
    assert not office.qualifier.reaches("1002")
    office.status = 200
    office.run(40)
    assert office.told == [("1002", False), ("1002", True)]
    assert office.qualifier.reaches("1002")


def test_who_is_not_to_be_asked_any_more_is_not_silent_any_more() -> None:
    office = Office()
    office.status = None
    office.run(6)
    assert office.told == [("1002", False)]
    office.asked = {}
    office.run(2)
    assert office.told[-1] == ("1002", True)
    assert office.qualifier.reaches("1002")


def test_a_registration_that_is_gone_is_forgotten() -> None:
    office = Office()
    office.status = None
    office.run(6)
    office.there = False
    office.run(60)
    office.there, office.status = True, 200
    assert office.qualifier.reaches("1002")
