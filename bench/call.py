"""One call through the whole server, without sockets for SIP: what a message costs when nothing else is measured.

usage: python -m bench.call [--calls 400] [--profile]

The composition is that of ``pbx serve`` with its log, media ports and dialplan; only the datagrams are handed over in
memory, by peers that answer as SIPp's built-in scenarios do. CPU is that of the loop's thread.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from tests.interop.netns import network

from bench.sipp import CONFIG
from pbx.server import Server
from pbx.sip.message import Flow

UAC, UAS, US = ("127.0.0.1", 5080), ("127.0.0.1", 5070), ("127.0.0.1", 5060)
AT_ONCE = 20  # calls in flight
ROUNDS = 8  # the best is quoted beside the median: other work on the machine only adds
SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def _typed(head: str) -> str:
    return f"{head}Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"


INVITE = _typed(
    "INVITE sip:service@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-{n}-0\r\n"
    "From: sipp <sip:sipp@127.0.0.1:5080>;tag={n}SIPpTag00\r\nTo: service <sip:service@127.0.0.1:5060>\r\n"
    "Call-ID: {n}@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: sip:sipp@127.0.0.1:5080\r\nMax-Forwards: 70\r\n"
    "Subject: Performance Test\r\n"
)
LATER = (
    "{method} sip:service@127.0.0.1:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK-{n}-{cseq}{method}\r\n"
    "From: sipp <sip:sipp@127.0.0.1:5080>;tag={n}SIPpTag00\r\n{to}\r\nCall-ID: {n}@127.0.0.1\r\n"
    "CSeq: {cseq} {method}\r\nContact: sip:sipp@127.0.0.1:5080\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


def _line(text: str, name: str) -> str:
    start = text.index(f"\r\n{name}: ") + 2
    return text[start : text.index("\r\n", start)]


class Peers:
    """SIPp's uac and uas; what the server sends is answered in the next round."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._sent: list[tuple[bytes, Flow]] = []
        self.messages = 0
        self.over = 0
        server.transports.send = self._take  # type: ignore[method-assign]

    def _take(self, data: bytes, flow: Flow) -> bool:
        self._sent.append((data, flow))
        return True

    def begin(self, number: int) -> None:
        self._hand(INVITE.replace("{n}", str(number)), UAC)

    def _hand(self, text: str, source: tuple[str, int]) -> None:
        self.messages += 1
        self._server.agent.receive(text.encode(), Flow("udp", US, source))

    def answer(self) -> None:
        """Answer everything that the server has sent."""
        sent, self._sent = self._sent, []
        for data, flow in sent:
            self.messages += 1
            if flow.remote == UAC:
                self._as_caller(data.decode())
            else:
                self._as_callee(data.decode())

    def _as_caller(self, text: str) -> None:
        number = _line(text, "Call-ID")[9:].partition("@")[0]
        if text.startswith("SIP/2.0 200") and _line(text, "CSeq").endswith("INVITE"):
            for cseq, method in ((1, "ACK"), (2, "BYE")):
                self._hand(LATER.format(method=method, n=number, cseq=cseq, to=_line(text, "To")), UAC)
        elif text.startswith("SIP/2.0 200"):
            self.over += 1

    def _as_callee(self, text: str) -> None:
        if text.startswith(("ACK", "SIP/")):
            return
        copied = "\r\n".join(_line(text, name) for name in ("Via", "From", "Call-ID", "CSeq"))
        to = _line(text, "To")
        to = to if ";tag=" in to else f"{to};tag=uas{self.messages}"
        head = f"{copied}\r\n{to}\r\nContact: <sip:127.0.0.1:5070;transport=UDP>\r\n"
        if text.startswith("INVITE"):
            self._hand(f"SIP/2.0 180 Ringing\r\n{head}Content-Length: 0\r\n\r\n", UAS)
            self._hand(_typed(f"SIP/2.0 200 OK\r\n{head}"), UAS)
        else:
            self._hand(f"SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n", UAS)


async def _run(directory: Path, calls: int, profile: cProfile.Profile | None) -> dict[str, Any]:
    server = Server(directory)
    await server.start()
    try:
        peers = Peers(server)
        await _calls(peers, 0, calls)  # caches and lazy imports
        peers.messages = 0
        loops: list[float] = []
        everything: list[float] = []
        for number in range(1, ROUNDS + 1):
            began, before = time.thread_time(), time.process_time()
            if profile is not None:
                profile.enable()
            await _calls(peers, number * calls, calls)
            if profile is not None:
                profile.disable()
            loops.append((time.thread_time() - began) / calls)
            everything.append((time.process_time() - before) / calls)
        return {
            "calls": calls * ROUNDS,
            "messages_per_call": round(peers.messages / calls / ROUNDS, 1),
            "cpu_us_per_call_best": round(1e6 * min(loops)),
            "cpu_us_per_call_median": round(1e6 * statistics.median(loops)),
            "cpu_us_per_call_all_threads": round(1e6 * statistics.median(everything)),
        }
    finally:
        await server.stop()


async def _calls(peers: Peers, first: int, count: int) -> None:
    """Make *count* calls, some at once, until the last is over."""
    peers.over = begun = 0
    while peers.over < count:
        while begun < count and begun - peers.over < AT_ONCE:
            peers.begin(first + begun)
            begun += 1
        await asyncio.sleep(0)
        peers.answer()


def measure() -> dict[str, Any]:
    """Measure in a process whose memory is the C library's, as that of ``pbx serve`` is."""
    memory = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.call"], env=os.environ | memory, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def one_process(calls: int = 400, profile: cProfile.Profile | None = None) -> dict[str, Any]:
    """Make all calls in this process."""
    with tempfile.TemporaryDirectory() as folder, network():
        directory = Path(folder) / "bench"
        shutil.copytree(CONFIG, directory, ignore=shutil.ignore_patterns("var"))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(directory, calls, profile))


def main() -> None:
    parser = argparse.ArgumentParser(description="One call through the whole server.")
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    profile = cProfile.Profile(time.thread_time) if options.profile else None
    print(json.dumps(one_process(options.calls, profile)))
    if profile is not None:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(80)


if __name__ == "__main__":
    main()
