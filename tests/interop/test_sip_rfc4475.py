"""RFC 4475 byte for byte against a live server, over UDP and over TCP.

The messages are given beside the checkout; where they are not there, ``tests/sip/test_torture.py`` has the project's
own. Every message is followed by an OPTIONS ping that proves the server alive.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.netns import network
from tests.interop.server import LiveServer

DATA = Path(__file__).parents[3] / "shared" / "data"
CASES: list[dict[str, Any]] = json.loads((DATA / "rfc4475-expect.json").read_text()) if DATA.exists() else []
CONFIG = """
[sip]
domain = "example.com"
listen = ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5060"]
[media]
ports = "20000-20999"
[recordings]
retain-days = 1
[endpoints.1001]
secret = "torture-1001"
context = "inside"
[[contexts.inside.route]]
match = "1XXX"
do = [{ dial = "endpoint/{number}" }]
[trunks.other]
match = ["127.0.0.0/8"]
context = "inside"
"""
PING = (
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1:{port};rport;branch=z9hG4bKping{n}\r\n"
    "From: <sip:ping@127.0.0.1>;tag=p\r\nTo: <sip:127.0.0.1>\r\nCall-ID: ping{n}\r\nCSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    directory = tmp_path_factory.mktemp("torture")
    (directory / "pbx.toml").write_text(CONFIG)
    with network():
        server = LiveServer(directory)
        server.start()
        yield server
        log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def statuses(data: bytes) -> list[int]:
    return [int(line.split()[1]) for line in data.split(b"\r\n") if line.startswith(b"SIP/2.0 ")]


def over_udp(message: bytes) -> tuple[list[int], bytes]:
    """Send one message; return the statuses that came back before the answer to a ping."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        named = re.search(rb"(?:Via|v) *:[^\r]*?192[0-9.]+:(\d+)", message)
        wire.bind(("127.0.0.2", int(named.group(1)) if named else 5060))  # 18.2.2: the answer goes to the Via's port
        wire.settimeout(3)
        wire.sendto(message, ("127.0.0.1", 5060))
        wire.sendto(PING.format(transport="UDP", port=wire.getsockname()[1], n=1).encode(), ("127.0.0.1", 5060))
        return _until_ping(lambda: wire.recv(65535))


def over_tcp(message: bytes) -> tuple[list[int], bytes, bool]:
    """The same on one connection; also return whether the server closed it."""
    with socket.create_connection(("127.0.0.1", 5060), timeout=3) as wire:
        wire.sendall(message)
        wire.sendall(PING.format(transport="TCP", port=1, n=2).encode())
        got = b""
        wire.settimeout(1.0)
        try:
            while b"ping2" not in got:
                chunk = wire.recv(65535)
                if not chunk:
                    return statuses(got), got, True
                got += chunk
        except TimeoutError:
            return statuses(got), got, False
        except ConnectionResetError:
            return statuses(got), got, True
        return statuses(got)[:-1], got, False


def _until_ping(receive: Any) -> tuple[list[int], bytes]:
    got = b""
    while True:
        data = receive()
        if b"Call-ID: ping" in data:
            return statuses(got), got
        got += data


def message_of(case: dict[str, Any]) -> bytes:
    return (DATA / "rfc4475" / f"{case['name']}.dat").read_bytes()


def expected(case: dict[str, Any], found: list[int]) -> bool:
    """Whether the final status is what an element must answer."""
    finals = [status for status in found if status >= 200]
    if "response" in case["cls"]:
        return not found
    allowed = set(case.get("ok_status") or ()) | set(case.get("auth_first_ok") or ())
    if not finals:
        return not allowed or 0 in allowed
    if case["expect"].startswith(("accept", "process")) and not case.get("ok_status"):
        return finals[0] not in (400, 500, 501, 505)
    return finals[0] in allowed or (0 in allowed and finals[0] != 500)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_verdict_over_udp(live: LiveServer, case: dict[str, Any]) -> None:
    found, got = over_udp(message_of(case))
    assert expected(case, found), (found, got)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_the_verdict_over_tcp(live: LiveServer, case: dict[str, Any]) -> None:
    message = message_of(case)
    found, got, closed = over_tcp(message)
    if case["name"] in ("ncl", "mcl01"):
        assert closed
        assert [s for s in found if s >= 200] == [400]
    elif case["name"] == "clerr":
        return  # it waits for the rest, as it should: what follows belongs to the body
    elif b"content-length" not in message.lower().replace(b" ", b"") and b"\nl:" not in message.lower():
        assert closed  # 18.3: nobody can tell where it ends
    else:
        assert expected(case, found), (found, got)
