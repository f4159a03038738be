"""Phones by IPv6 alone, and one that talks to a phone that has IPv4 alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.server import LiveServer
from tests.interop.test_first_call import hears, talk
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop
PLAIN = 'listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]'


@pytest.fixture
def both(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """The desk's office, by both families."""
    server = LiveServer.of(Path(__file__).parent / "deskconf", tmp_path / "both")
    file = server.directory / "pbx.toml"
    text = file.read_text()
    assert PLAIN in text
    file.write_text(text.replace(PLAIN, PLAIN.replace("]", ', "udp:[::1]:5060", "tcp:[::1]:5060"]')))
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def test_phones_of_both_families_hear_each_other(both: LiveServer, make_phone: Callable[..., Baresip]) -> None:
    six = {"server": "[::1]:5060", "address": "::1"}
    alice = make_phone("1001", "desk-1001", 440.0, **six)
    bob = make_phone("1002", "desk-1002", 1000.0, transport="tcp", **six)
    carol = make_phone("1003", "desk-1003", 700.0)
    wait_for(lambda: registered(both) == {"1001", "1002", "1003"}, 10, lambda: alice.output()[-1500:])
    sources = {row["endpoint"]: row["source"] for row in both.ask("/v1/registrations")}
    assert sources["1001"].startswith("udp:[::1]:")
    assert sources["1002"].startswith("tcp:[::1]:")
    talk(alice, bob)
    assert hears(alice, 1000.0)
    assert hears(bob, 440.0)
    assert "c=IN IP6 ::1" in bob.output()
    alice.hang_up()
    bob.wait("CALL_CLOSED")
    since = len(alice.events)
    carol.dial("1001")
    alice.wait("CALL_INCOMING", since=since)
    alice.accept()
    carol.wait("CALL_ESTABLISHED")
    assert hears(alice, 700.0)
    assert hears(carol, 440.0)
    assert "c=IN IP4 127.0.0.1" in carol.output()
    alice.command("hold")
    wait_for(lambda: any(leg["held"] for call in both.ask("/v1/calls") for leg in call["legs"]), 5, "nobody holds")
    alice.command("resume")
    wait_for(lambda: not any(leg["held"] for call in both.ask("/v1/calls") for leg in call["legs"]), 5, "still held")
    carol.hang_up()
    alice.wait("CALL_CLOSED", since=since)
