"""The pitch of a voice, followed through a prompt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ, HIGHEST_HZ = 70.0, 450.0
WINDOW_S, STEP_S = 0.04, 0.01
VOICED = 0.55  # of the autocorrelation: less is breath, hiss or silence
SILENT = 0.02  # of the loudest window's power


def pitch_hz(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Return the pitch every 10 ms, 0 where nothing is voiced; by normalised autocorrelation (Boersma 1993, no path).

    :param samples: mono, any level.
    """
    window, step = int(WINDOW_S * rate_hz), int(STEP_S * rate_hz)
    if len(samples) < window:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::step]
    shape = np.hanning(window)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * shape
    power = (frames**2).sum(axis=1)
    size = 1 << (2 * window - 1).bit_length()
    own = np.fft.irfft(np.abs(np.fft.rfft(frames, size)) ** 2)[:, :window]
    of_shape = np.fft.irfft(np.abs(np.fft.rfft(shape, size)) ** 2)[:window]
    low, high = int(rate_hz / HIGHEST_HZ), int(rate_hz / LOWEST_HZ)
    likeness = own[:, : high + 1] / np.maximum(own[:, :1], 1e-12) / (of_shape[: high + 1] / of_shape[0])
    best = np.empty(len(frames), dtype=np.intp)
    for i, row in enumerate(likeness):
        top = row[low:].max()
        peaks = np.flatnonzero(
            (row[low:-1] >= 0.9 * top) & (row[low:-1] >= row[low - 1 : -2]) & (row[low:-1] >= row[low + 1 :])
        )
        best[i] = low + (
            peaks[0] if len(peaks) else int(row[low:].argmax())
        )  # the shortest period that fits: no octave below
    strong = likeness[np.arange(len(frames)), best] > VOICED
    return np.where(strong & (power > SILENT * power.max()), rate_hz / best, 0.0)
