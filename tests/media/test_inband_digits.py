"""Digits as sound: the detector by the figures of ITU-T Q.24, on speech, and through the engine."""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.engine import Engine
from pbx.media.sounds import Sounds
from pbx.native import dtmf, g711
from pbx.sdp.negotiate import Agreed
from tests.media.phones import Phone, power, sine, talk, until

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = (1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15)
ALL = list(range(16))
PROMPTS = Path(__file__).parents[2] / "prompts"
FULL_SCALE_DBM0 = 3.14

Sound = npt.NDArray[np.int16]


def pressed(
    keys: list[int],
    *,
    on_s: float = 0.05,
    off_s: float = 0.05,
    row_off: float = 0.0,
    column_off: float = 0.0,
    level_dbm0: float = -10.0,
    twist_db: float = 0.0,
    noise_db: float | None = None,
    phase_ms: float = 0.0,
) -> Sound:
    """Return keys as a phone says them, A-law and back."""
    parts: list[Any] = [np.zeros(160 + int(8 * phase_ms))]
    peak = 32768 * 10 ** ((level_dbm0 - FULL_SCALE_DBM0) / 20)
    times = np.arange(int(on_s * 8000)) / 8000
    for key in keys:
        row, column = divmod(KEYS.index(key), 4)
        low = 10 ** (-twist_db / 40) * np.sin(2 * np.pi * ROWS[row] * (1 + row_off) * times)
        high = 10 ** (twist_db / 40) * np.sin(2 * np.pi * COLUMNS[column] * (1 + column_off) * times)
        parts += [peak * (low + high), np.zeros(int(off_s * 8000))]
    sound = np.concatenate([*parts, np.zeros(1600)])
    if noise_db is not None:
        sound = sound + np.random.default_rng(7).normal(0, peak * 10 ** (-noise_db / 20), len(sound))
    whole = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)[: len(sound) // 160 * 160]
    return np.frombuffer(g711.decode(1, g711.encode(1, whole)), np.int16)


def found(**how: Any) -> list[list[int]]:
    """Return what is heard of all keys at several phases against the frames."""
    return [
        [key for key, _ in dtmf.Detector().hear(pressed(ALL, phase_ms=phase, **how))] for phase in (0, 3.1, 7, 12.7)
    ]


@pytest.mark.parametrize(
    "how",
    [{}, {"on_s": 0.04, "off_s": 0.04}, {"noise_db": 26, "on_s": 0.04}, {"level_dbm0": 0}, {"level_dbm0": -36},
     {"twist_db": 4}, {"twist_db": -8}, {"row_off": 0.015}, {"column_off": -0.015},
     {"row_off": -0.015, "column_off": 0.015, "twist_db": -8, "on_s": 0.04}],
    ids=str,
)  # fmt: skip
def test_every_key_is_found_within_what_q24_asks_for(how: dict[str, float]) -> None:
    assert found(**how) == [ALL] * 4


@pytest.mark.parametrize("how", [{"on_s": 0.023}, {"row_off": 0.035}, {"row_off": -0.035}, {"column_off": 0.035},
                                 {"column_off": -0.035}, {"level_dbm0": -55}, {"twist_db": 20}], ids=str)  # fmt: skip
def test_nothing_is_found_beyond_it(how: dict[str, float]) -> None:
    assert found(**how) == [[]] * 4


def test_a_break_of_ten_milliseconds_makes_no_second_key_and_one_of_forty_does() -> None:
    whole = pressed([5], on_s=0.2).copy()
    whole[960:1040] = 0
    assert [key for key, _ in dtmf.Detector().hear(whole)] == [5]
    whole[960:1280] = 0
    assert [key for key, _ in dtmf.Detector().hear(whole)] == [5, 5]


def test_half_an_hour_of_speech_and_music_presses_no_key() -> None:
    sounds, detector, samples, false = Sounds(), dtmf.Detector(), 0, 0
    for path in sorted([*PROMPTS.glob("*/*.flac")]):
        said = np.frombuffer(sounds.load(path, 8000), np.int16)
        for gain in (1.0, 0.25):
            heard = (said[: len(said) // 160 * 160] * gain).astype(np.int16)
            false += len(detector.hear(heard))
            samples += len(heard)
    assert samples > 8000 * 60 * 20
    assert false <= 5 * samples / (8000 * 60 * 30)


@given(st.binary(min_size=320, max_size=320))
def test_the_eight_tones_are_weighed_as_plain_arithmetic_does(octets: bytes) -> None:
    samples = np.frombuffer(octets, np.int16)
    at = np.arange(160)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * at / 160)
    turns = 2 * np.pi * np.outer([*ROWS, *COLUMNS], at) / 8000
    plain = np.stack([np.cos(turns) @ (window * samples), np.sin(turns) @ (window * samples)], axis=1).ravel()
    *bins, energy = dtmf.look(samples)
    scale = 1 + np.abs(samples.astype(float)).sum()
    assert np.abs(np.array(bins) - plain).max() < 1e-4 * scale
    assert energy == pytest.approx(((window * samples) ** 2).sum(), rel=1e-4, abs=1)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_the_tones_that_we_send_are_those_that_we_find(rate_hz: int) -> None:
    for event in ALL:
        sound = np.frombuffer(dtmf.tone(event, rate_hz // 10, rate_hz), np.int16)[:: rate_hz // 8000]
        assert [k for k, _ in dtmf.Detector().hear(np.concatenate([sound, np.zeros(800, np.int16)]))] == [event]


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(31000, 31999, capacity=64, seed=5)
    made.start()
    yield made
    made.stop()


class SoundPhone(Phone):
    """A phone without RFC 4733."""

    def agree(self, direction: str = "sendrecv") -> None:
        here = self.socket.getsockname()
        self.port.send_to(Agreed(here, here, self.codec, None, direction, 20, False, digits="sound"))


def packets(sound: Sound) -> list[bytes]:
    codes = g711.encode(0, sound)
    return [codes[at : at + 160] for at in range(0, len(codes), 160)]


def keys_in(phone: Phone) -> list[int]:
    """Return the keys in what a phone heard."""
    heard = np.concatenate([phone.heard(), np.zeros(1600, np.int16)])
    return [key for key, _ in dtmf.Detector().hear(heard[: len(heard) // 160 * 160])]


@pytest.mark.asyncio
async def test_keys_as_sound_become_events_for_the_other_side_which_does_not_hear_them(engine: Engine) -> None:
    old, new = SoundPhone(engine), Phone(engine)
    new.port.hear(old.port)
    old.port.hear(new.port)
    await talk({old: packets(pressed([1, 0], on_s=0.2, off_s=0.2)), new: sine("pcmu", 440, 0.9)})
    assert [digit for digit, _ in old.events.digits] == ["1", "0"]
    assert all(abs(length - 200) < 40 for _, length in old.events.digits)
    events = [packet for packet in new.collect() if packet[1] & 0x7F == 101]
    assert [event[12] for event in events if event[13] >> 7] == [1, 1, 1, 0, 0, 0]
    assert np.count_nonzero(np.abs(new.heard()) > 1000) < 2 * 8 * 60, "no more than until a key is known"
    old.close()
    new.close()


@pytest.mark.asyncio
async def test_events_become_sound_for_a_phone_without_them(engine: Engine) -> None:
    old, new = SoundPhone(engine), Phone(engine)
    old.port.hear(new.port)
    await talk({new: sine("pcmu", 440, 0.1)})
    new.digit(9)
    await talk({new: sine("pcmu", 440, 0.5)})
    assert keys_in(old) == [9]
    sequence = [int.from_bytes(packet[2:4], "big") for packet in old.received]
    assert sequence == [(sequence[0] + i) & 0xFFFF for i in range(len(sequence))]
    old.close()
    new.close()


@pytest.mark.asyncio
async def test_keys_that_we_press_are_sound_where_there_are_no_events(engine: Engine) -> None:
    old = SoundPhone(engine)
    old.port.send_digits("4*")
    await talk({old: sine("pcmu", 90, 0.6, 100)})
    assert keys_in(old) == [4, 10]
    old.close()


@pytest.mark.asyncio
async def test_a_key_as_sound_that_an_application_reads_is_not_heard_by_the_other_side(engine: Engine) -> None:
    one, other = SoundPhone(engine), SoundPhone(engine)
    other.port.hear(one.port)
    one.port.consume_digits(True)
    await talk({one: packets(pressed([7], on_s=0.4, off_s=0.1))})
    assert [digit for digit, _ in one.events.digits] == ["7"]
    heard = other.heard()
    assert np.count_nonzero(np.abs(heard) > 3000) < 8 * 60
    one.port.consume_digits(False)
    other.received.clear()
    await talk({one: packets(pressed([7], on_s=0.4, off_s=0.1))})
    assert power(other.heard()[800:3200], 852, 8000) > 3000, "the other has sound alone: it is let through"
    one.close()
    other.close()


@pytest.mark.asyncio
async def test_each_event_is_told_once_though_a_fifth_of_the_packets_is_lost(engine: Engine) -> None:
    phone, chance = Phone(engine), random.Random(11)
    wanted = []
    for press in range(78):
        event = chance.randrange(16)
        came = []
        for at in range(8):
            last = at >= 5
            body = struct.pack("!BBH", event, 0x8A if last else 10, 160 * min(at + 1, 6))
            if chance.random() < 0.2:
                phone.seq += 1
            else:
                came.append(at)
                phone.send(body, pt=101, step=0, marker=at == 0)
        phone.time_stamp += 1600
        if came:
            wanted.append("0123456789*#ABCD"[event])
        if press % 26 == 25:
            await talk({phone: sine("pcmu", 440, 1.1)})  # nobody presses more than thirty keys a second
    await until(lambda: len(phone.events.digits) >= len(wanted))
    assert [digit for digit, _ in phone.events.digits] == wanted
    phone.close()
