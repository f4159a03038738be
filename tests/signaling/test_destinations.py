"""Where calls to phones go, and REFER outside a dialog."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from pbx.config.config import Config
from pbx.config.endpoints import Endpoint
from pbx.signaling.agent import SessionSignal, UserAgent
from pbx.signaling.contract import Destination, Introduction, SignalEvents
from pbx.signaling.destinations import Destinations
from pbx.sip.headers import parse_address
from pbx.sip.ids import Ids
from pbx.sip.location import Location
from pbx.sip.message import Flow, Request
from pbx.sip.parser import parse_message
from pbx.sip.transaction import ServerTransaction
from pbx.virtual import run_virtual
from tests.fakes.wire import A, OpenGate
from tests.signaling.test_agent import Air, Ear
from tests.sip.calls import SDP
from tests.sip.test_location import register

EDGE = Flow("udp", A, ("192.0.2.50", 5060))


def places(request: Request) -> Destinations:
    """Return where endpoint 1 is after its REGISTER came by an edge proxy."""
    location = Location()
    location.register("1", request, EDGE, 0.0, 1)
    config = Config(endpoints={"1": Endpoint()})
    return Destinations(config, location, None, lambda party: 0, lambda: 1.0)  # type: ignore[arg-type]


def caller(**headers: str) -> SimpleNamespace:
    values = {name.replace("_", "-"): [value] for name, value in headers.items()}
    introduction = Introduction("endpoint/2", "2", "", "1", "1", "c", "", None, values)
    return SimpleNamespace(variables={"introduction": introduction})


def invite(destination: Destination) -> tuple[Flow, Request]:
    """Call there; return what was sent."""
    air = Air()

    async def body() -> None:
        UserAgent(air, OpenGate(), Ids(1)).call(destination, parse_address('"Two" <sip:2@invalid>'), SDP, Ear())

    run_virtual(body())
    return air.sent[0]


def test_a_phone_that_registered_by_a_path_is_called_by_it() -> None:
    asked = register("192.0.2.50:5060", "sip:1@10.0.0.9:5060")
    asked.headers["Path"] = ["<sip:edge.example;lr;ob>", "<sip:inner.example;lr>"]  # RFC 3327 5.1
    (destination,) = places(asked).resolve("endpoint/1", caller())
    flow, request = invite(destination)
    assert flow == EDGE
    assert request.uri_text == "sip:1@10.0.0.9:5060"
    assert request.headers["Route"] == ["<sip:edge.example;lr;ob>", "<sip:inner.example;lr>"]


@pytest.mark.parametrize("headers", [{"Privacy": "id"}, {"From": "<sip:Anonymous@anonymous.invalid>;tag=1"}])
def test_who_hides_is_not_named_to_a_phone(headers: dict[str, str]) -> None:
    places_of = places(register("192.0.2.50:5060", "sip:1@10.0.0.9:5060"))
    (destination,) = places_of.resolve("endpoint/1", caller(**headers))
    _, request = invite(destination)
    assert str(request.from_).startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
    assert (request.get("Privacy"), request.get("P-Asserted-Identity")) == ("id", None)
    (destination,) = places_of.resolve("endpoint/1", caller())
    _, request = invite(destination)
    assert (request.from_.name, request.from_.uri.user) == ("Two", "2")
    assert "sip:2@" in (request.get("P-Asserted-Identity") or "")


class Called(Ear):
    """Answers a call, and notes what it is asked inside."""

    def __init__(self, signal: SessionSignal) -> None:
        super().__init__()
        self.asked: list[Request] = []
        signal.accept(SDP)

    def on_request(self, request: Request, transaction: ServerTransaction) -> None:  # type: ignore[override]
        self.asked.append(request)


def test_a_refer_outside_a_dialog_is_for_who_is_in_the_dialog_that_it_names() -> None:
    """RFC 4538; a REFER that names none would let anybody have us call."""
    air = Air()
    answered: list[bytes] = []

    async def body() -> None:
        agent = UserAgent(air, OpenGate(), Ids(1))
        send = air.send
        air.send = lambda data, flow: answered.append(data) or send(data, flow)  # type: ignore[method-assign,func-returns-value]
        calls: list[Called] = []

        def invited(signal: SessionSignal, introduction: Introduction) -> SignalEvents:
            calls.append(Called(signal))
            return calls[-1]

        agent.on_invite = invited
        agent.receive(outside("INVITE", SDP).to_bytes(), EDGE)
        await asyncio.sleep(0.1)
        tag = parse_message(answered[-1]).to.tag
        good = outside("REFER", Target_Dialog=f"call;local-tag=t;remote-tag={tag}")
        agent.receive(good.to_bytes(), EDGE)
        assert [request.method for request in calls[0].asked] == ["REFER"]
        for named in ({}, {"Target_Dialog": "other;local-tag=t;remote-tag=x"}):
            agent.receive(outside("REFER", **named).to_bytes(), EDGE)
            assert answered[-1].startswith(b"SIP/2.0 403")
        assert len(calls[0].asked) == 1

    run_virtual(body())


COUNT = iter(range(1, 100))


def outside(method: str, body: bytes = b"", **headers: str) -> Request:
    number = next(COUNT)
    made = Request(method, "sip:1@192.0.2.1", body=body)
    made.headers = {
        "Via": [f"SIP/2.0/UDP 192.0.2.50;branch=z9hG4bK{number}"],
        "From": ["<sip:2@x>;tag=t"],
        "To": ["<sip:1@x>"],
        "Call-ID": ["call" if method == "INVITE" else f"refer-{number}"],
        "CSeq": [f"{number} {method}"],
        "Contact": ["<sip:2@192.0.2.50>"],
        "Refer-To": ["<sip:3@x>"],
        **{name.replace("_", "-"): [value] for name, value in headers.items()},
    }
    if body:
        made.headers["Content-Type"] = ["application/sdp"]
    return made
