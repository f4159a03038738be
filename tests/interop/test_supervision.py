"""Three phones as caller, agent and supervisor: what each of them hears."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.conftest import registered
from tests.interop.server import ROOT, LiveServer
from tests.interop.sound import level, loudness
from tests.interop.waiting import wait_for
from tests.interop.walker import found_at, position

pytestmark = pytest.mark.interop

CONFIG = """
language = "zh-CN"
[sip]
listen = ["udp:127.0.0.1:5060"]
domain = "floor.example"
[media]
ports = "10000-19999"
codecs = ["pcma"]
[recordings]
retain-days = 1
[endpoints."1001..1003"]
secret = "phone-{number}"
context = "floor"
[[contexts.floor.route]]
match = "800"
do = [{ queue = "support" }]
[[contexts.floor.route]]
match = "*55XXXX"
do = [{ supervise = "{number:3}" }]
[queues.support]
notice = "recording-notice"
record = "always"
announce = { position = true, first-s = 3, every-s = 60 }
wrap-up-s = 0
on = { no-agents = { hangup = "busy" }, timeout = { hangup = "busy" } }
[agents.zhang]
endpoint = "1002"
queues = { support = 1 }
login = "always"
[agents.boss]
endpoint = "1003"
rights = ["supervise"]
"""
CALLER, AGENT, BOSS = 440.0, 1000.0, 1700.0


@pytest.fixture
def floor(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    directory = tmp_path / "floor"
    directory.mkdir()
    (directory / "pbx.toml").write_text(CONFIG)
    server = LiveServer(directory)
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def phones(floor: LiveServer, make_phone: Callable[..., Baresip]) -> list[Baresip]:
    made = [
        make_phone(number, f"phone-{number}", hz) for number, hz in (("1001", CALLER), ("1002", AGENT), ("1003", BOSS))
    ]
    wait_for(lambda: registered(floor) == {"1001", "1002", "1003"}, 10, "a phone does not register")
    return made


class Ears:
    """What each phone hears in the same second."""

    def __init__(self, directory: Path, phones: list[Baresip]) -> None:
        self._directory = directory
        self._phones = phones
        self._count = 0

    def all(self) -> dict[str, str]:
        """Return, for each phone, whom it hears."""
        self._count += 1
        with capture(self._directory / f"{self._count}.pcap") as pcap:
            time.sleep(1.0)
        found = {}
        for name, phone in zip("cas", self._phones, strict=True):
            sound = alaw_heard(pcap, phone.rtp_ports)
            tones = {"c": CALLER, "a": AGENT, "s": BOSS}
            found[name] = "".join(who for who, hz in tones.items() if loudness(sound, 8000, hz) > 0.15)
        return found


def test_listen_whisper_barge_and_take_over(floor: LiveServer, phones: list[Baresip], tmp_path: Path) -> None:
    caller, agent, boss = phones
    ears = Ears(tmp_path, phones)
    caller.dial("800")
    agent.wait("CALL_INCOMING")
    agent.accept()
    agent.wait("CALL_ESTABLISHED")
    wait_for(lambda: any(c["state"] == "talking" for c in floor.ask("/v1/calls")), 15, "they do not talk")
    time.sleep(0.3)
    assert ears.all() == {"c": "a", "a": "c", "s": ""}

    boss.dial("*551002")
    boss.wait("CALL_ESTABLISHED")
    time.sleep(0.5)
    assert ears.all() == {"c": "a", "a": "c", "s": "ca"}  # silent listening
    boss.command("sndcode", "5")
    time.sleep(0.6)
    assert ears.all() == {"c": "a", "a": "cs", "s": "ca"}  # the agent alone hears the whisper
    boss.command("sndcode", "6")
    time.sleep(0.6)
    assert ears.all() == {"c": "as", "a": "cs", "s": "ca"}  # barge
    boss.command("sndcode", "7")
    agent.wait("CALL_CLOSED")
    time.sleep(0.5)
    assert ears.all() == {"c": "s", "a": "", "s": "c"}
    caller.hang_up()
    boss.wait("CALL_CLOSED")


def test_a_waiting_caller_hears_notice_music_and_position_in_mandarin(
    floor: LiveServer, phones: list[Baresip], tmp_path: Path
) -> None:
    caller, agent, _ = phones
    with capture(tmp_path / "waiting.pcap") as pcap:
        caller.dial("800")
        agent.wait("CALL_INCOMING")
        time.sleep(15.0)
    sound = alaw_heard(pcap, caller.rtp_ports)
    notice = found_at(sound, "zh-CN", "recording-notice")
    before = found_at(sound, "zh-CN", "queue-position-before")
    music, rate_hz = soundfile.read(next((ROOT / "prompts" / "music").glob("default.*")), always_2d=True)
    assert notice is not None
    assert before is not None
    assert notice < before
    played = position(sound, music.mean(axis=1)[:: rate_hz // 8000][8000:])
    assert played is not None, level(sound)
    assert played > notice
    caller.hang_up()


def test_who_has_no_right_is_told_so(floor: LiveServer, phones: list[Baresip], tmp_path: Path) -> None:
    caller, _, _ = phones
    with capture(tmp_path / "no.pcap") as pcap:
        caller.dial("*551002")
        caller.wait("CALL_CLOSED")
    assert found_at(alaw_heard(pcap, caller.rtp_ports), "zh-CN", "not-allowed") is not None
