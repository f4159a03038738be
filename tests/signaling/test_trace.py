"""The ring of messages: bounded, masked, drawn as a ladder, written as a capture."""

from __future__ import annotations

import struct

import pytest

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
        made.note(message(Call_ID=f"c{number}"), FLOW, True)
    return made


def test_messages_are_found_by_call_id_in_order() -> None:
    made = ring()
    made.note(message("SIP/2.0 180 Ringing", body="", i="c0", Call_ID=None), FLOW, False)
    assert [(one.received, one.title) for one in made.of(["c0"])] == [(True, "INVITE (SDP)"), (False, "180 Ringing")]
    assert made.of(["other"]) == []


def test_the_ring_is_bounded_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "SEGMENT_BYTES", 4000)
    monkeypatch.setattr(tracing, "SEGMENTS", 3)
    made = ring(100)
    assert made.size < 4 * 4000
    assert made.of(["c0"]) == []
    assert [one.data for one in made.of(["c99"])] == [masked(message(Call_ID="c99"))]


def test_what_is_packed_takes_less_and_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "SEGMENT_BYTES", 4000)
    made = ring(100)
    before, size = made.of(["c0", "c50", "c99"]), made.size
    made.pack()
    made.pack()
    assert made.of(["c0", "c50", "c99"]) == before
    assert made.size < size / 3


def test_a_call_id_that_another_message_merely_mentions_is_not_taken_for_its_own() -> None:
    made = ring()
    made.note(message("REFER sip:a@b SIP/2.0", Call_ID="other", Refer_To="<sip:x@y?Replaces=c0>"), FLOW, True)
    assert [one.title for one in made.of(["c0"])] == ["INVITE (SDP)"]


def test_secrets_are_masked() -> None:
    text = (
        b'Authorization: Digest username="1001", nonce="n0", response="beef"\r\na=crypto:1 AES inline:KEY\r\nSignal=5'
    )
    shown = masked(text)
    assert b"1001" in shown
    for secret in (b"beef", b"KEY", b"=5", b'"n0"'):
        assert secret not in shown


def test_digits_and_passwords_are_masked() -> None:
    info = masked(b"INFO sip:1001:pass;word@a.example SIP/2.0\r\nContent-Type: application/dtmf\r\nX: y\r\n\r\n7\r\n")
    assert info == b"INFO sip:1001:***@a.example SIP/2.0\r\nContent-Type: application/dtmf\r\nX: y\r\n\r\n***\r\n"
    plain = b"INVITE sip:1001@a.example:5060;transport=udp SIP/2.0\r\nTo: <sip:a.example:5060>, <sip:b@c>\r\n\r\n"
    assert masked(plain) == plain


def test_a_ladder_names_the_peer_and_points_the_way() -> None:
    made = ring()
    made.note(message("SIP/2.0 200 OK", body="", Call_ID="c0"), FLOW, False)
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
