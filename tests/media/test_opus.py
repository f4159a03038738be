"""Opus through the bundled libopus: time stamps, lengths, loss, quality beside G.711."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from pesq import pesq

from pbx.media.engine import Engine
from pbx.native import opus
from pbx.native.ear import Probe
from tests.media.listening import speech
from tests.media.phones import Phone, sine, talk, until

PROBE_OPUS = 4


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=6)
    made.start()
    yield made
    made.stop()


@pytest.mark.asyncio
@pytest.mark.parametrize(("asked_ms", "given_ms"), [(10, 10), (20, 20), (30, 20), (60, 60)])
async def test_packets_are_as_long_as_opus_can_and_stamped_at_48_khz(
    engine: Engine, asked_ms: int, given_ms: int
) -> None:
    one, other = Phone(engine), Phone(engine, "opus", ptime_ms=asked_ms)
    other.port.hear(one.port)
    await talk({one: sine("pcmu", 1000, 0.6)})
    await until(lambda: len(other.collect()) > 4)
    stamps = [int.from_bytes(packet[4:8], "big") for packet in other.received[3:]]
    assert {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(stamps)} == {48 * given_ms}
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_opus_to_opus_is_relayed_and_a_key_goes_beside_it(engine: Engine) -> None:
    one, other = Phone(engine, "opus"), Phone(engine, "opus")
    other.port.hear(one.port)
    packets = sine("opus", 440, 0.3)
    await talk({one: packets})
    await until(lambda: len(other.collect()) == len(packets))
    assert [packet[12:] for packet in other.received] == packets
    one.digit(6)
    await until(lambda: [digit for digit, _ in one.events.digits] == ["6"])
    assert one.port.stats().jitter_ms is not None
    assert one.port.stats().jitter_ms < 10
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_prompts_are_heard_through_opus(engine: Engine) -> None:
    phone = Phone(engine, "opus")
    phone.port.tone("beep")
    await until(lambda: len(phone.collect()) >= 8)
    assert phone.port.rate_hz == 16000
    assert np.abs(phone.heard()).max() > 1000
    phone.close()


def test_noise_in_the_place_of_opus_is_silence_and_not_the_end() -> None:
    probe, chance = Probe(PROBE_OPUS), np.random.default_rng(3)
    coder = opus.Codec()
    loud = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(320) / 16000)).astype(np.int16)
    for at in range(400):
        packet = coder.encode(loud) if at % 3 else bytes(chance.integers(0, 256, 1 + at % 60, np.uint8))
        probe.put(at, at * 160, packet, 1000 + at * 20 + 7.0)
        assert len(probe.tick(1000 + at * 20 + 10)) == 640


def test_speech_through_opus_sounds_at_least_as_well_as_through_g722s_narrow_band() -> None:
    said = speech(10.0)
    wide = np.repeat(said, 2)  # the band above 4 kHz says nothing to a narrow-band measure
    coder, heard = opus.Codec(), []
    for at in range(0, len(wide) // 320 * 320, 320):
        heard.append(coder.decode(coder.encode(wide[at : at + 320])))
    narrow = np.frombuffer(b"".join(heard), np.int16)[::2]
    assert pesq(8000, said, narrow, "nb") > 3.9
