"""A third party's softphone calls a desk phone; both hear each other."""

from __future__ import annotations

import subprocess
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.interop.baresip import Baresip
from tests.interop.server import ROOT, LiveServer
from tests.interop.sound import heard, loudness
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

CLIENTS = ROOT / ".venv" / "clients" / "bin" / "python"


def test_pyvoip_calls_baresip(office: LiveServer, phone: Callable[..., Baresip], tmp_path: Path) -> None:
    bob = phone("1002", 1000.0, codecs="pcmu")
    said = tmp_path / "said.wav"
    times = np.arange(8000 * 5) / 8000
    with wave.open(str(said), "wb") as file:
        file.setparams((1, 1, 8000, 0, "NONE", ""))
        file.writeframes((128 + 60 * np.sin(2 * np.pi * 440 * times)).astype(np.uint8).tobytes())
    listened = tmp_path / "heard.raw"
    program = Path(__file__).parent / "softphone.py"
    softphone = subprocess.Popen(
        [str(CLIENTS), str(program), "5060", "5090", "1001", office.secret("1001"), "1002", "4", str(said),
         str(listened)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        bob.wait("CALL_INCOMING", 15)
        bob.accept()
        bob.wait("CALL_ESTABLISHED")
        time.sleep(2.5)
        samples, rate_hz = heard(bob.heard())
        assert loudness(samples[-rate_hz:], rate_hz, 440.0) > 0.8
        _, errors = softphone.communicate(timeout=20)
        assert softphone.returncode == 0, errors[-2000:]
    finally:
        softphone.kill()
        softphone.wait(5)
    theirs = (np.frombuffer(listened.read_bytes(), dtype=np.uint8).astype(float) - 128) / 128
    assert loudness(theirs[8000:16000], 8000, 1000.0) > 0.8
    wait_for(lambda: [r["cause"] for r in office.records()] == ["answered"], 10, lambda: str(office.records()))
