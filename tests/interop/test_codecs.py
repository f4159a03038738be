"""Every codec with every other, keys as sound, and which suite encrypts: real phones."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.server import ROOT, LiveServer
from tests.interop.sound import heard, loudness
from tests.interop.test_first_call import digits, talk
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

Make = Callable[..., Baresip]
CODECS = 'codecs = ["g722", "pcma", "pcmu"]'
MORE = """
[endpoints.1006]
secret = { file = "var/secrets/1006" }
dtmf = "inband"

[endpoints.1007]
secret = { file = "var/secrets/1007" }
record = "always"

[endpoints.1008]
secret = { file = "var/secrets/1008" }
srtp = "required"
"""
ROW_HZ, COLUMN_HZ = (697, 770, 852, 941), (1209, 1336, 1477)
KEYS = "123456789*0#"


@pytest.fixture
def office(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """The office of `make run` with Opus, a phone that has no keys but tones, and one whose calls are recorded."""
    server = LiveServer.of(ROOT / "conf", tmp_path / "office")
    config = server.directory / "pbx.toml"
    codecs = CODECS.replace("[", '["opus", ') + "\nthreads = 2"
    config.write_text(config.read_text().replace(CODECS, codecs) + MORE)
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def both_hear(one: Baresip, one_hz: float, other: Baresip, other_hz: float) -> bool:
    """Listen to both for a second: each hears the other's tone and nothing else."""
    begun = [(phone, len(heard(phone.heard())[0])) for phone in (one, other)]
    time.sleep(0.8)
    shares = []
    for (phone, start), hz in zip(begun, (other_hz, one_hz), strict=True):
        samples, rate_hz = heard(phone.heard())
        shares.append(loudness(samples[start:], rate_hz, hz))
    return min(shares) > 0.9


def test_every_codec_reaches_every_other_and_the_recording_has_both(
    office: LiveServer, make_phone: Make, tmp_path: Path
) -> None:
    said = {"pcmu": 440.0, "pcma": 700.0, "g722": 1000.0, "opus": 1300.0}
    numbers = {"pcmu": "1001", "pcma": "1002", "g722": "1003", "opus": "1007"}
    how = {
        "pcmu": {"codecs": "pcmu"},
        "pcma": {"codecs": "pcma"},
        "g722": {"codecs": "g722/16000/1", "rate_hz": 16000},
        "opus": {"codecs": "opus/48000/2", "rate_hz": 48000, "channels": 2},
    }
    phones = {c: make_phone(n, office.secret(n), said[c], **how[c]) for c, n in numbers.items()}
    wait_for(lambda: registered(office) == set(numbers.values()), 10, "not registered")
    threads = {row["thread"]: row for row in office.ask("/v1/threads")}
    assert {"media-0", "media-1"} <= set(threads)
    assert {threads[name]["scheduling"] for name in ("media-0", "media-1")} <= {"FIFO 10", "normal"}
    for one, other in itertools.combinations(said, 2):
        before = [len(phones[c].events) for c in (one, other)]
        phones[one].dial(numbers[other])
        phones[other].wait("CALL_INCOMING", since=before[1])
        phones[other].accept()
        phones[one].wait("CALL_ESTABLISHED", since=before[0])
        time.sleep(0.6)
        assert both_hear(phones[one], said[one], phones[other], said[other]), (one, other)
        phones[one].hang_up()
        phones[other].wait("CALL_CLOSED", since=before[1])
    wait_for(lambda: len(office.records()) == 6, 5, "six records")
    wait_for(lambda: len(office.ask("/v1/recordings")) == 3, 5, "three calls were recorded")
    (narrow,) = (row for row in office.ask("/v1/recordings") if row["caller"] == "1002")
    samples, rate_hz = soundfile.read(office.directory / "var" / "recordings" / narrow["path"])
    assert rate_hz == 16000, "one side is wide"
    middle = samples[len(samples) // 3 : len(samples) * 2 // 3]
    assert loudness(middle[:, 0], rate_hz, said["pcma"]) > 0.9
    assert loudness(middle[:, 1], rate_hz, said["opus"]) > 0.9


def key_sound(path: Path, keys: str) -> Path:
    """Write keys as a phone that knows nothing else would send them, again and again, with two seconds between."""
    times = np.arange(960) / 8000
    parts = []
    for key in keys:
        row, column = divmod(KEYS.index(key), 3)
        parts.append(0.2 * (np.sin(2 * np.pi * ROW_HZ[row] * times) + np.sin(2 * np.pi * COLUMN_HZ[column] * times)))
        parts.append(np.zeros(960))
    soundfile.write(path, np.concatenate([np.zeros(8000), *parts, np.zeros(16000)]), 8000, subtype="PCM_16")
    return path


def test_a_phone_whose_keys_are_tones_presses_and_hears_them(
    office: LiveServer, make_phone: Make, tmp_path: Path
) -> None:
    new = make_phone("1001", office.secret("1001"), 300.0)
    old = make_phone("1006", office.secret("1006"), 300.0, voice=str(key_sound(tmp_path / "keys.wav", "47#")))
    wait_for(lambda: registered(office) == {"1001", "1006"}, 10, "not registered")
    talk(old, new)
    wait_for(lambda: "47#" in digits(new), 15, lambda: f"the new one saw the digits {digits(new)!r}")
    start = len(heard(old.heard())[0])
    new.command("sndcode", "5")
    time.sleep(0.6)
    samples, rate_hz = heard(old.heard())
    spectrum = np.abs(np.fft.rfft(samples[start:] * np.hanning(len(samples) - start)))
    bins = np.fft.rfftfreq(len(samples) - start, 1 / rate_hz)
    levels = {hz: spectrum[np.abs(bins - hz) < 15].max() for hz in (*ROW_HZ, *COLUMN_HZ)}
    assert sorted(sorted(levels, key=lambda hz: -levels[hz])[:2]) == [770, 1336], "it hears the tone of a 5"
    old.hang_up()
    new.wait("CALL_CLOSED")


def test_the_first_suite_that_the_phone_knows_encrypts_both_ways(office: LiveServer, make_phone: Make) -> None:
    """Called, it takes AES-GCM from what we offer; calling, baresip 1.0 offers AES-CM with SHA1-80 alone."""
    secret = make_phone("1008", office.secret("1008"), 440.0, extra=";mediaenc=srtp-mand")
    plain = make_phone("1001", office.secret("1001"), 1000.0)
    wait_for(lambda: registered(office) == {"1001", "1008"}, 10, "not registered")
    talk(plain, secret)
    time.sleep(0.6)
    *offered, chosen = re.findall(r"a=crypto:\d+ (\w+)", secret.output())
    assert {"AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"} <= set(offered)
    assert chosen == offered[0]
    assert both_hear(plain, 1000.0, secret, 440.0)
    plain.hang_up()
    secret.wait("CALL_CLOSED")
