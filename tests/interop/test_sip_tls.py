"""Phones over TLS with SRTP, and probes of a stranger's."""

from __future__ import annotations

import subprocess
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
def secure(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    """The desk's office, listening for TLS too."""
    server = LiveServer.of(Path(__file__).parent / "deskconf", tmp_path / "secure")
    file = server.directory / "pbx.toml"
    text = file.read_text()
    assert PLAIN in text
    text = text.replace(PLAIN, PLAIN.replace("]", ', "tls:127.0.0.1:5061"]'))
    file.write_text(text + '\n[endpoints.1001]\nsrtp = "optional"\n')
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def test_a_phone_over_tls_with_srtp_talks_to_one_over_udp(
    secure: LiveServer, make_phone: Callable[..., Baresip]
) -> None:
    alice = make_phone(
        "1001", "desk-1001", 440.0, server="127.0.0.1:5061", transport="tls", extra=";mediaenc=srtp-mand"
    )
    bob = make_phone("1002", "desk-1002", 1000.0)
    wait_for(lambda: registered(secure) == {"1001", "1002"}, 10, lambda: alice.output()[-1500:])
    for caller, called in ((alice, bob), (bob, alice)):
        talk(caller, called)
        assert hears(alice, 1000.0)
        assert hears(bob, 440.0)
        ways = {leg["party"]: leg for call in secure.ask("/v1/calls") for leg in call["legs"]}
        assert set(ways) == {"endpoint/1001", "endpoint/1002"}
        (call,) = secure.ask("/v1/calls")
        told = [m["text"] for m in secure.ask(f"/v1/trace/{call['call_id']}")["messages"] if "m=audio" in m["text"]]
        encrypted = [text for text in told if "a=crypto:" in text]
        assert len(encrypted) >= 2, told  # our offer of keys, or hers, and what was taken of it
        caller.hang_up()
        called.wait("CALL_CLOSED")
        wait_for(lambda: secure.ask("/v1/calls") == [], 5, "a call is left")
        for phone in (alice, bob):
            phone.events.clear()


def test_sipsak_is_answered_and_learns_of_no_account(secure: LiveServer) -> None:
    def sipsak(*words: str) -> str:
        made = subprocess.run(["sipsak", "-vvv", *words], capture_output=True, text=True, check=False, timeout=30)
        return made.stdout + made.stderr

    assert "SIP/2.0 200 OK" in sipsak("-s", "sip:127.0.0.1:5060")
    answers = {
        number: [
            line for line in sipsak("-s", f"sip:{number}@127.0.0.1:5060").splitlines() if line.startswith("SIP/2.0")
        ]
        for number in ("1001", "7777")
    }
    assert answers["1001"] == answers["7777"] != []
