"""Phones at home: two behind one router that translates, and a router that forgets in the middle of a call."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.home import HOME, OUTSIDE, SERVER, Home, home
from tests.interop.server import ROOT, LiveServer
from tests.interop.test_first_call import hears, talk
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

DOMAIN = 'domain = "pbx.example"'
OUTWARD = f'advertise = "{SERVER}"\nlocal-networks = ["127.0.0.0/8"]\n'


@pytest.fixture
def town(net: None, tmp_path: Path) -> Iterator[tuple[LiveServer, Home]]:
    """The office of `make run` for the whole world, and a home with a router."""
    with home() as made:
        server = LiveServer.of(ROOT / "conf", tmp_path / "town")
        file = server.directory / "pbx.toml"
        text = file.read_text()
        assert DOMAIN in text
        file.write_text(text.replace(DOMAIN, OUTWARD + DOMAIN))
        server.start()
        yield server, made
        log = server.stop()
        assert "Traceback" not in log, log[-3000:]


def port_of(server: LiveServer, number: str) -> int:
    """Return the port of the router by which a phone is reached."""
    row = next(row for row in server.ask("/v1/registrations") if row["endpoint"] == number)
    transport, address, port = row["source"].split(":")
    assert (transport, address) == ("udp", OUTSIDE)
    return int(port)


def test_two_phones_behind_one_router_and_a_router_that_forgets(
    town: tuple[LiveServer, Home], make_phone: Callable[..., Baresip]
) -> None:
    server, flat = town

    def at_home(number: str, hz: float) -> Baresip:
        return make_phone(number, server.secret(number), hz, server=f"{SERVER}:5060", address=HOME, home=flat)

    alice, bob = at_home("1001", 440.0), at_home("1002", 1000.0)
    carol = make_phone("1003", server.secret("1003"), 700.0)
    wait_for(lambda: registered(server) == {"1001", "1002", "1003"}, 10, lambda: alice.output()[-2000:])
    assert port_of(server, "1001") != port_of(server, "1002")
    talk(alice, bob)
    assert hears(alice, 1000.0)
    assert hears(bob, 440.0)
    assert f"c=IN IP4 {SERVER}" in bob.output()  # what is advertised; the phone inside sees where it is itself
    alice.hang_up()
    bob.wait("CALL_CLOSED")

    talk(carol, alice)
    assert f"c=IN IP4 {SERVER}" not in carol.output()
    assert hears(alice, 700.0)
    flat.translate(40_000)
    assert hears(carol, 440.0)
    assert hears(alice, 700.0)
    alice.hang_up()  # from a port that the server never heard of
    carol.wait("CALL_CLOSED")

    # Another phone there registers, keeps its socket's port, and registers again behind another port of the router.
    bob.stop()
    for first in (40_000, 50_000):
        flat.translate(first)
        done = subprocess.run(
            [*flat.inside, "sipsak", "-U", "-l", "5099", "-C", f"sip:1002@{HOME}:5099", "-x", "120", "-u", "1002",
             "-a", server.secret("1002"), "-s", f"sip:1002@{SERVER}:5060"],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert port_of(server, "1002") // 1000 == first // 1000
        assert sum(row["endpoint"] == "1002" for row in server.ask("/v1/registrations")) == 1
