"""G.711 Appendix I, written plainly from the recommendation: the yardstick for our concealment."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float64]

FRAME = 80  # samples at 8 kHz: 10 ms
LONGEST, SHORTEST = 120, 40  # pitch
HISTORY = 390
DELAY = 30  # the longest overlap: everything is played this much later
SPAN = 160  # of the correlation
LEAST_POWER = 250.0
MORE_OVERLAP = 32  # for every further frame lost
FADE = 0.2  # a frame


class AppendixOne:
    """One stream, 10 ms at a time; what it returns is 3.75 ms old."""

    def __init__(self) -> None:
        self.history: Sound = np.zeros(HISTORY)
        self.lost = 0

    def good(self, frame: Sound) -> Sound:
        sound = frame.astype(float)
        if self.lost:
            size = min(FRAME, self.overlap + (self.lost - 1) * MORE_OVERLAP)
            weights = np.arange(1, size + 1) / size
            gain = max(0.0, 1 - (self.lost - 1) * FADE)
            sound[:size] = (1 - weights) * gain * self._repeat(size) + weights * sound[:size]
            self.lost = 0
        return self._save(sound)

    def bad(self) -> Sound:
        if self.lost == 0:
            self.buffer = self.history.copy()
            self.pitch = self._pitch()
            self.overlap = self.pitch >> 2
            self.last = self.buffer[-self.overlap :].copy()
            self.at, self.length = 0, self.pitch
            self._blend()
            self.history[-self.overlap :] = self.buffer[-self.overlap :]
            sound = self._repeat(FRAME)
        elif self.lost <= 2:
            at = self.at
            before = self._repeat(self.overlap)
            self.at = at
            while self.at > self.pitch:
                self.at -= self.pitch
            self.length += self.pitch
            self._blend()
            sound = self._repeat(FRAME)
            weights = np.arange(1, self.overlap + 1) / self.overlap
            sound[: self.overlap] = (1 - weights) * before + weights * sound[: self.overlap]
            sound *= self._fading()
        elif self.lost > 5:
            sound = np.zeros(FRAME)
        else:
            sound = self._repeat(FRAME) * self._fading()
        self.lost += 1
        return self._save(sound)

    def _fading(self) -> Sound:
        return np.asarray(1 - (self.lost - 1) * FADE - FADE / FRAME * np.arange(FRAME))

    def _blend(self) -> None:
        """Melt the end of the repeated stretch into what lies before its beginning."""
        size, begin = self.overlap, HISTORY - self.length
        weights = np.arange(1, size + 1) / size
        self.buffer[-size:] = (1 - weights) * self.last + weights * self.buffer[begin - size : begin]

    def _repeat(self, count: int) -> Sound:
        stretch = self.buffer[HISTORY - self.length :]
        places = (self.at + np.arange(count)) % self.length
        self.at = (self.at + count) % self.length
        return np.trunc(stretch[places])

    def _save(self, sound: Sound) -> Sound:
        self.history = np.concatenate([self.history[FRAME:], np.trunc(np.clip(sound, -32768, 32767))])
        return self.history[-FRAME - DELAY : -DELAY].copy()

    def _pitch(self) -> int:
        target = self.buffer[-SPAN:]

        def likeness(lag: int, step: int) -> float:
            window = self.buffer[HISTORY - SPAN - lag : HISTORY - lag]
            power = max(float(np.sum(window[::step] ** 2)), LEAST_POWER)
            return float(np.sum(window[::step] * target[::step]) / np.sqrt(power))

        best = max(range(LONGEST, SHORTEST - 1, -2), key=lambda lag: (likeness(lag, 2), -lag))
        near = range(min(LONGEST, best + 1), max(SHORTEST, best - 1) - 1, -1)
        return max(near, key=lambda lag: (likeness(lag, 1), -lag))


def conceal(sound: npt.NDArray[Any], lost: list[bool]) -> npt.NDArray[np.int16]:
    """Play 20 ms frames of which those marked *lost* never came; the delay is taken out."""
    state, out = AppendixOne(), []
    for at in range(2 * len(lost)):
        frame = sound[at * FRAME : (at + 1) * FRAME]
        out.append(state.bad() if lost[at // 2] else state.good(frame))
    out.append(state.good(np.zeros(FRAME)))
    return np.concatenate(out)[DELAY : DELAY + len(sound)].astype(np.int16)
