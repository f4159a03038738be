"""Real phones, and what they hear: encryption and codecs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.conftest import registered
from tests.interop.server import ROOT, LiveServer
from tests.interop.sound import loudness
from tests.interop.test_first_call import digits, hears, talk
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

Make = Callable[..., Baresip]
CODECS = 'codecs = ["g722", "pcma", "pcmu"]'
MORE = """
[endpoints.1004]
secret = { file = "var/secrets/1004" }
srtp = "required"

[endpoints.1005]
secret = { file = "var/secrets/1005" }
dtmf = "info"
"""


@pytest.fixture
def office(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """The office of `make run`, and a desk that insists on encryption."""
    server = LiveServer.of(ROOT / "conf", tmp_path / "office")
    config = server.directory / "pbx.toml"
    text = config.read_text()
    assert CODECS in text
    config.write_text(text.replace(CODECS, CODECS.replace("[", '["opus", ')) + MORE)
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]
    assert "inline:" not in log


@pytest.fixture
def phone(office: LiveServer, make_phone: Make) -> Make:
    def make(number: str, hz: float, **options: Any) -> Baresip:
        made = make_phone(number, office.secret(number), hz, **options)
        wait_for(lambda: number in registered(office), 10, lambda: f"not registered:\n{made.output()[-1500:]}")
        return made

    return make


def test_a_phone_that_encrypts_and_one_that_does_not_hear_each_other(
    office: LiveServer, phone: Make, tmp_path: Path
) -> None:
    plain, secret = phone("1001", 440.0), phone("1004", 1000.0, extra=";mediaenc=srtp-mand")
    talk(plain, secret)
    time.sleep(0.5)
    with capture(tmp_path / "wire.pcap") as wire:
        assert hears(plain, 1000.0)
        assert hears(secret, 440.0)
    assert loudness(alaw_heard(wire, plain.rtp_ports), 8000, 1000.0) > 0.9
    assert loudness(alaw_heard(wire, secret.rtp_ports), 8000, 440.0) < 0.1, "in clear on the wire"
    plain.hang_up()
    secret.wait("CALL_CLOSED")
    before = len(plain.events)
    secret.dial("1001")
    plain.wait("CALL_INCOMING", since=before)
    plain.accept()
    time.sleep(0.7)
    assert hears(secret, 440.0)
    secret.hang_up()
    wait_for(lambda: len(office.records()) == 2, 5, "two records")


def test_who_must_encrypt_and_does_not_is_refused(office: LiveServer, phone: Make) -> None:
    careless = phone("1004", 440.0)
    careless.dial("*43")
    assert "488" in str(careless.wait("CALL_CLOSED").get("param"))


def test_encryption_is_taken_where_it_is_offered(office: LiveServer, phone: Make, tmp_path: Path) -> None:
    alice = phone("1001", 440.0, extra=";mediaenc=srtp-mand")
    alice.dial("*43")
    alice.wait("CALL_ESTABLISHED")
    time.sleep(0.5)
    with capture(tmp_path / "wire.pcap") as wire:
        assert hears(alice, 440.0)
    assert loudness(alaw_heard(wire, alice.rtp_ports), 8000, 440.0) < 0.1, "in clear on the wire"
    alice.hang_up()
    wait_for(lambda: len(office.records()) == 1, 5, "no record")


def test_keys_reach_a_phone_that_wants_them_by_info(office: LiveServer, phone: Make) -> None:
    old, new = phone("1005", 440.0), phone("1001", 1000.0)
    talk(old, new)
    time.sleep(0.5)
    for digit in "7*":
        new.command("sndcode", digit)
        time.sleep(0.3)
    wait_for(lambda: digits(old) == "7*", 5, lambda: f"the old one saw the digits {digits(old)!r}")
    assert hears(old, 1000.0)
    assert "application/dtmf-relay" in old.output()
    old.hang_up()
    new.wait("CALL_CLOSED")


def test_opus_and_g711_hear_each_other(office: LiveServer, phone: Make) -> None:
    wide = phone("1001", 440.0, codecs="opus/48000/2", rate_hz=48000, channels=2)
    narrow = phone("1002", 1000.0)
    talk(wide, narrow)
    time.sleep(0.7)
    assert hears(wide, 1000.0)
    assert hears(narrow, 440.0)
    wide.hang_up()
    narrow.wait("CALL_CLOSED")
