"""Trunks: how they come up, what takes them down, which way a call goes, and what it says of its caller."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pbx import events as ev
from pbx.config.config import Config
from pbx.config.endpoints import Trunk as TrunkSpec
from pbx.config.endpoints import TrunkRegistration
from pbx.errors import Unreachable
from pbx.signaling.contract import Introduction
from pbx.signaling.destinations import Destinations
from pbx.signaling.line import State
from pbx.signaling.presentation import matches, wants_privacy
from pbx.signaling.trunk import Trunks
from pbx.sip.digest import Secret, challenges, parse_credentials, verify
from pbx.sip.location import Location
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Output, RequestReceived, ResponseReceived
from tests.fakes.wire import A, Wire
from tests.sip.calls import last_request


class NoNames:
    async def services(self, name: str) -> list[object]:
        return []

    async def addresses(self, host: str) -> list[str]:
        return []


@dataclass
class Ways:
    """Flows from a's address to anywhere."""

    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None:
        return Flow(transport, A, remote)

    def advertised(self, flow: Flow) -> tuple[str, int]:
        return flow.local

    def widen(self, remote: tuple[str, int]) -> None: ...


class Carrier:
    """Trunks on stack a, a carrier on stack b that asks for a password."""

    def __init__(self, *, realm: str = "carrier", secret: str | None = "pw", **spec: object) -> None:
        self.wire, self.realm = Wire(), realm
        self.status = 200
        self.heard: list[Request] = []
        self.events: list[ev.Event] = []
        self.wire.b.on_output = self.answer
        self.wire.a.on_output = self.told
        made = TrunkSpec.model_validate({"proxy": ("sip:192.0.2.2",), **spec})
        self.trunks = Trunks(
            {"t": made},
            {"t": secret} if secret else {},
            self.wire.a.stack,
            Ways(),
            NoNames(),  # type: ignore[arg-type]
            self.events.append,
            lambda: self.wire.now,
        )
        self.line = self.trunks.lines["t"]

    def told(self, output: Output, now: float) -> None:
        if isinstance(output, ResponseReceived) and callable(output.token):
            output.token(output.response)

    def answer(self, output: Output, now: float) -> None:
        if isinstance(output, RequestReceived):
            self.heard.append(output.request)
            self.wire.b.stack.respond(output.transaction, self.response(output.request), now)

    def response(self, request: Request) -> Response:
        given = [c for text in request.headers.get("Authorization", ()) if (c := parse_credentials(text))]
        if request.method == "REGISTER" and self.status == 200:
            if not (given and verify(given[0], Secret("pw"), "REGISTER", ("md5",))):
                refused = response_to(request, 401)
                refused.headers["WWW-Authenticate"] = challenges(self.realm, "nonce", ("md5",), stale=False)
                return refused
            accepted = response_to(request, 200)
            accepted.headers["Contact"] = [(request.get("Contact") or "").replace("expires=300", "expires=100")]
            return accepted
        return response_to(request, self.status)

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.trunks.tick()
            self.wire.run(self.wire.now + 1)

    def states(self) -> list[str]:
        return [event.now for event in self.events if isinstance(event, ev.TrunkState)]


REGISTERING = {"register": {"user": "acme", "secret": "pw", "expires-s": 300}}


def registering(**more: object) -> dict[str, object]:
    return {"register_": TrunkRegistration(user="acme", secret="pw"), **more}


def test_a_trunk_registers_with_a_token_that_tells_its_calls() -> None:
    carrier = Carrier(**registering())
    carrier.run(3)
    assert carrier.states() == ["registering", "up"]
    contact = carrier.heard[-1].contacts[0].uri
    assert carrier.trunks.tokens == {contact.user: "t"}
    assert carrier.line.realm == "carrier"


def test_it_registers_again_before_the_registrar_forgets() -> None:
    carrier = Carrier(**registering())
    carrier.run(3)
    heard = len(carrier.heard)
    carrier.run(82)
    assert len(carrier.heard) > heard
    assert carrier.states() == ["registering", "up"]
    numbers = [request.cseq.number for request in carrier.heard]
    assert numbers == sorted(set(numbers))


def test_a_trunk_without_its_secret_stays_down_and_says_so() -> None:
    carrier = Carrier(secret=None, **registering())
    carrier.run(10)
    assert carrier.heard == []
    assert (carrier.line.state, carrier.line.cause) == (State.DOWN, "its secret is missing")
    with pytest.raises(Unreachable):
        carrier.trunks.flows("t")


def test_a_foreign_realm_gets_no_proof_of_our_secret() -> None:
    carrier = Carrier(realm="thief", register_=TrunkRegistration(user="acme", secret="pw", realm="carrier"))
    carrier.run(5)
    assert not any("Authorization" in request.headers for request in carrier.heard)
    assert carrier.line.state is State.DOWN
    assert "thief" in carrier.line.cause


def test_a_refusal_is_tried_again_ever_more_slowly() -> None:
    carrier = Carrier(**registering())
    carrier.status = 403
    carrier.run(150)
    assert carrier.states() == ["registering", "down"]
    assert len(carrier.heard) == 3  # at once, after about 30 s, after about 90 s


