"""The stack alone: two of them in one process, no sockets. CPU a call, and bytes a call that is held."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
import tracemalloc
from typing import Any

from pbx.sip import message
from pbx.sip.ids import Ids
from pbx.sip.invite import Session
from pbx.sip.message import Flow, Request, Response
from pbx.sip.outputs import Invited, Output, Send
from pbx.sip.stack import Admitted, Stack

CALLS = 3_000
HELD = 10_000
ROUNDS = 3
ONE, OTHER = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
SDP = (
    b"v=0\r\no=pbx 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
)


class Side:
    """A stack that lets everybody in, and answers at once."""

    def __init__(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        self.flow = Flow("udp", local, remote)
        self.stack = Stack(self, self, Ids(1 if local is ONE else 2))
        self.other: Side = self

    def judge(self, request: Request, flow: Flow, now: float) -> Admitted | Response | None:
        return Admitted("trunk/bench")

    def advertised(self, flow: Flow) -> tuple[str, int]:
        return flow.local

    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None:
        return Flow("udp", self.flow.local, remote)

    def pump(self, now: float) -> bool:
        """Carry out what the stack wants; False when there was nothing."""
        outputs = self.stack.take_outputs()
        for output in outputs:
            self._carry_out(output, now)
        return bool(outputs)

    def _carry_out(self, output: Output, now: float) -> None:
        if isinstance(output, Send):
            self.other.stack.receive(output.data, self.other.flow, now)
        elif isinstance(output, Invited):
            output.session.ring(now)
            output.session.accept(now, SDP)


class Pair:
    """A caller and a called stack with nothing between them."""

    def __init__(self) -> None:
        self.caller, self.called = Side(ONE, OTHER), Side(OTHER, ONE)
        self.caller.other, self.called.other = self.called, self.caller
        self.now = 0.0

    def settle(self) -> None:
        while self.caller.pump(self.now) or self.called.pump(self.now):
            pass

    def call(self) -> Session:
        """Set a call up, as far as the ACK."""
        self.now += 0.005  # 200 a second
        stack = self.caller.stack
        request = Request("INVITE", "sip:service@192.0.2.2:5060")
        request.headers = {
            "Via": [],
            "Max-Forwards": ["70"],
            "From": [f"<sip:1001@192.0.2.1>;tag={stack.ids.tag()}"],
            "To": ["<sip:service@192.0.2.2>"],
            "Call-ID": [stack.ids.call_id()],
            "CSeq": ["1 INVITE"],
            "Content-Type": ["application/sdp"],
        }
        request.body = SDP
        session = stack.invite(request, self.caller.flow, self.now)
        self.settle()
        for side in (self.caller, self.called):
            side.stack.handle_timer(self.now)
        return session

    def end(self, session: Session) -> None:
        session.bye(self.now)
        self.settle()

    def wait(self, seconds: float) -> None:
        """Let time pass until nothing of a transaction is left."""
        self.now += seconds
        for side in (self.caller, self.called):
            side.stack.handle_timer(self.now)
        self.settle()


def cpu_us_per_call() -> float:
    """Return the CPU of one call on both stacks, the best of some rounds; half of it is one stack's."""
    best = float("inf")
    for _ in range(ROUNDS):
        pair = Pair()
        began = time.process_time()
        for _ in range(CALLS):
            pair.end(pair.call())
        best = min(best, (time.process_time() - began) / CALLS)
    return best * 1e6


def bytes_per_held_call() -> float:
    """Return the bytes of one established call in one stack once its transactions are over."""
    pair = Pair()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    held = [pair.call() for _ in range(HELD)]
    pair.wait(70.0)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert all(session.is_up for session in held)
    return (after - before) / HELD / 2


def one_twin() -> dict[str, Any]:
    """Measure what this process runs: the compiled modules or their plain twins."""
    return {
        "twin": "compiled" if message.__file__.endswith(".so") else "plain",
        "calls": CALLS,
        "cpu_us_per_call_two_stacks": round(cpu_us_per_call()),
        "held_calls": HELD,
        "bytes_per_held_dialog": round(bytes_per_held_call()),
    }


def measure() -> list[dict[str, Any]]:
    """Measure both twins, each in a process of its own."""
    found = []
    for plain in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-m", "bench.stack"],
            env=os.environ | {"PBX_PLAIN": plain},
            capture_output=True,
            check=True,
        )
        found.append(json.loads(done.stdout))
    return found


if __name__ == "__main__":
    print(json.dumps(one_twin()))
