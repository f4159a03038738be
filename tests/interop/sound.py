"""Tones to say and ears to hear them with."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float64]


def tone(
    path: Path, hz: float, *, seconds: float = 120.0, rate_hz: int = 8000, level: float = 0.3, channels: int = 1
) -> Path:
    """Write a tone."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    samples = level * np.sin(2 * np.pi * hz * time)
    soundfile.write(path, np.repeat(samples[:, None], channels, axis=1), rate_hz, subtype="PCM_16")
    return path


def heard(path: Path) -> tuple[Samples, int]:
    """Read the left channel of a recording, also of one that is still being written."""
    raw = path.read_bytes()
    rate_hz = int.from_bytes(raw[24:28], "little")
    channels = int.from_bytes(raw[22:24], "little")
    law = {7: "ULAW", 6: "ALAW"}.get(int.from_bytes(raw[20:22], "little"), "PCM_16")
    head, size = (44, 2 * channels) if law == "PCM_16" else (58, channels)
    body = raw[head : head + (len(raw) - head) // size * size]
    data, _ = soundfile.read(
        io.BytesIO(body), format="RAW", subtype=law, endian="LITTLE", channels=channels, samplerate=rate_hz,
        always_2d=True,
    )  # fmt: skip
    return data[:, 0], rate_hz


def loudness(samples: Samples, rate_hz: int, hz: float) -> float:
    """Return the share of a signal's energy within 25 Hz of *hz*: 0 to 1; 0 for silence."""
    if len(samples) < rate_hz // 10 or float(np.sqrt(np.mean(samples**2))) < 0.005:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    bins = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    return float(spectrum[np.abs(bins - hz) < 25].sum() / spectrum.sum())


def level(samples: Samples) -> float:
    """Return the root mean square, 0 to 1."""
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
