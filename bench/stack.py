"""The SIP core alone: two stacks in one process, no sockets. CPU a call, bytes a held dialog pair, bytes a call that is
over but lingers.

A B2BUA's call is one called and one calling session: what the two stacks spend on one call together is what the core
spends on one call of a B2BUA. ``PBX_PLAIN=1`` measures the plain twins of the compiled modules.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.fakes.wire import A, B, OpenGate, Own

from pbx.sip import message, outputs
from pbx.sip.ids import Ids
from pbx.sip.invite import Session
from pbx.sip.message import Flow, Request
from pbx.sip.stack import Stack

SDP = (
    b"v=0\r\no=pbx 1234567 1 IN IP4 192.0.2.2\r\ns=pbx\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    b"a=ptime:20\r\na=sendrecv\r\n"
)


class Pair:
    """Two stacks; what one sends, the other receives at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.a = Stack(OpenGate(), Own(), Ids(1))
        self.b = Stack(OpenGate(), Own(), Ids(2))
        self.there, self.back = Flow("udp", A, B), Flow("udp", B, A)
        self._count = 0

    def call(self) -> Session:
        """Set a call up: INVITE, 100, 180, 200, ACK."""
        self._count += 1
        request = Request("INVITE", "sip:1002@192.0.2.2:5060")
        request.headers = {
            "Via": [],
            "Max-Forwards": ["70"],
            "From": [f"<sip:1001@192.0.2.1>;tag=tag{self._count}"],
            "To": ["<sip:1002@192.0.2.2>"],
            "Call-ID": [f"call-{self._count}-of-this-bench@192.0.2.1"],
            "CSeq": ["1 INVITE"],
            "Content-Type": ["application/sdp"],
        }
        request.body = SDP
        session = self.a.invite(request, self.there, self.now)
        self.deliver()
        return session

    def deliver(self) -> None:
        """Carry messages to and fro until both are silent."""
        busy = True
        while busy:
            busy = False
            for stack, other, flow in ((self.a, self.b, self.back), (self.b, self.a, self.there)):
                for output in stack.take_outputs():
                    busy = True
                    if isinstance(output, outputs.Send):
                        other.receive(output.data, flow, self.now)
                    elif isinstance(output, outputs.Invited):
                        output.session.ring(self.now)
                        output.session.accept(self.now, SDP)

    def wait(self, seconds: float) -> None:
        """Let time pass, with every timer on the way."""
        until = self.now + seconds
        while True:
            due = [s.deadline for s in (self.a, self.b) if s.deadline is not None]
            if not due or min(due) > until:
                break
            self.now = max(self.now, min(due))
            for stack in (self.a, self.b):
                stack.handle_timer(self.now)
            self.deliver()
        self.now = until


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _cpu_us(calls: int) -> float:
    pair = Pair()
    for _ in range(200):
        pair.call().bye(pair.now)
        pair.deliver()
    began = time.process_time()
    for _ in range(calls):
        pair.call().bye(pair.now)
        pair.deliver()
        pair.now += 0.002  # 500 calls a second: transactions linger and end on the way
        for stack in (pair.a, pair.b):
            stack.handle_timer(pair.now)
    return 1e6 * (time.process_time() - began) / calls


def _held(pairs: int) -> float:
    """Return bytes a pair of held dialogs, their transactions long over."""
    pair = Pair()
    pair.call().bye(pair.now)
    pair.deliver()
    gc.collect()
    before = _rss_bytes()
    sessions = [pair.call() for _ in range(pairs)]
    pair.wait(64.0)
    gc.collect()
    assert all(session.is_up for session in sessions)
    return (_rss_bytes() - before) / pairs


def measure() -> dict[str, Any]:
    """Measure all three."""
    return {
        "twin": "compiled" if message.__file__.endswith(".so") else "plain",
        "cpu_us_per_call": round(min(_cpu_us(5000) for _ in range(3))),
        "bytes_per_held_pair_at_10000": round(_apart(_held, 10_000)),
        "bytes_per_lingering_call": round(_apart(_lingering, 10_000)),
    }


def _lingering(calls: int) -> float:
    """Return bytes a call that is over, while its transactions still absorb what comes late."""
    gc.collect()
    before = _rss_bytes()
    pair = Pair()
    for _ in range(calls):
        pair.call().bye(pair.now)
        pair.deliver()
    gc.collect()
    return (_rss_bytes() - before) / calls


def _apart(measured: Callable[[int], float], count: int) -> float:
    """Measure memory in a process of its own, whose heap is young."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measured, count).result()


if __name__ == "__main__":
    print(measure())
