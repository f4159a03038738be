"""Streams that change under way: another SSRC, stamps that jump, packets twice or out of order, silence."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from pbx.media.contract import MediaState
from pbx.media.engine import Engine
from tests.media.phones import Phone, power, sine, talk, until


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=7)
    made.start()
    yield made
    made.stop()


def pair(engine: Engine, codec: str, other_codec: str) -> tuple[Phone, Phone]:
    one, other = Phone(engine, codec), Phone(engine, other_codec)
    other.port.hear(one.port)
    return one, other


def is_one_stream(phone: Phone) -> bool:
    packets = phone.collect()
    numbers = [int.from_bytes(packet[2:4], "big") for packet in packets]
    whole = numbers == [(numbers[0] + i) & 0xFFFF for i in range(len(numbers))]
    return whole and len({packet[8:12] for packet in packets}) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("other_codec", ["pcmu", "g722"])
async def test_a_source_that_changes_its_ssrc_stays_one_stream_for_the_listener(
    engine: Engine, other_codec: str
) -> None:
    one, other = pair(engine, "pcmu", other_codec)
    await talk({one: sine("pcmu", 500, 0.4)})
    one.ssrc ^= 0x1234567
    one.seq, one.time_stamp = 17, 99
    await talk({one: sine("pcmu", 500, 0.6)})
    rate = other.codec.rate_hz
    assert is_one_stream(other)
    assert power(other.heard()[-rate // 4 :], 500, rate) == pytest.approx(8000, rel=0.1)
    assert one.port.stats().lost == 0
    assert one.port.stats().packets_in == 50
    for phone in (one, other):
        phone.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("jump", [0x40000000, -0x20000000, 8000 * 10])
async def test_stamps_that_jump_begin_anew_and_the_sound_goes_on(engine: Engine, jump: int) -> None:
    one, other = pair(engine, "pcmu", "g722")
    await talk({one: sine("pcmu", 500, 0.3)})
    one.time_stamp += jump
    other.collect()
    other.received.clear()
    await talk({one: sine("pcmu", 500, 0.6)})
    assert is_one_stream(other)
    assert power(other.heard()[3200:], 500, 16000) == pytest.approx(8000, rel=0.1)
    for phone in (one, other):
        phone.close()


@pytest.mark.asyncio
async def test_packets_that_come_twice_or_in_another_order_are_heard_once_and_in_order(engine: Engine) -> None:
    one, other = pair(engine, "pcmu", "g722")
    await talk({one: sine("pcmu", 500, 0.4)})
    spoken = sine("pcmu", 500, 0.8)
    for at in range(0, len(spoken), 2):
        first, second = (one.seq, one.time_stamp), (one.seq + 1, one.time_stamp + 160)
        for (one.seq, one.time_stamp), payload in ((second, spoken[at + 1]), (first, spoken[at]), (first, spoken[at])):
            one.send(payload)
        one.seq, one.time_stamp = second[0] + 1, second[1] + 160
        await talk({other: sine("g722", 300, 0.04)})
    stats = one.port.stats()
    assert stats.duplicates + stats.late >= len(spoken) // 2 > 0  # one whose first came late counts so itself
    heard = other.heard()[6400:]
    assert power(heard, 500, 16000) == pytest.approx(8000, rel=0.1)
    assert is_one_stream(other)
    for phone in (one, other):
        phone.close()


@pytest.mark.asyncio
async def test_a_phone_that_sends_nothing_in_pauses_is_silent_in_them_and_comfort_noise_is_no_fault(
    engine: Engine,
) -> None:
    one, other = pair(engine, "pcmu", "g722")
    await talk({one: sine("pcmu", 500, 0.5)})
    one.send(b"\x40", pt=13, step=0)  # RFC 3389: from here on silence
    one.time_stamp += 8000
    other.collect()
    other.received.clear()
    await talk({other: sine("g722", 300, 1.0)})
    pause = other.heard()
    other.received.clear()
    await talk({one: sine("pcmu", 500, 0.5)})
    stats = one.port.stats()
    assert (stats.invalid, stats.lost, stats.packets_in) == (0, 0, 51)
    assert np.abs(pause[-4800:].astype(int)).max() < 50, "nothing is invented for what was never said"
    assert power(other.heard()[-4800:], 500, 16000) == pytest.approx(8000, rel=0.1)
    assert is_one_stream(other)
    for phone in (one, other):
        phone.close()


@pytest.mark.asyncio
async def test_a_phone_that_falls_silent_is_told_of_within_three_seconds_and_so_is_its_return(engine: Engine) -> None:
    one, other = pair(engine, "pcmu", "pcmu")
    await talk({one: sine("pcmu", 500, 0.2)})
    began = time.monotonic()
    while not one.events.states and time.monotonic() - began < 4:
        await talk({other: sine("pcmu", 300, 0.1)})
    assert one.events.states == [MediaState.STOPPED]
    assert 2.5 < time.monotonic() - began < 3.15
    await talk({one: sine("pcmu", 500, 0.1)})
    await until(lambda: one.events.states == [MediaState.STOPPED, MediaState.HEARD])
    for phone in (one, other):
        phone.close()
