"""Codec kernels bit for bit against plain references, and against another implementation."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.native import g711, g722, pcm

SAMPLES = st.lists(st.integers(-32768, 32767), min_size=1, max_size=400)


def plain_ulaw(sample: int) -> int:
    """Encode by search: the code of the nearest interval, as the table of the recommendation is made."""
    sign = 0x80 if sample < 0 else 0
    size = min(abs(sample), 32635) + 132
    segment = size.bit_length() - 8
    return ~(sign | segment << 4 | (size >> (segment + 3)) & 0x0F) & 0xFF


def plain_alaw(sample: int) -> int:
    size = sample >> 3
    mask = 0xD5
    if size < 0:
        mask, size = 0x55, -size - 1
    segment = max(0, size.bit_length() - 5)
    low = size >> 1 if segment < 2 else size >> segment
    return ((segment << 4) | (low & 0x0F)) ^ mask


@pytest.mark.parametrize(("law", "plain"), [(0, plain_ulaw), (1, plain_alaw)])
def test_g711_encodes_every_sample_as_the_recommendation_says(law: int, plain: object) -> None:
    assert callable(plain)
    every = np.arange(-32768, 32768).astype(np.int16)
    assert g711.encode(law, every) == bytes(plain(int(sample)) for sample in every)


@pytest.mark.parametrize(("law", "name"), [(0, "pcm_mulaw"), (1, "pcm_alaw")])
def test_g711_decodes_every_code_as_ffmpeg_does(law: int, name: str) -> None:
    codes = bytes(range(256))
    decoder = av.CodecContext.create(name, "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    theirs = b"".join(frame.to_ndarray().tobytes() for frame in decoder.decode(av.Packet(codes)))
    assert g711.decode(law, codes) == theirs


@given(SAMPLES, st.sampled_from([0, 1]))
def test_g711_is_stable_after_one_round(samples: list[int], law: int) -> None:
    once = g711.encode(law, np.array(samples, np.int16))
    again = g711.encode(law, np.frombuffer(g711.decode(law, once), np.int16))
    assert g711.decode(law, again) == g711.decode(law, once)


@given(st.binary(min_size=160, max_size=800))
def test_g722_decodes_any_octets_as_ffmpeg_does(codes: bytes) -> None:
    decoder = av.CodecContext.create("g722", "r")
    decoder.sample_rate, decoder.layout = 16000, "mono"
    theirs = b"".join(frame.to_ndarray().tobytes() for frame in decoder.decode(av.Packet(codes)))
    assert g722.decode(codes) == theirs


def test_g722_carries_speech_band_tones_at_their_level() -> None:
    times = np.arange(16000) / 16000
    for frequency in (300, 1000, 3000, 6000):
        sound = np.rint(8000 * np.sin(2 * np.pi * frequency * times)).astype(np.int16)
        heard = np.frombuffer(g722.decode(g722.encode(sound)), np.int16)[4000:].astype(float)
        assert abs(20 * np.log10(np.std(heard) / (8000 / np.sqrt(2)))) < 0.5


@pytest.mark.parametrize("frequency_hz", [200, 1000, 3000, 3400])
@pytest.mark.parametrize("up", [True, False])
def test_changing_between_8_and_16_khz_keeps_the_level(up: bool, frequency_hz: int) -> None:
    rate = 8000 if up else 16000
    sound = np.rint(8000 * np.sin(2 * np.pi * frequency_hz * np.arange(rate) / rate)).astype(np.int16)
    heard = np.frombuffer(pcm.resample(sound, up), np.int16)[2000:-2000].astype(float)
    assert abs(20 * np.log10(np.std(heard) / (8000 / np.sqrt(2)))) < 0.15


@pytest.mark.parametrize("frequency_hz", [4800, 5500, 7500])
def test_what_8_khz_cannot_carry_is_not_folded_into_it(frequency_hz: int) -> None:
    sound = np.rint(8000 * np.sin(2 * np.pi * frequency_hz * np.arange(16000) / 16000)).astype(np.int16)
    heard = np.frombuffer(pcm.resample(sound, False), np.int16)[1000:].astype(float)
    assert 20 * np.log10(np.std(heard) / 5657 + 1e-9) < -50
