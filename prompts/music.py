"""Compose the music on hold: a slow guitar-like figure over four chords; made here, so nobody's rights are touched.

usage: python prompts/music.py        (numpy and soundfile)

It loops without a seam, stays below 3.4 kHz so that a telephone carries all of it, and keeps one level.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000
BEAT_S = 60 / 76
LEVEL_DBFS = -23.0
# Am7, Fmaj7, Cmaj7, G6: notes as MIDI numbers, one bar of eight quavers each
CHORDS = ((57, 60, 64, 67), (53, 57, 60, 64), (48, 55, 59, 64), (55, 59, 62, 64))
FIGURES = ((0, 2, 1, 3, 2, 1, 3, 2), (0, 1, 2, 3, 2, 3, 1, 2), (0, 3, 2, 1, 2, 3, 2, 1))
MELODY = (76, None, 74, 72, None, 71, 72, None, 69, None, 67, None, 69, 71, 72, None)


def hz(note: int) -> float:
    return 440.0 * 2 ** ((note - 69) / 12)


def plucked(note: int, seconds: float, strength: float) -> np.ndarray:
    """A string: partials that die the sooner the higher they are."""
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    sound = np.zeros_like(time)
    for k in range(1, 9):
        frequency = k * hz(note) * np.sqrt(1 + 0.0002 * k * k)
        if frequency < 3_300:
            sound += np.sin(2 * np.pi * frequency * time) * np.exp(-time * (1.6 + 0.9 * k)) / k**1.3
    return strength * sound * np.minimum(1, time / 0.004)


def pad(note: int, seconds: float) -> np.ndarray:
    """A soft organ that swells and goes."""
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    swell = np.sin(np.pi * np.minimum(1, time / seconds)) ** 0.7
    wobble = 1 + 0.003 * np.sin(2 * np.pi * 4.5 * time)
    return 0.12 * swell * (np.sin(2 * np.pi * hz(note) * wobble * time) + 0.3 * np.sin(4 * np.pi * hz(note) * time))


def compose(rounds: int = 6) -> np.ndarray:
    bar = int(4 * BEAT_S * RATE_HZ)
    total = rounds * len(CHORDS) * bar
    music = np.zeros(total)

    def add(sound: np.ndarray, at: int) -> None:
        places = (at + np.arange(len(sound))) % total  # what hangs over the end sounds at the beginning: no seam
        np.add.at(music, places, sound)

    for round_ in range(rounds):
        for index, chord in enumerate(CHORDS):
            start = (round_ * len(CHORDS) + index) * bar
            figure = FIGURES[(round_ + index) % len(FIGURES)]
            for quaver, voice in enumerate(figure):
                strength = 0.5 if quaver % 4 == 0 else 0.34
                add(plucked(chord[voice], 2.2, strength), start + int(quaver * BEAT_S / 2 * RATE_HZ))
            for note in chord[:3]:
                add(pad(note, 4.6 * BEAT_S), start)
            if round_ % 3 == 1:
                for quaver in range(4):
                    note = MELODY[(index * 4 + quaver) % len(MELODY)]
                    if note is not None:
                        add(plucked(note, 1.8, 0.4), start + int(quaver * BEAT_S * RATE_HZ))
    return music


def main() -> None:
    music = compose()
    music *= 10 ** (LEVEL_DBFS / 20) / np.sqrt((music**2).mean())
    music = np.tanh(music * 1.2) / 1.2
    path = Path(__file__).parent / "music" / "default.flac"
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, music, RATE_HZ, subtype="PCM_16", format="FLAC")


if __name__ == "__main__":
    main()
