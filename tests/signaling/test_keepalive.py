"""What keeps a phone behind NAT reachable: pings, STUN, and dialogs that follow its registration."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from pbx.attendance import Attendance
from pbx.config.config import Config
from pbx.signaling.agent import UserAgent
from pbx.signaling.destinations import Destinations
from pbx.signaling.keepalive import PERIOD, KeepAlive
from pbx.signaling.stun import COOKIE, answer, is_stun
from pbx.sip.ids import Ids
from pbx.sip.location import NAT_EXPIRES_S, Location
from pbx.sip.message import Flow, response_to
from pbx.sip.parser import parse_message
from pbx.virtual import run_virtual
from tests.fakes.wire import OpenGate, Wire
from tests.signaling.test_agent import Air
from tests.sip.calls import established
from tests.sip.test_location import register

US = ("192.0.2.1", 5060)
ASK = struct.pack("!HH", 1, 0) + COOKIE + b"twelve bytes"


def test_a_phone_behind_nat_is_pinged_once_in_a_period_and_others_never() -> None:
    sent: list[tuple[bytes, Flow]] = []
    location = Location()
    at_home = Flow("udp", US, ("203.0.113.9", 31000))
    location.register("1", register("10.0.0.4:5060", "sip:1@10.0.0.4:5060"), at_home, 0.0, 1)
    inside = Flow("udp", US, ("10.0.0.5", 5060))
    location.register("2", register("10.0.0.5", "sip:2@10.0.0.5"), inside, 0.0, 1)
    connected = Flow("tcp", US, ("203.0.113.8", 40000))
    location.register("3", register("10.0.0.6:5060", "sip:3@10.0.0.6;transport=tcp"), connected, 0.0, 1)
    pings = KeepAlive(
        location, Wire().a.stack, lambda: 1.0, lambda host: host.startswith("10."), lambda flow: flow.local,
        lambda data, flow: not sent.append((data, flow)),
    )  # fmt: skip
    for _ in range(2 * PERIOD):
        pings.tick()
    assert [flow for _, flow in sent] == [at_home, at_home]
    ping = parse_message(sent[0][0])
    assert (ping.cseq.method, ping.via.host, str(ping.to.uri)) == ("OPTIONS", "192.0.2.1", "sip:1@10.0.0.4:5060")


def test_one_options_holds_the_door_and_asks_whether_somebody_is_there() -> None:
    """A phone behind NAT that is qualified every minute is asked every 25 s, and not pinged beside."""

    async def body() -> None:
        wall = time.time()
        config = Config.model_validate({"endpoints": {"1001": {"context": "internal", "qualify-s": 60}}})
        air, location = Air(), Location()
        agent = UserAgent(air, OpenGate(), Ids(1))
        flow = Flow("udp", US, ("203.0.113.9", 31000))
        location.register("1001", register("10.0.0.4:5060", "sip:1001@10.0.0.4:5060"), flow, wall, 1)
        pings = KeepAlive(location, agent.stack, time.time, lambda host: False, air.advertised, air.send)
        where = Destinations(config, location, None, lambda party: 0, time.time)  # type: ignore[arg-type]
        there = Attendance(lambda: config, agent, where, location, lambda event: None, pings)
        asked = 0
        for _ in range(4 * PERIOD):
            pings.tick()
            there.tick()
            agent.pump()
            for _, request in air.sent:
                asked += 1
                agent.receive(response_to(request, 200, to_tag="b").to_bytes(), flow)
            air.sent.clear()
            await asyncio.sleep(1)
        assert asked == 4
        assert there.is_there("1001")

    run_virtual(body())


def test_a_phone_behind_nat_registers_again_soon() -> None:
    flow = Flow("udp", US, ("203.0.113.9", 31000))
    asked = register("10.0.0.4:5060", "sip:1@10.0.0.4:5060")
    asked.headers["Expires"] = ["3600"]
    (binding,) = Location().register("1", asked, flow, 0.0, 1).bindings
    assert binding.expires_at == NAT_EXPIRES_S


@pytest.mark.parametrize("remote", [("203.0.113.9", 31000), ("2001:db8::9", 5062)])
def test_stun_tells_from_where_it_was_heard(remote: tuple[str, int]) -> None:
    import ipaddress

    assert is_stun(ASK)
    told = answer(ASK, remote)
    assert told is not None
    assert len(told) <= 44
    kind, length = struct.unpack_from("!HH", told)
    assert (kind, length, told[4:20]) == (0x0101, len(told) - 20, ASK[4:20])
    _, size, family, port = struct.unpack_from("!HHxBH", told, 20)
    address = bytes(a ^ b for a, b in zip(told[28:], ASK[4:20], strict=False))
    assert (str(ipaddress.ip_address(address)), port ^ 0x2112) == remote
    assert (size, family) == ((8, 1) if "." in remote[0] else (20, 2))


def test_what_is_no_binding_request_gets_no_answer() -> None:
    assert answer(struct.pack("!HH", 0x0101, 0) + ASK[4:], US) is None  # an answer: two servers would never end
    assert answer(struct.pack("!HH", 1, 4) + ASK[4:], US) is None
    assert not is_stun(b"OPTIONS sip:a SIP/2.0\r\n")


def test_a_call_follows_the_registration_of_its_phone() -> None:
    wire = Wire()
    session, _ = established(wire)
    assert session.dialog is not None
    before, after = session.dialog.flow, Flow("udp", ("192.0.2.1", 5060), ("192.0.2.2", 31001))
    session.dialog.direct = False
    wire.a.stack.flow_moved(after, before)
    assert session.dialog.flow == before
    wire.a.stack.flow_moved(before, after)
    assert wire.a.stack.flow_for(session.dialog) == after


def test_a_phone_that_moved_is_told_of() -> None:
    location = Location()
    made = register("10.0.0.4:5060", "sip:1@10.0.0.4:5060")
    one, other = (Flow("udp", US, ("203.0.113.9", port)) for port in (31000, 31001))
    assert location.register("1", made, one, 0.0, 1).moved == []
    made.replace("CSeq", "2 REGISTER")
    change = location.register("1", made, other, 1.0, 1)
    assert (change.moved, [b.flow for b in change.bindings]) == ([(one, other)], [other])
