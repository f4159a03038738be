"""Making prompts out of any sound: mono, 16 kHz, speech at one level, silence at the edges cut."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pbx.errors import MediaError
from pbx.media.sounds import LONGEST_S, resample

Samples = NDArray[np.float64]

NAME = re.compile(r"[a-z0-9][a-z0-9/_-]{0,63}")  # of a prompt; no dot, so that it leads out of no folder
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?|music")

RATE_HZ = 16_000
LEVEL_DBFS = -20.0  # of the speech, without its pauses
PEAK_DBFS = -1.0
SILENCE_DBFS = -45.0
EDGE_S = 0.05  # silence before and after
FRAME = 320  # 20 ms


def speech_level_dbfs(samples: Samples) -> float:
    """Return the level of what is said: frames 30 dB below the loudest are pauses and do not count."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    power = (frames**2).mean(axis=1) if len(frames) else np.zeros(1)
    loudest = float(power.max())
    if loudest <= 0:
        return -120.0
    return float(10 * np.log10(power[power > loudest / 1000].mean()))


def trimmed(samples: Samples) -> Samples:
    """Cut the silence at both ends to EDGE_S.

    :raises ValueError: where there is nothing but silence.
    """
    loud = np.flatnonzero(np.abs(samples) > 10 ** (SILENCE_DBFS / 20))
    if not len(loud):
        raise ValueError("silence")
    edge = int(EDGE_S * RATE_HZ)
    padded = np.concatenate([np.zeros(edge), samples, np.zeros(edge)])
    return padded[loud[0] : loud[-1] + 2 * edge]


def levelled(samples: Samples) -> Samples:
    """Bring the speech to LEVEL_DBFS, peaks below PEAK_DBFS."""
    gain = 10 ** ((LEVEL_DBFS - speech_level_dbfs(samples)) / 20)
    peak = float(np.abs(samples).max()) * gain
    return samples * gain * min(1.0, 10 ** (PEAK_DBFS / 20) / peak)


def faded(samples: Samples) -> Samples:
    """Let a prompt begin and end without a click."""
    ramp = np.linspace(0, 1, 160)
    samples[:160] *= ramp
    samples[-160:] *= ramp[::-1]
    return samples


def prompt_path(folder: Path, name: str, language: str) -> Path:
    """Return where a prompt belongs below *folder*.

    :raises MediaError: for what is no name or no language; both may come from what a caller dialled.
    """
    if NAME.fullmatch(name) is None:
        raise MediaError(f'"{name}" is no name for a prompt: small letters, digits and hyphens, such as our-welcome')
    if LANGUAGE.fullmatch(language) is None:
        raise MediaError(f'"{language}" is no language: write en or zh-CN')
    return folder / language / f"{name}.flac"


def import_prompt(source: Path, target: Path) -> float:
    """Write *source*, a WAV, FLAC, Ogg or MP3 file, as the prompt *target* (FLAC); return its length in seconds.

    :raises MediaError: where it cannot be read, is no sound, or is silent.
    """
    try:
        with soundfile.SoundFile(source) as file:
            rate = int(file.samplerate)
            read = file.read(LONGEST_S * rate, dtype="float32", always_2d=True).mean(axis=1)
    except (OSError, RuntimeError) as error:
        raise MediaError(f"{source}: {error}") from error
    samples = resample(read, rate, RATE_HZ).astype(np.float64)
    try:
        made = faded(levelled(trimmed(samples)))
    except ValueError:
        raise MediaError(f"{source}: there is nothing to hear in it") from None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        soundfile.write(beside, made, RATE_HZ, subtype="PCM_16", format="FLAC")
        beside.replace(target)
    except (OSError, RuntimeError) as error:
        raise MediaError(f"cannot write {target}: {error}") from error
    for ending in (".wav", ".ogg", ".mp3"):
        target.with_suffix(ending).unlink(missing_ok=True)  # an older file of this name would hide it
    return len(made) / RATE_HZ
