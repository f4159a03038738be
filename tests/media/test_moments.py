"""Regular phones are read at moments of their own through a connected socket; nothing is lost by it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pbx.media.engine import Engine
from tests.media.phones import Phone, sine, talk, until


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=2)
    made.start()
    yield made
    made.stop()


async def settled_pair(engine: Engine) -> tuple[Phone, Phone]:
    """Two bridged phones, both regular."""
    one, other = Phone(engine), Phone(engine)
    one.port.hear(other.port)
    other.port.hear(one.port)
    for _ in range(40):
        await talk({one: sine("pcmu", 440, 0.1), other: sine("pcmu", 440, 0.1)})
        if engine.regular == 2:
            return one, other
    raise AssertionError("two regular phones were not found to be regular")


@pytest.mark.asyncio
async def test_a_regular_phone_is_relayed_whole_and_in_order(engine: Engine) -> None:
    one, other = await settled_pair(engine)
    sent_before = one.seq
    await until(lambda: other.port.stats().packets_out == len(other.collect()))
    other.received.clear()
    await talk({one: sine("pcmu", 440, 0.6)})
    await until(lambda: len(other.collect()) == one.seq - sent_before)
    sequence = [int.from_bytes(packet[2:4], "big") for packet in other.received]
    assert sequence == [(sequence[0] + i) & 0xFFFF for i in range(len(sequence))]
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_key_press_of_a_regular_phone_is_read_at_once(engine: Engine) -> None:
    one, other = await settled_pair(engine)
    one.digit(4)
    await until(lambda: [digit for digit, _ in one.events.digits] == ["4"])
    await until(lambda: len([p for p in other.collect() if p[1] & 0x7F == 101]) == 6)
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_stranger_is_counted_and_not_heard_where_the_phone_has_a_socket_of_its_own(engine: Engine) -> None:
    one, other = await settled_pair(engine)
    await until(lambda: len(other.collect()) > 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.settimeout(0.2)
        for seq in range(50):
            stranger.sendto(b"\x80\x00" + seq.to_bytes(2, "big") + bytes(8) + b"\x55" * 160, one.port.local)
        await until(lambda: one.port.stats().wrong_source == 50)
        with pytest.raises(TimeoutError):
            stranger.recv(2048)  # neither sound nor ICMP goes to whoever is not the peer
    assert all(b"\x55" * 160 not in packet for packet in other.collect())
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_regular_phone_whose_address_changes_is_followed(engine: Engine) -> None:
    one, other = await settled_pair(engine)
    one.socket.close()
    one.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    one.socket.bind(("127.0.0.1", 0))
    one.received.clear()
    await talk({one: sine("pcmu", 440, 0.2), other: sine("pcmu", 440, 0.2)})
    await until(lambda: len(one.collect()) >= 8)
    assert one.port.stats().remote == one.socket.getsockname()
    assert one.port.stats().wrong_source == 0
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_a_phone_that_falls_silent_is_heard_again_at_once(engine: Engine) -> None:
    one, other = await settled_pair(engine)
    await until(lambda: engine.regular == 0)  # both are silent now
    before = one.port.stats().packets_in
    one.send(b"\xff" * 160)
    await until(lambda: one.port.stats().packets_in == before + 1)
    one.close()
    other.close()
