"""The ring of messages: bounded, masked, drawn as a ladder, written as a capture."""

from __future__ import annotations

import struct

from pbx.signaling import trace as tracing
from pbx.signaling.trace import Trace, ladder, masked, pcap
from pbx.sip.message import Flow
from tests.fakes.wire import A, B
from tests.sip.test_torture import message

FLOW = Flow("udp", A, B)


def ring(count: int = 1) -> Trace:
    clock = iter(range(1000, 100_000))
    made = Trace(lambda: float(next(clock)))
    for number in range(count):
        made.note(message(Call_ID=f"c{number}"), FLOW, received=True, now=0.0)
    return made


def test_messages_are_found_by_call_id_in_order() -> None:
    made = ring()
    made.note(message("SIP/2.0 180 Ringing", body="", i="c0", Call_ID=None), FLOW, received=False, now=0.0)
    assert [(one.received, one.title) for one in made.of(["c0"])] == [(True, "INVITE (SDP)"), (False, "180 Ringing")]
    assert made.of(["other"]) == []


def test_the_ring_is_bounded_by_messages_and_by_bytes() -> None:
    made = ring(tracing.MAX_MESSAGES + 10)
    assert made.sizes[0] == tracing.MAX_MESSAGES
    assert made.of(["c9"]) == []
    assert len(made.of(["c10"])) == 1
    for _ in range(500):
        made.note(message(Call_ID="long", body="x" * 60_000), FLOW, received=True, now=0.0)
    assert made.sizes[1] <= tracing.MAX_BYTES
    assert made.of(["c10"]) == []


def test_a_call_id_that_stands_inside_another_finds_only_its_own() -> None:
    made = ring(12)
    assert len(made.of(["c1"])) == 1


def test_secrets_are_masked() -> None:
    text = (
        b'Authorization: Digest username="1001", nonce="n0", response="beef"\r\na=crypto:1 AES inline:KEY\r\nSignal=5'
    )
    shown = masked(text)
    assert b"1001" in shown
    for secret in (b"beef", b"KEY", b"=5", b'"n0"'):
        assert secret not in shown


def test_a_ladder_names_the_peer_and_points_the_way() -> None:
    made = ring()
    made.note(message("SIP/2.0 200 OK", body="", Call_ID="c0"), FLOW, received=False, now=0.0)
    head, asked, answered = ladder(made.of(["c0"])).splitlines()
    assert "udp:192.0.2.2:5060" in head
    assert "|<" in asked
    assert ">|" in answered
    assert "200 OK" in answered
    assert ladder([]) == "no messages of this call are kept"


def test_a_capture_holds_every_message() -> None:
    data = pcap(ring(1).of(["c0"]))
    assert struct.unpack("<I", data[:4])[0] == 0xA1B2C3D4
    length = struct.unpack("<IIII", data[24:40])[2]
    packet = data[40:]
    assert len(packet) == length
    assert packet[28:] == masked(message(Call_ID="c0"))
    total = sum(struct.unpack(">10H", packet[:20]))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF  # the checksum of the header