def test_a_silent_proxy_gives_way_to_the_next() -> None:
    carrier = Carrier(**registering(proxy=("sip:192.0.2.99", "sip:192.0.2.2")))
    carrier.wire.drop_next(lambda data: b"sip:192.0.2.99 " in data.split(b"\r\n")[0], times=1000)
    carrier.run(40)
    assert carrier.states()[-1] == "up"
    _, flows = carrier.trunks.flows("t")
    assert flows[0].remote == ("192.0.2.2", 5060)


def test_options_tell_whether_a_proxy_lives() -> None:
    carrier = Carrier(qualify_s=10)
    carrier.run(2)
    assert carrier.line.state is State.UP
    lost = carrier.wire
    lost.drop_next(lambda data: data.startswith(b"OPTIONS"), times=200)
    carrier.run(60)
    assert carrier.line.state is State.UNREACHABLE
    lost._drops.clear()
    carrier.run(60)
    assert carrier.states() == ["up", "unreachable", "up"]


def test_any_answer_to_options_but_503_is_a_sign_of_life() -> None:
    carrier = Carrier(qualify_s=10)
    carrier.status = 404
    carrier.run(5)
    assert carrier.line.state is State.UP
    carrier.status = 503
    carrier.run(15)
    assert carrier.line.state is State.UNREACHABLE


def test_an_operator_switches_a_trunk_off_and_on() -> None:
    carrier = Carrier(**registering())
    carrier.run(3)
    carrier.trunks.enable("t", False)
    with pytest.raises(Unreachable):
        carrier.trunks.flows("t")
    carrier.trunks.enable("t", True)
    carrier.run(3)
    assert carrier.states() == ["registering", "up", "disabled", "registering", "up"]


class Caller:
    """A leg as far as presentation looks."""

    def __init__(self, number: str, **headers: str) -> None:
        self.caller = type("P", (), {"number": number, "name": "Jane"})()
        values = {name.replace("_", "-"): [value] for name, value in headers.items()}
        self.variables = {"introduction": Introduction("endpoint/1", number, "", "", "", "", "", None, values)}


def destination(carrier: Carrier, caller: Caller, *, active: int = 0, number: str = "+861065550000"):  # type: ignore[no-untyped-def]
    config = Config.model_construct(
        endpoints={}, trunks={"t": carrier.line.spec}, sip=type("S", (), {"domain": "ours"})()
    )
    made = Destinations(config, Location(), carrier.trunks, lambda party: active, lambda: 0.0)
    return made.resolve("trunk/t", caller, number=number)[0]


def test_a_caller_that_may_be_presented_is() -> None:
    found = destination(Carrier(callers=("+8610888X",), caller_else="+86100"), Caller("+86108885"))
    assert str(found.from_) == '"Jane" <sip:+86108885@ours>'
    assert ("P-Asserted-Identity", "<sip:+86108885@ours>") in found.headers
    assert str(found.uri) == "sip:+861065550000@192.0.2.2"


def test_another_caller_is_replaced() -> None:
    found = destination(Carrier(callers=("+8610888X",), caller_else="+86100"), Caller("4711"))
    assert str(found.from_) == "<sip:+86100@ours>"


@pytest.mark.parametrize(("privacy", "sender"), [(True, "anonymous.invalid"), (False, "ours")])
def test_privacy_is_honoured_where_the_trunk_does(privacy: bool, sender: str) -> None:
    found = destination(Carrier(privacy=privacy), Caller("1001", Privacy="id;critical"))
    assert found.from_.uri.host == sender
    assert (("Privacy", "id") in found.headers) is privacy
    assert ("P-Asserted-Identity", "<sip:1001@ours>") in found.headers


def test_how_a_call_was_diverted_is_passed_on() -> None:
    found = destination(Carrier(), Caller("1001", Diversion="<sip:1002@x>;reason=user-busy"))
    assert ("Diversion", "<sip:1002@x>;reason=user-busy") in found.headers


def test_a_full_trunk_is_full_and_not_broken() -> None:
    with pytest.raises(Unreachable) as caught:
        destination(Carrier(max_calls=2), Caller("1001"), active=2)
    assert caught.value.reason == "trunk-full"


def test_an_outbound_proxy_is_the_way_and_the_route() -> None:
    found = destination(Carrier(outbound_proxy="sip:192.0.2.50:5070"), Caller("1001"))
    assert found.flow.remote == ("192.0.2.50", 5070)
    assert found.routes == ("<sip:192.0.2.50:5070;lr>",)


@pytest.mark.parametrize(
    ("pattern", "number", "fits"),
    [("1XX", "123", True), ("1XX", "12", False), ("+86.", "+861", True), ("[2-4]N!", "35", True), ("1.2", "1x2", True)],
)
def test_patterns_of_presented_numbers(pattern: str, number: str, fits: bool) -> None:
    assert matches(pattern, number) is fits


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"Privacy": ["none"]}, False),
        ({"Privacy": ["user;id"]}, True),
        ({"From": ['"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1']}, True),
        ({}, False),
    ],
)
def test_who_asks_for_privacy(headers: dict[str, list[str]], wanted: bool) -> None:
    assert wants_privacy(headers) is wanted


def test_registration_requests_name_the_registrar() -> None:
    carrier = Carrier(**registering())
    carrier.run(2)
    assert last_request(carrier.wire, "a", "REGISTER").uri_text == "sip:192.0.2.2"
