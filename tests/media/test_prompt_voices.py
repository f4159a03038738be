"""The prompts that ship, as sound: length, level, one voice, and Mandarin tones where a syllable stands alone."""

from __future__ import annotations

import re
import tomllib

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from prompts.pitch import pitch_hz

from pbx.media.prompt_files import LEVEL_DBFS, RATE_HZ, speech_level_dbfs
from tests.interop.server import ROOT

TEXTS: dict[str, dict[str, str]] = tomllib.loads((ROOT / "prompts" / "manifest.toml").read_text())["prompts"]
MARKS = re.compile(r"[，。；：？、,.;:?!\s]")
# What is said in a second: letters of English, syllables of Mandarin; single words are slower than sentences.
PACE = {"en": (4.0, 24.0), "zh-CN": (1.5, 7.0)}
ALONE_S = 0.2  # of every prompt: its edges, and what a single word takes longer


def sound(name: str, language: str) -> NDArray[np.float64]:
    samples, rate_hz = soundfile.read(ROOT / "prompts" / language / f"{name}.flac")
    assert rate_hz == RATE_HZ
    return np.asarray(samples)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_length_and_level(language: str) -> None:
    slow, fast = PACE[language]
    wrong = []
    for name, texts in TEXTS.items():
        samples = sound(name, language)
        said = len(MARKS.sub("", texts[language]))
        seconds = len(samples) / RATE_HZ
        if not said / fast < seconds < said / slow + ALONE_S or abs(speech_level_dbfs(samples) - LEVEL_DBFS) > 4.5:
            wrong.append((name, texts[language], round(seconds, 2), round(speech_level_dbfs(samples), 1)))
    assert wrong == []


def test_one_voice_speaks_mandarin() -> None:
    wrong = []
    for name in TEXTS:
        hz = pitch_hz(sound(name, "zh-CN"), RATE_HZ)
        voiced = hz[hz > 0]
        if len(voiced) < 0.15 * len(hz) or not 160 < np.median(voiced) < 310:
            wrong.append((name, len(voiced) / len(hz), float(np.median(voiced)) if len(voiced) else 0.0))
    assert wrong == []


def contour(name: str) -> NDArray[np.float64]:
    """Return the pitch of a syllable in semitones above 100 Hz, its voiced part without the edges."""
    hz = pitch_hz(sound(name, "zh-CN"), RATE_HZ)
    voiced = hz[hz > 120]
    edge = max(1, len(voiced) // 10)
    return 12 * np.log2(voiced[edge:-edge] / 100)


@pytest.mark.parametrize("name", ["n-1", "n-3", "n-7", "n-8"])
def test_the_first_tone_is_level(name: str) -> None:
    semitones = contour(name)
    assert np.percentile(semitones, 80) - np.percentile(semitones, 20) < 2.5
    assert np.median(semitones) > 11.5  # and high


@pytest.mark.parametrize("name", ["n-0", "unit-yuan"])
def test_the_second_tone_rises(name: str) -> None:
    semitones = contour(name)
    assert semitones[-3:].mean() - semitones.min() > 2.5
    assert semitones.argmin() < 0.7 * len(semitones)


@pytest.mark.parametrize("name", ["n-5", "n-9", "bai"])
def test_the_third_tone_is_low(name: str) -> None:
    assert np.percentile(contour(name), 30) < 10.5


@pytest.mark.parametrize("name", ["n-2", "n-4", "n-6", "ri"])
def test_the_fourth_tone_falls(name: str) -> None:
    semitones = contour(name)
    top = semitones[: len(semitones) * 2 // 3].max()
    assert top - semitones[-3:].mean() > 4
