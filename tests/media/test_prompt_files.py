"""Any sound becomes a prompt: one rate, one level, no silence at the edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pbx.errors import MediaError
from pbx.media.prompt_files import (
    EDGE_S,
    LEVEL_DBFS,
    RATE_HZ,
    import_prompt,
    prompt_path,
    speech_level_dbfs,
)


def recorded(path: Path, *, rate_hz: int = 44_100, channels: int = 2, level: float = 0.02, hz: float = 440) -> Path:
    """Write a second of tone between two of silence."""
    time = np.arange(rate_hz) / rate_hz
    said = level * np.sin(2 * np.pi * hz * time)
    whole = np.concatenate([np.zeros(rate_hz), said, np.zeros(rate_hz)])
    soundfile.write(path, np.tile(whole[:, None], channels), rate_hz)
    return path


@pytest.mark.parametrize(
    ("ending", "rate_hz", "channels"), [("wav", 44_100, 2), ("mp3", 48_000, 1), ("ogg", 8_000, 1), ("flac", 16_000, 2)]
)
def test_any_file(tmp_path: Path, ending: str, rate_hz: int, channels: int) -> None:
    source = recorded(tmp_path / f"in.{ending}", rate_hz=rate_hz, channels=channels)
    target = tmp_path / "var" / "en" / "hello.flac"
    seconds = import_prompt(source, target)
    samples, rate = soundfile.read(target)
    assert (rate, samples.ndim) == (RATE_HZ, 1)
    assert seconds == pytest.approx(1 + 2 * EDGE_S, abs=0.02)
    assert speech_level_dbfs(samples) == pytest.approx(LEVEL_DBFS, abs=0.5)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() * RATE_HZ / len(samples) == pytest.approx(440, abs=2)


def test_a_loud_one_is_not_clipped(tmp_path: Path) -> None:
    source = recorded(tmp_path / "in.wav", level=1.0)
    import_prompt(source, tmp_path / "out.flac")
    samples, _ = soundfile.read(tmp_path / "out.flac")
    assert np.abs(samples).max() < 0.9


def test_the_new_one_hides_the_old_one(tmp_path: Path) -> None:
    old = recorded(tmp_path / "hello.wav")
    import_prompt(recorded(tmp_path / "new.wav"), tmp_path / "hello.flac")
    assert not old.exists()


def test_what_is_no_sound_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(MediaError, match=r"text\.wav"):
        import_prompt(tmp_path / "text.wav", tmp_path / "x.flac")
    with pytest.raises(MediaError, match="nothing to hear"):
        import_prompt(recorded(tmp_path / "silence.wav", level=0.0), tmp_path / "x.flac")
    with pytest.raises(MediaError, match="nowhere"):
        import_prompt(tmp_path / "nowhere.wav", tmp_path / "x.flac")
    assert not (tmp_path / "x.flac").exists()


@pytest.mark.parametrize(
    ("name", "language"), [("../x", "en"), ("/etc/x", "en"), ("a/../../x", "en"), ("x", "../en"), ("", "en")]
)
def test_a_name_that_a_caller_dialled_leads_out_of_no_folder(tmp_path: Path, name: str, language: str) -> None:
    with pytest.raises(MediaError, match=r"is no (name|language)"):
        prompt_path(tmp_path, name, language)
    assert prompt_path(tmp_path, "our/hello-1", "zh-CN") == tmp_path / "zh-CN" / "our" / "hello-1.flac"
