"""Authenticated REGISTERs a second, CPU each; and INVITE → 100 while calls come in: own load, one socket."""

from __future__ import annotations

import hashlib
import re
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.interop.netns import network
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp

from bench.machine import cpu_s
from bench.sipp import CONFIG

SERVER = ("127.0.0.1", 5060)
REALM = "bench.example"
NONCE = re.compile(rb'nonce="([^"]+)"')
WINDOW = 64  # requests under way at once


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _register(number: int, branch: int, nonce: str) -> bytes:
    authorization = ""
    if nonce:
        secret = _md5(f"{number}:{REALM}:bench-{number}")
        answer = _md5(f"{secret}:{nonce}:" + _md5("REGISTER:sip:127.0.0.1"))
        authorization = (
            f'Authorization: Digest username="{number}", realm="{REALM}", nonce="{nonce}", uri="sip:127.0.0.1", '
            f'response="{answer}"\r\n'
        )
    return (
        f"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bK{branch}\r\n"
        f"From: <sip:{number}@{REALM}>;tag={branch}\r\nTo: <sip:{number}@{REALM}>\r\nCall-ID: {number}-{branch}\r\n"
        f"CSeq: {branch} REGISTER\r\nContact: <sip:{number}@127.0.0.1:5090>\r\nMax-Forwards: 70\r\n"
        f"Expires: 300\r\n{authorization}Content-Length: 0\r\n\r\n"
    ).encode()


def _registers(seconds: float) -> tuple[int, float]:
    """Register over and over, WINDOW phones at once; return how many were done and how long it took."""
    done = branch = 0
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        phone.bind(("127.0.0.1", 5090))
        phone.settimeout(2.0)
        for number in range(3000, 3000 + WINDOW):
            branch += 1
            phone.sendto(_register(number, branch, ""), SERVER)
        while time.monotonic() - began < seconds:
            answer = phone.recv(4096)
            match = re.search(rb"To: <sip:(\d+)@", answer)
            assert match is not None
            number = int(match.group(1))
            branch += 1
            if answer.startswith(b"SIP/2.0 401"):
                nonce = NONCE.search(answer)
                assert nonce is not None
                phone.sendto(_register(number, branch, nonce.group(1).decode()), SERVER)
            elif answer.startswith(b"SIP/2.0 200"):
                done += 1
                phone.sendto(_register(number, branch, ""), SERVER)
    return done, time.monotonic() - began


def trying(count: int, pause_s: float = 0.01) -> list[float]:
    """Send INVITEs one after the other beside the load; return the milliseconds until each one's 100."""
    waits = []
    mark = time.monotonic_ns()  # a branch that is used again would be an old request
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 5091))
        phone.settimeout(2.0)
        for n in range(count):
            invite = (
                f"INVITE sip:nobody@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5091;branch=z9hG4bKt{mark}.{n}\r\n"
                f"From: <sip:probe@127.0.0.1>;tag=t{n}\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: t{mark}.{n}\r\n"
                f"CSeq: 1 INVITE\r\nContact: <sip:probe@127.0.0.1:5091>\r\nMax-Forwards: 70\r\n"
                f"Content-Length: 0\r\n\r\n"
            ).encode()
            began = time.perf_counter()
            phone.sendto(invite, SERVER)
            while not phone.recv(4096).startswith(b"SIP/2.0 100"):
                pass
            waits.append(1000 * (time.perf_counter() - began))
            time.sleep(pause_s)
    return sorted(waits)


def measure() -> dict[str, Any]:
    """Measure both against one server."""
    with tempfile.TemporaryDirectory() as folder, network():
        directory = Path(folder)
        server = LiveServer.of(CONFIG, directory / "bench", level="error")
        server.start()
        callee = Sipp(directory / "uas", "uas", "-sn", "uas", "-p", "5070")
        try:
            assert server.process is not None
            spent = cpu_s(server.process.pid)
            done, seconds = _registers(10.0)
            spent = cpu_s(server.process.pid) - spent
            rate = ("-r", "100", "-m", "1000", "-d", "0")
            load = Sipp(directory / "uac", "uac", "-sn", "uac", "-s", "service", "-p", "5080", *rate, "127.0.0.1:5060")
            waits = trying(500)
            load.stop()
            return {
                "registers_per_s": round(done / seconds),
                "cpu_us_per_register": round(1e6 * spent / done),
                "beside_calls_per_s": 100,
                "invite_to_100_p50_ms": round(waits[len(waits) // 2], 2),
                "invite_to_100_p99_ms": round(waits[int(0.99 * len(waits))], 2),
            }
        finally:
            callee.stop()
            server.stop()


if __name__ == "__main__":
    print(measure())
