"""Two stacks, a lossy wire, virtual time: SIP behaviour without sockets."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pbx.sip.message import Flow, Request, Response
from pbx.sip.outputs import Output, Send
from pbx.sip.stack import Admitted, Ids, Stack

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


class OpenGate:
    """Everybody may come in."""

    def judge(self, request: Request, flow: Flow, now: float) -> Admitted | Response | None:
        return Admitted("trunk/other")


class Own:
    """The address of a stack is its flow's local end."""

    def advertised(self, flow: Flow) -> tuple[str, int]:
        return flow.local

    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None:
        return Flow(transport, A if remote != A else B, remote)


class Peer:
    """One stack on the wire. *on_output* sees everything but Send."""

    def __init__(self, address: tuple[str, int], seed: int, transport: str = "udp") -> None:
        self.address = address
        self.stack = Stack(OpenGate(), Own(), Ids(seed))
        self.outputs: list[Output] = []
        self.on_output: Callable[[Output, float], None] = lambda output, now: None
        self.transport = transport

    def flow_to(self, other: Peer) -> Flow:
        return Flow(self.transport, self.address, other.address)


class Wire:
    """Carries datagrams between two peers with delay and loss; :meth:`run` moves time."""

    def __init__(self, *, loss: float = 0.0, delay_s: float = 0.01, seed: int = 1, transport: str = "udp") -> None:
        self.now = 0.0
        self.a, self.b = Peer(A, seed * 2, transport), Peer(B, seed * 2 + 1, transport)
        self.sent: list[tuple[float, str, bytes]] = []  # everything, lost or not: time, sender a/b, bytes
        self._loss = loss
        self._delay_s = delay_s
        self._random = random.Random(seed)
        self._flying: list[tuple[float, int, Peer, bytes, Flow]] = []
        self._count = 0
        self._drops: list[list[Any]] = []

    def drop_next(self, matches: Callable[[bytes], bool], times: int = 1) -> None:
        """Lose the next datagrams that match."""
        self._drops.append([matches, times])

    def pump(self) -> None:
        """Carry out what both stacks want at this instant."""
        busy = True
        while busy:
            busy = False
            for peer, other in ((self.a, self.b), (self.b, self.a)):
                for output in peer.stack.take_outputs():
                    busy = True
                    if isinstance(output, Send):
                        self._carry(peer, other, output)
                    else:
                        peer.outputs.append(output)
                        peer.on_output(output, self.now)

    def run(self, until: float) -> None:
        """Move time to *until*, delivering and firing timers on the way."""
        self.pump()
        while True:
            times = [f[0] for f in self._flying]
            times += [p.stack.deadline for p in (self.a, self.b) if p.stack.deadline is not None]
            if not times or min(times) > until:
                break
            self.now = max(self.now, min(times))
            for item in sorted(f for f in self._flying if f[0] <= self.now):
                self._flying.remove(item)
                item[2].stack.receive(item[3], item[4], self.now)
                self.pump()
            for peer in (self.a, self.b):
                peer.stack.handle_timer(self.now)
            self.pump()
        self.now = until

    def messages(self, sender: str, start: bytes) -> list[bytes]:
        """Return what one side sent, by how it starts."""
        return [data for _, who, data in self.sent if who == sender and data.startswith(start)]

    def _carry(self, peer: Peer, other: Peer, output: Send) -> None:
        self.sent.append((self.now, "a" if peer is self.a else "b", output.data))
        if self._random.random() < self._loss or self._dropped(output.data):
            return
        flow = Flow(output.flow.transport, other.address, peer.address)
        self._count += 1
        self._flying.append((self.now + self._delay_s, self._count, other, output.data, flow))

    def _dropped(self, data: bytes) -> bool:
        for drop in self._drops:
            if drop[1] and drop[0](data):
                drop[1] -= 1
                return True
        return False
