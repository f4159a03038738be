"""Prompts by name and language: files DIR/LANGUAGE/NAME.wav, and music that has no language."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile

from pbx.errors import MediaError
from pbx.media.contract import Clip

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
KNOWN_S = 1.0
NO_LANGUAGE = "music"  # DIR/music/NAME, or DIR/en/music/NAME: heard alike in every language


class Prompts:
    """The prompt files of some directories; an earlier directory hides the same name in a later one."""

    def __init__(self, directories: Sequence[Path], now: Callable[[], float] = time.monotonic) -> None:
        self._directories = list(directories)
        self._now = now
        self._found: dict[tuple[str, str], tuple[float, Clip]] = {}  # until when it is known to be there
        self._durations: dict[tuple[Path, int], float] = {}

    def find(self, name: str, language: str) -> Clip | None:
        """Return the prompt in this language, or the music of this name; None where there is neither.

        A sentence is never taken from another language: a caller would not understand it. What was found is taken for
        a second without looking, for every look asks the disk a dozen times.
        """
        known = self._found.get((name, language))
        if known is not None and self._now() < known[0]:
            return known[1]
        clip = self._look(name, language)
        if clip is not None:
            self._found[name, language] = (self._now() + KNOWN_S, clip)
        return clip

    def _look(self, name: str, language: str) -> Clip | None:
        for directory in self._directories:
            folders = [directory / language, directory / NO_LANGUAGE]
            if name.partition("/")[0] == NO_LANGUAGE:
                folders += [directory, directory / "en"]
            for folder in folders:
                found = _file(folder, name)
                if found is not None:
                    return Clip(name, found)
        return None

    def names(self, language: str) -> list[str]:
        """Return all prompts of a language, sorted."""
        found = set()
        for directory in self._directories:
            folder = directory / language
            for path in folder.rglob("*"):
                if path.suffix in SUFFIXES and path.is_file():
                    found.add(path.relative_to(folder).with_suffix("").as_posix())
        return sorted(found)

    def duration_s(self, clip: Clip) -> float:
        """Return how long a clip lasts.

        :raises MediaError: where its file cannot be read or is no sound.
        """
        if clip.path is None:
            return 0.0
        try:
            key = (clip.path, clip.path.stat().st_mtime_ns)
            if key not in self._durations:
                about = soundfile.info(clip.path)
                self._durations[key] = about.frames / about.samplerate
        except (OSError, RuntimeError) as error:
            raise MediaError(f"{clip.path}: {error}") from error
        return self._durations[key]


def _file(folder: Path, name: str) -> Path | None:
    if not name or name.startswith("/") or ".." in Path(name).parts:
        return None
    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_file():
            return path
    return None
