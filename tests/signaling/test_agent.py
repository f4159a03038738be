"""The user agent over fake transports in virtual time: other ways, redirections, how many calls a party has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pbx.signaling.agent import UserAgent
from pbx.signaling.contract import Destination
from pbx.sip.headers import parse_address
from pbx.sip.ids import Ids
from pbx.sip.message import Flow, Request, response_to
from pbx.sip.parser import parse_message
from pbx.sip.uri import parse_uri
from pbx.virtual import run_virtual
from tests.fakes.wire import A, OpenGate
from tests.sip.calls import SDP

ONE, TWO = Flow("udp", A, ("192.0.2.11", 5060)), Flow("udp", A, ("192.0.2.12", 5060))


class Air:
    """Transports that note what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Flow, Request]] = []
        self.streams = False  # a connection stands beside each UDP flow

    def send(self, data: bytes, flow: Flow) -> bool:
        message = parse_message(data)
        if isinstance(message, Request):
            self.sent.append((flow, message))
        return True

    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None:
        return Flow(transport, A, remote)

    def advertised(self, flow: Flow) -> tuple[str, int]:
        return flow.local

    def wider(self, flow: Flow) -> Flow | None:
        return Flow("tcp", flow.local, flow.remote) if self.streams else None


class Ear:
    """Notes what is told of a call."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_progress(self, status: int, sdp: bytes | None) -> None:
        self.told.append(f"progress {status}")

    def on_answered(self, sdp: bytes | None, *, is_offer: bool) -> None:
        self.told.append("answered")

    def on_failed(self, status: int, reason: str, contacts: Sequence[str]) -> None:
        self.told.append(f"failed {status}")

    def on_acked(self, sdp: bytes | None) -> None: ...
    def on_reoffer(self, sdp: bytes | None) -> None: ...
    def another_offer(self) -> bytes | None: ...
    def on_reoffer_done(self, status: int, sdp: bytes | None) -> None: ...
    def on_request(self, request: Request, transaction: object) -> None: ...
    def on_ended(self, by: str, status: int, reason: str) -> None:
        self.told.append(f"ended by {by}")


class Desk:
    def __init__(
        self, *, alternatives: tuple[Flow, ...] = (TWO,), redirects: int = 0, sdp: bytes = SDP, streams: bool = False
    ) -> None:
        self.air, self.ear = Air(), Ear()
        self.air.streams = streams
        self.agent = UserAgent(self.air, OpenGate(), Ids(1))
        uri = parse_uri("sip:4711@carrier.example")
        destination = Destination("trunk/t", uri, ONE, alternatives=alternatives, redirects=redirects)
        self.signal = self.agent.call(destination, parse_address("<sip:1001@x>"), sdp, self.ear)

    def answer(self, status: int, *, contact: str = "<sip:b@192.0.2.11>", body: bytes = b"") -> None:
        flow, invite = [(f, m) for f, m in self.air.sent if m.method == "INVITE"][-1]
        response = response_to(invite, status, to_tag="b", body=body)
        response.headers["Contact"] = [contact]
        if body:
            response.headers["Content-Type"] = ["application/sdp"]
        self.agent.receive(response.to_bytes(), flow)

    def invites(self) -> list[tuple[Flow, str]]:
        return [(f, m.uri_text) for f, m in self.air.sent if m.method == "INVITE"]


def in_time(body):  # type: ignore[no-untyped-def]
    run_virtual(body())


@pytest.mark.parametrize("status", [503, 500, 408])
def test_a_way_that_fails_gives_way_to_the_next_and_nobody_above_notices(status: int) -> None:
    async def body() -> None:
        desk = Desk()
        desk.answer(status)
        await asyncio.sleep(0.1)
        assert [flow for flow, _ in desk.invites()] == [ONE, TWO]
        desk.answer(180)
        desk.answer(200, body=SDP)
        assert desk.ear.told == ["progress 180", "answered"]
        assert desk.agent.active["trunk/t"] == 1
        desk.signal.hangup()
        assert desk.agent.active["trunk/t"] == 0

    in_time(body)


def test_a_way_that_says_nothing_is_given_up_after_four_seconds() -> None:
    async def body() -> None:
        desk = Desk()
        await asyncio.sleep(4.5)
        assert {flow for flow, _ in desk.invites()} == {ONE, TWO}
        desk.answer(486)
        assert desk.ear.told == ["failed 486"]
        assert desk.agent.active["trunk/t"] == 0

    in_time(body)


@pytest.mark.parametrize("status", [404, 486, 600, 603])
def test_the_word_of_the_called_is_final(status: int) -> None:
    async def body() -> None:
        desk = Desk()
        desk.answer(status)
        assert len(desk.invites()) == 1
        assert desk.ear.told == [f"failed {status}"]

    in_time(body)


def test_a_redirection_is_followed_behind_the_same_proxy() -> None:
    async def body() -> None:
        desk = Desk(redirects=1)
        desk.answer(302, contact="<sip:4712@evil.example>")
        assert desk.invites()[-1] == (ONE, "sip:4712@carrier.example")
        desk.answer(302, contact="<sip:4713@x>")
        assert desk.ear.told == ["failed 302"]

    in_time(body)


def test_a_redirection_is_refused_where_the_rule_says_so() -> None:
    async def body() -> None:
        desk = Desk(alternatives=(), redirects=0)
        desk.answer(302, contact="<sip:4712@x>")
        assert desk.ear.told == ["failed 302"]

    in_time(body)


def test_who_hung_up_is_not_called_another_way() -> None:
    async def body() -> None:
        desk = Desk()
        desk.answer(180)
        desk.signal.hangup()
        desk.answer(503)
        assert len(desk.invites()) == 1

    in_time(body)


LARGE = SDP + b"a=x:" + b"y" * 1000 + b"\r\n"


def test_what_is_large_goes_by_the_stream_beside_and_by_datagram_when_that_breaks() -> None:
    """RFC 3261 18.1.1."""

    async def body() -> None:
        small = Desk(streams=True)
        assert [(flow.transport, m.via.transport) for flow, m in small.air.sent] == [("udp", "UDP")]
        none = Desk(sdp=LARGE)
        assert [(flow.transport, m.via.transport) for flow, m in none.air.sent] == [("udp", "UDP")]
        large = Desk(sdp=LARGE, streams=True, alternatives=())
        assert [(flow.transport, m.via.transport) for flow, m in large.air.sent] == [("tcp", "TCP")]
        large.answer(401)
        assert large.ear.told == ["failed 401"]
        broken = Desk(sdp=LARGE, streams=True, alternatives=())
        broken.air.streams = False
        broken.agent.flow_closed(Flow("tcp", ONE.local, ONE.remote))
        assert [(flow.transport, m.via.transport) for flow, m in broken.air.sent] == [("tcp", "TCP"), ("udp", "UDP")]
        broken.answer(200, body=SDP)
        assert broken.ear.told == ["answered"]
        assert broken.air.sent[-1][1].method == "ACK"
        silent = Desk(sdp=LARGE, streams=True, alternatives=())
        await asyncio.sleep(5)
        ways = [flow.transport for flow, _ in silent.air.sent]
        assert ways[0] == "tcp"
        assert set(ways[1:]) == {"udp"}
        assert len({m.via.branch for _, m in silent.air.sent}) == 2
        await asyncio.sleep(32)
        assert silent.ear.told == ["failed 408"]
        assert silent.agent.stack.sizes["clients"] == 0

    in_time(body)
