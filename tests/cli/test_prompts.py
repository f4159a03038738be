"""``pbx prompts``: list, check, import."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from pbx.cli.prompts import prompts
from pbx.errors import PbxError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "pbx.toml").write_text('language = "zh-CN"\n[recordings]\nretain-days = 1\n')
    return tmp_path


def run(directory: Path, command: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(prompts, [command, "-c", str(directory), *arguments])
    if isinstance(result.exception, PbxError):
        raise result.exception
    return result.exit_code, result.output


def tone(path: Path) -> Path:
    soundfile.write(path, 0.1 * np.sin(np.arange(16_000) / 5), 8000)
    return path


def test_what_ships_is_whole_and_in_both_languages(directory: Path) -> None:
    code, told = run(directory, "check")
    assert (code, told.strip().splitlines()[-1].endswith("all good")) == (0, True), told
    _, text = run(directory, "list", "--json")
    names = [(row["language"], row["prompt"]) for row in json.loads(text)]
    assert len({name for language, name in names if language == "en"}) > 250
    assert {n for lang, n in names if lang == "en"} == {n for lang, n in names if lang == "zh-CN"}


def test_import_as_a_name_hides_the_product_s(directory: Path, tmp_path: Path) -> None:
    code, told = run(directory, "import", str(tone(tmp_path / "in.wav")), "as", "welcome")
    assert code == 0
    assert "welcome (zh-CN): 2." in told
    _, text = run(directory, "list", "--json", "--language", "zh-CN")
    (welcome,) = [row for row in json.loads(text) if row["prompt"] == "welcome"]
    assert welcome["own"]
    assert Path(welcome["file"]) == directory / "var" / "prompts" / "zh-CN" / "welcome.flac"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("x.wav", "to", "welcome"), "write: pbx prompts import x.wav as NAME"),
        (("x.wav", "as", "../etc"), "is no name for a prompt"),
        (("x.wav", "as", "Über"), "is no name for a prompt"),
        (("x.wav", "as", "welcome", "--language", "../x"), "is no language"),
        (("x.wav", "as", "welcome"), "x.wav"),
    ],
)
def test_a_mistake_is_one_clear_line(directory: Path, arguments: tuple[str, ...], why: str) -> None:
    with pytest.raises(PbxError, match=why.replace("(", r"\(")):
        run(directory, "import", *arguments)


def test_a_broken_and_a_quiet_file_are_found(directory: Path) -> None:
    folder = directory / "var" / "prompts" / "en"
    folder.mkdir(parents=True)
    (folder / "broken.wav").write_text("no sound")
    soundfile.write(folder / "quiet.wav", 0.002 * np.sin(np.arange(16_000) / 5), 8000)
    soundfile.write(folder / "silent.wav", np.zeros(8000), 8000)
    code, told = run(directory, "check")
    assert code == 1
    for words in ("en/broken: cannot be read", "en/quiet: is at -57 dBFS", "en/silent: is silent"):
        assert words in told
