"""Call progress tones by country, as sounds that loop (ITU-T E.180 Supplement 2), and in-band digits (Q.23)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.int16]

LEVEL = 3000.0  # amplitude of one frequency alone: about −18 dBm0
RAMP_S = 0.003  # against clicks
KEYPAD = ("123A", "456B", "789C", "*0#D")


@dataclass(frozen=True, slots=True)
class Cadence:
    """Frequencies in Hz, and seconds on and off in turn; an empty cadence sounds without end."""

    frequencies_hz: tuple[float, ...]
    on_off_s: tuple[float, ...] = ()
    once: bool = False


BEEP = Cadence((1000,), (0.4, 0.1), once=True)
TONES = {
    "cn": {
        "dial": Cadence((450,)),
        "ringback": Cadence((450,), (1.0, 4.0)),
        "busy": Cadence((450,), (0.35, 0.35)),
        "congestion": Cadence((450,), (0.7, 0.7)),
        "beep": BEEP,
    },
    "us": {
        "dial": Cadence((350, 440)),
        "ringback": Cadence((440, 480), (2.0, 4.0)),
        "busy": Cadence((480, 620), (0.5, 0.5)),
        "congestion": Cadence((480, 620), (0.25, 0.25)),
        "beep": BEEP,
    },
    "eu": {
        "dial": Cadence((425,)),
        "ringback": Cadence((425,), (1.0, 4.0)),
        "busy": Cadence((425,), (0.5, 0.5)),
        "congestion": Cadence((425,), (0.25, 0.25)),
        "beep": BEEP,
    },
}


def tone(name: str, country: str, rate_hz: int) -> tuple[Sound, bool]:
    """Return one turn of a tone, and whether it goes round.

    :raises KeyError: for a tone that no country has.
    """
    cadence = TONES[country][name]
    # A second is a whole number of periods of every frequency above, so that a continuous tone joins its beginning.
    pattern = cadence.on_off_s or (1.0, 0.0)
    parts = []
    for at, seconds in enumerate(pattern):
        frequencies = cadence.frequencies_hz if at % 2 == 0 else ()
        parts.append(_sine(frequencies, seconds, rate_hz, ramp=bool(cadence.on_off_s)))
    return np.concatenate(parts), not cadence.once


def _sine(
    frequencies_hz: Sequence[float], seconds: float, rate_hz: int, *, ramp: bool = False, level: float = LEVEL
) -> Sound:
    count = round(seconds * rate_hz)
    times = np.arange(count) / rate_hz
    made = np.zeros(count)
    for frequency in frequencies_hz:
        made += level * np.sin(2 * np.pi * frequency * times)
    edge = round(RAMP_S * rate_hz)
    if ramp and count > 2 * edge and frequencies_hz:
        slope = np.linspace(0, 1, edge)
        made[:edge] *= slope
        made[-edge:] *= slope[::-1]
    return np.rint(made).astype(np.int16)
