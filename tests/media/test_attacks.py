"""What strangers and broken phones send: nothing audible, nothing sent back, all counted, no other call the poorer."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from pbx.errors import MediaError
from pbx.media.engine import Engine
from tests.media.phones import Heard, Phone, sine, talk, until

MARK = b"\x2a" * 160  # a sound that none of ours makes
COUNT = 1000


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=7)
    made.start()
    yield made
    made.stop()


def rtp(victim: Phone, at: int) -> bytes:
    """A valid packet that guesses everything right but where the phone is in its numbers."""
    return struct.pack("!BBHII", 0x80, 0, (at + 30000) & 0xFFFF, at * 160, victim.ssrc) + MARK


def other_stream(victim: Phone, at: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, at & 0xFFFF, at * 160, 77) + MARK


def junk(victim: Phone, at: int) -> bytes:
    return os.urandom(1 + at % 300)


def oversized(victim: Phone, at: int) -> bytes:
    return rtp(victim, at) + MARK * 20


def digits(victim: Phone, at: int) -> bytes:
    return struct.pack("!BBHIIBBH", 0x80, 101, at & 0xFFFF, at * 160, victim.ssrc ^ 1, at % 10, 0x8A, 800)


async def fire(stranger: socket.socket, make: Callable[[int], bytes], target: tuple[str, int]) -> None:
    """Send a thousand within a second."""
    for at in range(COUNT):
        stranger.sendto(make(at), target)
        if at % 20 == 19:
            await asyncio.sleep(0.015)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", [rtp, other_stream, junk, oversized, digits])
async def test_a_flood_from_a_stranger_is_counted_and_nothing_else(
    engine: Engine, kind: Callable[[Phone, int], bytes]
) -> None:
    victim, friend, one, other = (Phone(engine) for _ in range(4))
    for a, b in ((victim, friend), (one, other)):
        a.port.hear(b.port)
        b.port.hear(a.port)
    packets = sine("pcmu", 440, 1.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as stranger:
        stranger.bind(("127.0.0.1", 0))
        await talk({victim: packets[:10], friend: packets[:10], one: packets[:10], other: packets[:10]})
        flood = fire(stranger, lambda at: kind(victim, at), victim.port.local)
        rest = dict.fromkeys((victim, friend, one, other), packets[10:])
        await asyncio.gather(flood, talk(rest))
        await until(lambda: all(len(p.collect()) >= len(packets) for p in (victim, friend, one, other)))
        with pytest.raises(BlockingIOError):
            stranger.recv(2048)
    for phone in (victim, friend, one, other):
        assert [packet[12:] for packet in phone.collect()] == packets
    stats = victim.port.stats()
    assert stats.packets_in == len(packets)
    assert stats.invalid + stats.wrong_source == COUNT
    assert stats.remote == victim.socket.getsockname()
    assert victim.events.digits == []
    for phone in (victim, friend, one, other):
        phone.close()


@pytest.mark.asyncio
async def test_a_phone_that_sends_thousands_of_digits_is_told_of_as_far_as_a_hand_could_press(engine: Engine) -> None:
    broken, friend = Phone(engine), Phone(engine)
    friend.port.hear(broken.port)
    for at in range(5000):
        broken.send(struct.pack("!BBH", at % 10, 0x8A, 800), pt=101, step=160)
        if at % 100 == 99:
            await asyncio.sleep(0.002)
            friend.collect()
    await until(lambda: broken.port.stats().packets_in == 5000)
    assert 1 <= len(broken.events.digits) <= 150
    assert broken.port.stats().invalid >= 4800
    await talk({broken: sine("pcmu", 440, 0.1)})
    broken.close()
    friend.close()


@pytest.mark.asyncio
async def test_above_its_capacity_the_engine_refuses_new_calls_but_no_emergency(engine: Engine) -> None:
    phone = Phone(engine)
    engine.most_load = -1.0
    with pytest.raises(MediaError, match="its core") as refused:
        engine.open(Heard(), "127.0.0.1")
    assert refused.value.status == 503
    engine.open(Heard(), "127.0.0.1", must=True).close()
    engine.most_load = 0.85
    await talk({phone: sine("pcmu", 440, 0.1)})
    assert engine.load < 0.5
    engine.open(Heard(), "127.0.0.1").close()
    phone.close()
