"""What a recording's file is: G.711 where the legs are, half as large; readable at any instant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from pbx.media.contract import Coding
from pbx.media.engine import Engine
from tests.media.phones import Phone, power, sine, talk, until


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=5)
    made.start()
    yield made
    made.stop()


async def record(engine: Engine, codecs: tuple[str, str], coding: Coding, path: Path) -> None:
    one, other = (Phone(engine, codec) for codec in codecs)
    one.port.hear(other.port)
    other.port.hear(one.port)
    one.port.record(path, other=other.port, coding=coding)
    await talk({one: sine(codecs[0], 500, 0.5), other: sine(codecs[1], 900, 0.5)})
    one.port.stop_recording()
    await until(lambda: len(one.events.done) == 1)
    one.close()
    other.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("codecs", "coding", "subtype", "rate_hz"),
    [
        (("pcmu", "pcmu"), "auto", "ULAW", 8000),
        (("pcma", "pcmu"), "auto", "ALAW", 8000),
        (("pcmu", "pcmu"), "pcm16", "PCM_16", 8000),
        (("pcmu", "g722"), "auto", "PCM_16", 16000),
        (("g722", "g722"), "g711", "ALAW", 8000),
    ],
)
async def test_a_recording_is_kept_as_its_legs_and_the_configuration_say(
    engine: Engine, tmp_path: Path, codecs: tuple[str, str], coding: Coding, subtype: str, rate_hz: int
) -> None:
    path = tmp_path / "call.wav"
    await record(engine, codecs, coding, path)
    about = soundfile.info(path)
    assert (about.subtype, about.samplerate, about.channels) == (subtype, rate_hz, 2)
    assert about.duration == pytest.approx(0.5, abs=0.08)
    octets = about.frames * 2 * (2 if subtype == "PCM_16" else 1)
    assert path.stat().st_size == octets + (44 if subtype == "PCM_16" else 58)
    sound, _ = soundfile.read(path, dtype="int16")
    middle = sound[rate_hz // 8 : rate_hz * 3 // 8]
    assert power(middle[:, 0], 500, rate_hz) == pytest.approx(8000, rel=0.06)
    assert power(middle[:, 1], 900, rate_hz) == pytest.approx(8000, rel=0.06)
    assert power(middle[:, 0], 900, rate_hz) < 100


@pytest.mark.asyncio
async def test_what_a_g711_phone_says_is_recorded_octet_by_octet(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine, "pcma")
    phone.port.record(tmp_path / "one.wav", coding="auto")
    spoken = sine("pcma", 440, 0.5)
    await talk({phone: spoken})
    phone.port.stop_recording()
    await until(lambda: len(phone.events.done) == 1)
    file = (tmp_path / "one.wav").read_bytes()
    assert b"".join(spoken[4:12]) in file[58:]
    phone.close()


@pytest.mark.asyncio
async def test_a_recording_is_readable_while_it_is_written(engine: Engine, tmp_path: Path) -> None:
    phone = Phone(engine, "pcma")
    path = tmp_path / "one.wav"
    phone.port.record(path, coding="auto")
    await talk({phone: sine("pcma", 440, 0.5)})
    await until(lambda: path.stat().st_size > 58 + 800)
    sound, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 8000
    assert len(sound) >= 800
    assert np.abs(sound).max() > 4000
    phone.close()
