"""An hour of virtual time: both channels of a recording stay together, through loss, hold and a clock that drifts."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pbx.native import g711
from pbx.native.ear import Probe
from pbx.native.recorder import Writer

ALAW, PROBE_ALAW = 1, 2
MINUTES = 60
FRAME = 160
QUIET = g711.encode(ALAW, np.zeros(FRAME, np.int16))
HOLD = range(20, 30)  # minutes in which the agent's phone sends nothing


def click(sample: int) -> bytes:
    frame = np.zeros(FRAME, np.int16)
    frame[sample] = 20000
    return g711.encode(ALAW, frame)


class Peer:
    """A phone that says a click with each minute, at a sample of its own; its packets take 12 ms and some are lost."""

    def __init__(self, seed: int, hold: range = range(0), skew: float = 0.0) -> None:
        self._probe, self._chance, self._hold, self._skew = Probe(PROBE_ALAW), random.Random(seed), hold, skew
        self._next = 0

    def tick(self, now_ms: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
        """Hand in what has come by *now_ms*; return the 20 ms up to it."""
        while self._next * 20 * (1 + self._skew) + 1012.0 <= now_ms:
            number, came = self._next, self._next * 20 * (1 + self._skew) + 1012.0
            self._next += 1
            minute, packet = divmod(number, 3000)
            near = packet == 1500  # the click's, in the midst of the minute
            lost = self._chance.random() < 0.02 and abs(packet - 1500) > 5
            if not lost and minute not in self._hold:
                payload = click(7 + minute) if near else QUIET
                self._probe.put(number & 0xFFFF, number * FRAME & 0xFFFFFFFF, payload, came)
        return np.frombuffer(self._probe.tick(now_ms), np.int16)


def clicks(channel: np.ndarray[tuple[int], np.dtype[np.int16]]) -> list[int]:
    loud = np.flatnonzero(np.abs(channel) > 8000)
    return [int(at) for i, at in enumerate(loud) if i == 0 or at - loud[i - 1] > FRAME]


def record_an_hour(path: Path, left: Peer, right: Peer) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    writer = Writer()
    address = writer.open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), 8000, 2, 0, 1, 1, 0, 0, 2)
    for now_ms in range(1020, 1000 + MINUTES * 60_000, 20):
        if now_ms == 2_000_020:  # the engine's thread was held: an instant is left out
            continue
        writer.feed(address, now_ms, left.tick(now_ms), right.tick(now_ms))
    writer.end(address)
    assert [outcome for *_, outcome, _, _ in writer.written()] == [1]
    sound, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 8000
    assert len(sound) == pytest.approx(MINUTES * 60 * 8000, abs=2 * FRAME)
    return np.asarray(sound)


def test_after_an_hour_the_channels_are_aligned_within_a_sample(tmp_path: Path) -> None:
    sound = record_an_hour(tmp_path / "hour.wav", Peer(1), Peer(2, HOLD))
    left, right = clicks(sound[:, 0]), clicks(sound[:, 1])
    assert len(left) == MINUTES
    assert len(right) == MINUTES - len(HOLD)
    expected = [minute * 480_000 + 240_000 + 7 + minute for minute in range(MINUTES)]
    delays = [at - when for at, when in zip(left, expected, strict=True)]
    assert max(delays) - min(delays) <= 1, "the file's time is the call's time"
    heard = [at for minute, at in enumerate(left) if minute not in HOLD]
    assert max(abs(a - b) for a, b in zip(heard, right, strict=True)) <= 1


def test_a_phone_whose_clock_drifts_stays_beside_the_other(tmp_path: Path) -> None:
    sound = record_an_hour(tmp_path / "hour.wav", Peer(1), Peer(2, skew=200e-6))
    left, right = clicks(sound[:, 0]), clicks(sound[:, 1])
    assert len(left) == len(right) == MINUTES
    # What the slow phone says comes later and later, by its own clock; in the file by no more than in the call.
    late = [b - a for a, b in zip(left, right, strict=True)]
    spoken = [round((minute * 60_000 + 30_000) * 200e-6 * 8) for minute in range(MINUTES)]
    assert max(abs(a - b) for a, b in zip(late, spoken, strict=True)) < 0.03 * 8000
