"""RTCP with phones on sockets: reports out and in, round trip, BYE, and what strangers send."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pbx.media.engine import Engine
from pbx.sdp.negotiate import Agreed
from tests.media.phones import Phone, sine, talk, until

SR, RR, SDES, BYE = 200, 201, 202, 203


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=4)
    made.start()
    yield made
    made.stop()


def ntp_middle(ago_s: float = 0.0) -> int:
    return int((time.time() - ago_s + 2208988800) * 65536) & 0xFFFFFFFF


class Reporter(Phone):
    """A phone with RTCP beside its RTP."""

    def __init__(self, engine: Engine) -> None:
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.control.bind(("127.0.0.1", 0))
        super().__init__(engine)

    def agree(self, direction: str = "sendrecv") -> None:
        here = self.socket.getsockname()
        self.port.send_to(Agreed(here, self.control.getsockname(), self.codec, 101, direction, 20, False))

    def __del__(self) -> None:
        super().__del__()
        self.control.close()

    @property
    def control_target(self) -> tuple[str, int]:
        return (self.port.local[0], self.port.local[1] + 1)

    def sender_report(self) -> bytes:
        words = (ntp_middle() >> 16, (ntp_middle() & 0xFFFF) << 16, 0, self.seq, 160 * self.seq)
        return struct.pack("!BBHIIIIII", 0x80, SR, 6, self.ssrc, *words)

    def receiver_report(self, about: int, *, lost: int = 0, jitter: int = 0, trip_s: float = 0.05) -> bytes:
        block = struct.pack("!IIIIII", about, lost, 70000, jitter, ntp_middle(0.5), int((0.5 - trip_s) * 65536))
        return struct.pack("!BBHI", 0x81, RR, 7, self.ssrc) + block


def packets_of(compound: bytes) -> list[bytes]:
    found = []
    while compound:
        size = 4 * (int.from_bytes(compound[2:4], "big") + 1)
        found.append(compound[:size])
        compound = compound[size:]
    return found


async def said(control: socket.socket) -> list[bytes]:
    """Return the next compound packet, taken apart."""
    got: list[bytes] = []

    def look() -> bool:
        try:
            got.append(control.recv(2048))
        except BlockingIOError:
            return False
        return True

    await until(look)
    return packets_of(got[0])


@pytest.mark.asyncio
async def test_reports_tell_what_came_and_the_last_one_says_goodbye(engine: Engine) -> None:
    phone, other = Reporter(engine), Phone(engine)
    phone.port.hear(other.port)
    phone.control.sendto(phone.sender_report(), phone.control_target)
    packets = sine("pcmu", 440, 0.4)
    await talk({phone: packets[:10], other: packets})
    phone.seq += 5  # five are lost on the way
    await talk({phone: packets[:5]})
    first = await said(phone.control)
    assert [packet[1] for packet in first][:2] == [SR, SDES]
    phone.port.close()
    last = await said(phone.control)
    assert [packet[1] for packet in last] == [first[0][1], SDES, BYE] or [p[1] for p in last] == [RR, SDES, BYE]
    block = last[0][-24:]
    about, lost, highest, _, middle, delay = struct.unpack("!IIIIII", block)
    assert about == phone.ssrc
    assert lost & 0xFFFFFF == 5
    assert highest & 0xFFFF == (phone.seq - 1) & 0xFFFF
    assert 0 <= (ntp_middle() - middle - delay) & 0xFFFFFFFF < 65536 // 2
    assert len({packet[4:8] for packet in first + last if packet[1] != BYE}) == 1
    other.close()
    phone.socket.close()


@pytest.mark.asyncio
async def test_what_the_peer_reports_is_known_with_the_round_trip(engine: Engine) -> None:
    phone, other = Reporter(engine), Phone(engine)
    phone.port.hear(other.port)
    await talk({phone: sine("pcmu", 440, 1.2), other: sine("pcmu", 440, 1.2)})
    ours = int.from_bytes(phone.collect()[0][8:12], "big")
    report = phone.receiver_report(ours, lost=3, jitter=80, trip_s=0.05)
    phone.control.sendto(report, phone.control_target)
    await until(lambda: phone.port.stats().peer_lost == 3)
    stats = phone.port.stats()
    assert stats.round_trip_ms == pytest.approx(50, abs=25)
    assert stats.peer_jitter_ms == 10
    assert stats.mos is not None
    assert stats.mos > 4.2
    assert stats.peer_mos is not None
    assert stats.peer_mos < stats.mos
    phone.close()
    other.close()


@pytest.mark.asyncio
async def test_rtcp_on_the_rtp_port_is_read_and_answered_there(engine: Engine) -> None:
    phone = Reporter(engine)
    here = phone.socket.getsockname()
    phone.port.send_to(Agreed(here, here, phone.codec, 101, "sendrecv", 20, False))
    await talk({phone: sine("pcmu", 440, 0.1)})
    phone.socket.sendto(phone.receiver_report(1), phone.port.local)
    phone.port.close()
    await until(lambda: any(packet[1] in (SR, RR) for packet in phone.collect()))
    assert [packet[1] for packet in packets_of(phone.received[-1])][-2:] == [SDES, BYE]


@pytest.mark.asyncio
async def test_a_goodbye_or_noise_from_anybody_ends_nothing(engine: Engine) -> None:
    phone, other = Reporter(engine), Phone(engine)
    other.port.hear(phone.port)
    packets = sine("pcmu", 440, 0.1)
    await talk({phone: packets})
    goodbye = struct.pack("!BBHI", 0x81, BYE, 1, phone.ssrc)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for noise in (goodbye[:4], b"\x80\xc9\xff\xff" + bytes(40), bytes(100), goodbye[:4] + bytes(4)):
            stranger.sendto(noise, phone.control_target)
        stranger.sendto(goodbye, phone.control_target)
    await talk({phone: packets})
    await until(lambda: len(other.collect()) == 10)
    assert phone.port.stats().invalid >= 4
    phone.close()
    other.close()
