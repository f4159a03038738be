"""Sound files as samples at a codec's rate, decoded once and shared by everybody who hears them."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pbx.errors import MediaError

Sound = NDArray[np.int16]

CACHE_BYTES = 256 << 20
LONGEST_S = 3600
ZERO_CROSSINGS = 24  # of the windowed sinc on each side: 90 dB down
KAISER_BETA = 9.0
PASSBAND = 0.94  # of the lower Nyquist frequency


class Sounds:
    """A cache of files by path, time of change and rate; any thread may use it."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._known: OrderedDict[tuple[Path, int, int], Sound] = OrderedDict()
        self._bytes = 0
        self._limit = limit_bytes
        self._lock = threading.Lock()

    def cached(self, path: Path, rate_hz: int) -> Sound | None:
        """Return a sound where it is at hand and its file has not changed."""
        try:
            key = (path, path.stat().st_mtime_ns, rate_hz)
        except OSError:
            return None
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def load(self, path: Path, rate_hz: int) -> Sound:
        """Return a sound, decoded and resampled where it is not at hand; may take a while.

        :raises MediaError: where the file cannot be read or is no sound.
        """
        found = self.cached(path, rate_hz)
        if found is not None:
            return found
        try:
            changed = path.stat().st_mtime_ns
            with soundfile.SoundFile(path) as file:
                rate = int(file.samplerate)
                samples = file.read(LONGEST_S * rate, dtype="float32", always_2d=True).mean(axis=1)
        except (OSError, RuntimeError) as error:
            raise MediaError(f"{path}: {error}") from error
        converted = resample(samples, rate, rate_hz)
        sound: Sound = np.clip(np.rint(converted * 32767), -32768, 32767).astype(np.int16)
        with self._lock:
            key = (path, changed, rate_hz)
            if key not in self._known:
                self._known[key] = sound
                self._bytes += sound.nbytes
            while self._bytes > self._limit and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1].nbytes
        return sound


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Convert between any two rates with a polyphase windowed sinc."""
    if from_hz == to_hz or not len(samples):
        return samples
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    cutoff = PASSBAND * min(1.0, to_hz / from_hz) / 2  # in cycles per input sample
    half = math.ceil(ZERO_CROSSINGS / (2 * cutoff))
    padded = np.concatenate([np.zeros(half, np.float32), samples, np.zeros(half + down, np.float32)])
    count = -(-len(samples) * up // down)
    made = np.empty(count, np.float32)
    offsets = np.arange(-half + 1, half + 1)
    for phase in range(min(up, count)):
        # Every up-th output lies at the same fraction between two inputs, so one set of taps serves them all.
        position = phase * down / up
        begin = int(position)
        distance = offsets - (position - begin)
        window = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, 1))) / np.i0(KAISER_BETA)
        taps = 2 * cutoff * np.sinc(2 * cutoff * distance) * window
        taps = (taps / taps.sum()).astype(np.float32)
        outputs = -(-(count - phase) // up)
        total = np.zeros(outputs, np.float32)
        for at, tap in enumerate(taps):
            first = begin + 1 + at
            total += tap * padded[first : first + (outputs - 1) * down + 1 : down]
        made[phase::up] = total
    return made
