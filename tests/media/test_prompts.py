"""Prompts by name and language, and files at any rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pbx.errors import MediaError
from pbx.media.contract import Clip
from pbx.media.prompts import Prompts
from pbx.media.sounds import Sounds, resample
from pbx.media.tones import TONES, tone


def write(path: Path, seconds: float = 0.5, rate_hz: int = 8000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * rate_hz)), rate_hz)
    return path


def test_a_sentence_is_never_taken_from_another_language_but_music_is(tmp_path: Path) -> None:
    hello = write(tmp_path / "en" / "hello.wav")
    music = write(tmp_path / "music" / "default.flac")
    old = write(tmp_path / "en" / "music" / "jazz.wav")
    prompts = Prompts([tmp_path])
    assert prompts.find("hello", "en") == Clip("hello", hello)
    assert prompts.find("hello", "zh-CN") is None
    assert prompts.find("default", "zh-CN") == Clip("default", music)
    assert prompts.find("music/default", "zh-CN") == Clip("music/default", music)
    assert prompts.find("music/jazz", "zh-CN") == Clip("music/jazz", old)


def test_the_first_directory_hides_the_second(tmp_path: Path) -> None:
    own = write(tmp_path / "own" / "en" / "hello.ogg", 1.0)
    write(tmp_path / "ours" / "en" / "hello.wav")
    write(tmp_path / "ours" / "en" / "digits" / "1.wav")
    prompts = Prompts([tmp_path / "own", tmp_path / "ours"])
    found = prompts.find("hello", "en")
    assert found == Clip("hello", own)
    assert prompts.duration_s(found) == pytest.approx(1.0, abs=0.01)
    assert prompts.names("en") == ["digits/1", "hello"]
    assert prompts.names("zh-CN") == []


def test_a_prompt_that_is_recorded_anew_is_heard_a_second_later(tmp_path: Path) -> None:
    shipped = write(tmp_path / "ours" / "en" / "hello.wav")
    at = [0.0]
    prompts = Prompts([tmp_path / "own", tmp_path / "ours"], lambda: at[0])
    assert prompts.find("hello", "en") == Clip("hello", shipped)
    own = write(tmp_path / "own" / "en" / "hello.wav")
    at[0] = 1.0
    assert prompts.find("hello", "en") == Clip("hello", own)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", "a/../../b"])
def test_a_name_cannot_leave_the_directory(tmp_path: Path, name: str) -> None:
    write(tmp_path / "secret.wav")
    assert Prompts([tmp_path / "prompts"]).find(name, "en") is None


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 8000), (48000, 16000), (8000, 16000), (22050, 8000)])
def test_resampling_keeps_what_fits_and_nothing_else(from_hz: int, to_hz: int) -> None:
    times = np.arange(2 * from_hz) / from_hz
    kept = resample(np.sin(2 * np.pi * 1000 * times).astype(np.float32), from_hz, to_hz)
    ideal = np.sin(2 * np.pi * 1000 * np.arange(len(kept)) / to_hz)
    middle = slice(to_hz // 4, -to_hz // 4)
    assert np.abs(kept - ideal)[middle].max() < 2e-3
    if from_hz > to_hz:
        gone = resample(np.sin(2 * np.pi * 0.6 * to_hz * times).astype(np.float32), from_hz, to_hz)
        assert np.abs(gone[middle]).max() < 1e-3


def test_a_file_is_decoded_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "one.wav", 0.5, 44100)
    sounds = Sounds()
    first = sounds.load(path, 8000)
    assert len(first) == 4000
    assert sounds.load(path, 8000) is first
    write(path, 1.0, 44100)
    assert len(sounds.load(path, 8000)) == 8000


def test_the_cache_forgets_the_oldest_beyond_its_limit(tmp_path: Path) -> None:
    sounds = Sounds(limit_bytes=10_000)
    paths = [write(tmp_path / f"{name}.wav") for name in ("one", "two")]
    for path in paths:
        sounds.load(path, 8000)
    assert sounds.cached(paths[0], 8000) is None
    assert sounds.cached(paths[1], 8000) is not None


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.wav").write_text("not a sound")
    with pytest.raises(MediaError):
        Sounds().load(tmp_path / "no.wav", 8000)


@pytest.mark.parametrize("country", sorted(TONES))
@pytest.mark.parametrize("name", ["dial", "ringback", "busy", "congestion", "beep"])
def test_every_country_has_every_tone_and_its_turn_joins_without_a_click(country: str, name: str) -> None:
    sound, loops = tone(name, country, 8000)
    assert loops == (name != "beep")
    joined = np.concatenate([sound[-100:], sound[:100]]).astype(int)
    assert np.abs(np.diff(joined)).max() < 3500
    seconds = sum(TONES[country][name].on_off_s) or 1.0
    assert len(sound) == round(8000 * seconds)
