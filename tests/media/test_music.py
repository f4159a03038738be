"""Music on hold is one stream: all hear the same place, and a frame is encoded once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from pbx.media.contract import Clip
from pbx.media.engine import Engine
from tests.media.phones import Phone, power, sine, talk, until


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, threads=2, capacity=64, seed=5)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def music(tmp_path: Path) -> Clip:
    """A second and a bit that rises, so that no two frames of it are alike."""
    times = np.arange(16500) / 16000
    soundfile.write(tmp_path / "music.wav", 0.3 * np.sin(2 * np.pi * (300 + 200 * times) * times), 16000)
    return Clip("music", tmp_path / "music.wav")


def payloads(phone: Phone) -> list[bytes]:
    return [packet[12:] for packet in phone.collect()]


@pytest.mark.asyncio
@pytest.mark.parametrize("codec", ["pcma", "g722", "opus"])
async def test_all_who_wait_hear_the_same_frames_whenever_they_came(engine: Engine, music: Clip, codec: str) -> None:
    first = Phone(engine, codec)
    second = Phone(engine, codec, beside=first.port)
    first.port.play([music], loop=True)
    await until(lambda: len(first.collect()) > 12)
    second.port.play([music], loop=True)
    await until(lambda: len(second.collect()) > 25)
    one, other = payloads(first), payloads(second)
    assert one[0] != other[0], "who comes later begins in the midst"
    begin = one.index(other[1])
    assert begin >= 10
    alike = [a == b for a, b in zip(one[begin:], other[1:], strict=False)]
    assert len(alike) > 20
    assert all(alike)
    for phone in (first, second):
        numbers = [int.from_bytes(packet[2:4], "big") for packet in phone.received]
        assert numbers == [(numbers[0] + i) & 0xFFFF for i in range(len(numbers))]
        phone.close()


@pytest.mark.asyncio
async def test_the_music_goes_round_without_a_gap(engine: Engine, music: Clip) -> None:
    phone = Phone(engine, "pcma")
    phone.port.play([music], loop=True)
    await until(lambda: len(phone.collect()) > 70)
    heard = phone.heard().astype(float)
    loud = [np.abs(heard[at : at + 80]).max() for at in range(0, len(heard) - 80, 80)]
    assert min(loud) > 4000
    phone.close()


@pytest.mark.asyncio
async def test_who_moves_to_another_thread_hears_the_music_go_on_and_whoever_joins(engine: Engine, music: Clip) -> None:
    waiting, other = Phone(engine, "opus"), Phone(engine, "opus")
    friend = Phone(engine, "pcmu", beside=other.port)
    other.port.hear(friend.port)
    waiting.port.play([music], loop=True)
    other.port.play([music], loop=True)
    await until(lambda: len(waiting.collect()) > 5)
    token = 1
    waiting.port.hear(friend.port)
    assert waiting.port.shard is friend.port.shard
    waiting.received.clear()
    await talk({friend: sine("pcmu", 1500, 0.6, 4000)})
    heard = waiting.heard()[4800:8000]
    assert power(heard, 1500, 16000) == pytest.approx(4000, rel=0.15)
    assert np.sqrt(np.mean(heard.astype(float) ** 2)) > 5000, "and the music beside it"
    waiting.port.stop()
    await until(lambda: waiting.events.done == [(token, "stopped")])
    waiting.collect()
    waiting.received.clear()
    await talk({friend: sine("pcmu", 1500, 0.4, 4000)})
    assert power(waiting.heard()[1600:], 1500, 16000) == pytest.approx(4000, rel=0.15)
    for phone in (waiting, other, friend):
        phone.close()
