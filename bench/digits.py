"""False digits: half an hour of somebody else's speech through the detector of keys as sound.

The speech is Debian's asterisk-core-sounds-en-wav, 25 minutes of prompts by one voice, which nobody tuned this for; it
is taken from where it is installed, else fetched through apt for the time of the measurement. Beside it our prompts.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pbx.media.sounds import Sounds
from pbx.native import dtmf, g711

PACKAGE = "asterisk-core-sounds-en-wav"
INSTALLED = Path("/usr/share/asterisk/sounds")
OURS = Path(__file__).parents[1] / "prompts"
GAINS = (1.0, 0.25, 4.0)
FRAME = 160


def measure() -> list[dict[str, Any]]:
    """Return a row for every body of speech and loudness."""
    with tempfile.TemporaryDirectory() as fetched:
        theirs = sorted(INSTALLED.rglob("*.wav")) or _fetch(Path(fetched))
        bodies = {PACKAGE: theirs, "our prompts and music": sorted(OURS.rglob("*.flac"))}
        return [row for name, files in bodies.items() for row in _rows(name, files)]


def _fetch(directory: Path) -> list[Path]:
    """Have apt fetch the package, and unpack it here.

    :raises RuntimeError: where that fails.
    """
    for command in (["apt-get", "download", "-q", PACKAGE], ["dpkg-deb", "-x", f"{PACKAGE}.deb", "."]):
        for found in directory.glob("*_all.deb"):
            found.rename(directory / f"{PACKAGE}.deb")
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{PACKAGE}: {done.stderr.strip()}")
    return sorted(directory.rglob("*.wav"))


def _rows(name: str, files: Iterable[Path]) -> list[dict[str, Any]]:
    sounds = Sounds()
    speech = np.concatenate([sounds.load(path, 8000) for path in files])
    speech = speech[: len(speech) // FRAME * FRAME]
    minutes = len(speech) / 8000 / 60
    rows = []
    for gain in GAINS:
        louder = np.clip(speech * gain, -32768, 32767).astype(np.int16)
        heard = np.frombuffer(g711.decode(1, g711.encode(1, louder)), np.int16)
        false = len(dtmf.Detector().hear(heard))
        rows.append({"speech": name, "gain": gain, "minutes": round(minutes, 1), "false_digits": false,
                     "in_30_minutes": round(false * 30 / minutes, 1)})  # fmt: skip
    return rows
