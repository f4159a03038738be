"""MESSAGE between endpoints: who may send, where it goes, what the sender is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pbx.errors import Unreachable
from pbx.signaling.contract import Destination
from pbx.signaling.messages import Messages
from pbx.sip.message import Request, response_to
from pbx.sip.outputs import Output, RequestReceived, ResponseReceived
from pbx.sip.transaction import ServerTransaction
from pbx.sip.uri import parse_uri
from tests.fakes.wire import Wire
from tests.sip.calls import last_request


class Office:
    """Server b between its phone and phone a, which plays both."""

    def __init__(self, answer: int = 200, source: str = "endpoint/1001") -> None:
        self.wire = Wire()
        self.messages = Messages(self.wire.b.stack, self, "example.com", lambda: self.wire.now)
        self.source, self.answer = source, answer
        self.told: list[int] = []
        self.wire.b.on_output = self.server
        self.wire.a.on_output = self.phone

    def endpoint(self, number: str) -> Sequence[Destination]:
        if number != "1002":
            raise Unreachable("nobody")
        return [Destination("endpoint/1002", parse_uri("sip:1002@192.0.2.1"), self.wire.b.flow_to(self.wire.a))]

    def server(self, output: Output, now: float) -> None:
        if isinstance(output, RequestReceived):
            self.messages.handle(output.request, output.transaction, self.source)
        elif isinstance(output, ResponseReceived) and callable(output.token):
            output.token(output.response)

    def phone(self, output: Output, now: float) -> None:
        if isinstance(output, RequestReceived):
            transaction: ServerTransaction = output.transaction
            self.wire.a.stack.respond(transaction, response_to(output.request, self.answer), now)
        elif isinstance(output, ResponseReceived) and output.response is not None:
            self.told.append(output.response.status)

    def send(self, number: str, text: bytes = b"hello", kind: str = "text/plain") -> int:
        request = Request("MESSAGE", f"sip:{number}@192.0.2.2", body=text)
        request.headers = {
            "From": ["<sip:forged@example.com>;tag=m"],
            "To": [f"<sip:{number}@example.com>"],
            "Call-ID": ["message"],
            "CSeq": ["1 MESSAGE"],
            "Content-Type": [kind],
        }
        self.wire.a.stack.request(request, self.wire.a.flow_to(self.wire.b), self.wire.now, "sent")
        self.wire.run(self.wire.now + 40)
        return self.told[-1]


def test_a_message_reaches_the_phone_under_the_name_of_the_account() -> None:
    office = Office()
    assert office.send("1002") == 200
    passed = last_request(office.wire, "b", "MESSAGE")
    assert passed.body == b"hello"
    assert passed.from_.uri.user == "1001"


@pytest.mark.parametrize(
    ("number", "text", "kind", "source", "status"),
    [
        ("4711", b"x", "text/plain", "endpoint/1001", 480),
        ("1002", b"x" * 1400, "text/plain", "endpoint/1001", 513),
        ("1002", b"x", "application/octet-stream", "endpoint/1001", 415),
        ("1002", b"x", "text/plain", "trunk/carrier", 403),
    ],
)
def test_what_is_not_passed_on(number: str, text: bytes, kind: str, source: str, status: int) -> None:
    office = Office(source=source)
    assert office.send(number, text, kind) == status
    assert office.wire.messages("b", b"MESSAGE") == []


def test_the_sender_hears_what_the_phone_says() -> None:
    assert Office(answer=486).send("1002") == 486
