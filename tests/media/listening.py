"""Speech sent over a bad network and heard through the jitter buffer, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pbx.media.sounds import Sounds
from pbx.native import g711
from pbx.native.ear import Probe

Speech = npt.NDArray[np.int16]
PROMPTS = Path(__file__).parents[2] / "prompts" / "en"
ALAW, PROBE_ALAW = 1, 2
FRAME = 160
KINDS = ("random", "burst")


def speech(seconds: float) -> Speech:
    """Return that much of the longer English prompts, one after the other, at 8 kHz."""
    sounds, found, samples = Sounds(), [], 0
    for path in sorted(PROMPTS.glob("*.flac")):
        part = np.frombuffer(sounds.load(path, 8000), np.int16)
        if len(part) > 16_000:
            found.append(part)
            samples += len(part)
        if samples >= seconds * 8000:
            break
    whole = np.concatenate(found)[: int(seconds * 50) * FRAME].astype(float)
    return np.asarray(np.rint(whole * 20_000 / np.abs(whole).max()), np.int16)


def coded(sound: Speech) -> tuple[bytes, Speech]:
    """Return A-law codes, and what they sound like."""
    codes = g711.encode(ALAW, sound)
    return codes, np.frombuffer(g711.decode(ALAW, codes), np.int16)


def losses(kind: str, share: float, count: int, seed: int) -> list[bool]:
    """Mark lost packets: each by itself, or in bursts of two on average (Gilbert)."""
    chance = random.Random(seed)
    if kind == "random":
        return [chance.random() < share for _ in range(count)]
    begins, lost, found = share * 0.5 / (1 - share), False, []
    for _ in range(count):
        lost = chance.random() >= 0.5 if lost else chance.random() < begins
        found.append(lost)
    return found


def through_the_buffer(codes: bytes, lost: list[bool]) -> Speech:
    """Hear packets of which some never come."""
    probe, heard = Probe(PROBE_ALAW), []
    for at, gone in enumerate(lost):
        if not gone:
            probe.put(at, at * FRAME, codes[at * FRAME : (at + 1) * FRAME], at * 20 + 1007.0)
        heard.append(probe.tick(at * 20 + 1010))
    return np.frombuffer(b"".join(heard), np.int16)


def arrivals(mean_ms: float, *, ordered: bool, seconds: float, seed: int, skew: float = 0.0) -> list[tuple[float, int]]:
    """Return when each packet comes, and its number: 20 ms on the way and an exponential share more."""
    chance, found, before = random.Random(seed), [], 0.0
    for number in range(int(seconds * 50)):
        at = number * 20 * (1 + skew) + 20.0 + (chance.expovariate(1 / mean_ms) if mean_ms else 0.0)
        before = at = max(at, before) if ordered else at
        found.append((at, number))
    return sorted(found)


def heard_from(
    packets: list[tuple[float, int]], payload: bytes = b"\xd5" * FRAME
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Play packets as they come; yield the instant and the buffer's counts after every 20 ms."""
    probe, at, now_ms = Probe(PROBE_ALAW), 0, 1000
    while at < len(packets):
        now_ms += 20
        while at < len(packets) and packets[at][0] + 1000 <= now_ms:
            came, number = packets[at]
            probe.put(number, number * FRAME, payload, came + 1000)
            at += 1
        probe.tick(now_ms)
        yield now_ms, probe.counts
