"""A company's own greeting, recorded by phone and heard by the next caller."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from pbx.media.prompt_files import LEVEL_DBFS, speech_level_dbfs
from tests.interop.baresip import Baresip
from tests.interop.server import LiveServer
from tests.interop.sound import loudness
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop


def test_a_greeting_recorded_by_phone(office: LiveServer, phone: Callable[..., Baresip]) -> None:
    alice = phone("1001", 440.0)
    kept = office.directory / "var" / "prompts" / "en" / "our-greeting.flac"
    draft = office.directory / "var" / "drafts"
    alice.dial("*77")
    alice.wait("CALL_ESTABLISHED")
    wait_for(lambda: draft.is_dir() and any(p.stat().st_size > 16_000 for p in draft.iterdir()), 15, "no recording")
    alice.command("sndcode", "#")
    time.sleep(0.5)
    alice.command("sndcode", "1")  # keeps it while it is played back
    wait_for(kept.is_file, 10, lambda: office.log.read_text()[-1500:])
    alice.hang_up()
    samples, rate_hz = soundfile.read(kept)
    assert loudness(samples.astype(np.float32), rate_hz, 440.0) > 0.9
    assert speech_level_dbfs(samples) == pytest.approx(LEVEL_DBFS, abs=1.0)
    assert list(draft.iterdir()) == []
