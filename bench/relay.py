"""The relay: pairs of legs in the engine, RTP from many sockets in another process, delay and loss of every packet.

The bound beside it is what one hot pair of sockets costs here: one send and one receive of the same packet.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import resource
import selectors
import socket
import struct
import time
from multiprocessing.connection import Connection
from typing import Any

from tests.interop.netns import network

from pbx.media.contract import MediaState
from pbx.media.engine import Engine
from pbx.sdp.codec import PCMA
from pbx.sdp.negotiate import Agreed

TICK_S = 0.02
PAYLOAD = 160


class Nobody:
    """Hears nothing of a port."""

    def on_digit(self, digit: str, duration_ms: int) -> None: ...
    def on_media(self, state: MediaState) -> None: ...
    def on_done(self, token: int, outcome: str) -> None: ...


def _phones(pipe: Connection, legs: int, seconds: float) -> None:
    """Be every leg's peer: send a stamped packet each 20 ms, at phases spread over the tick; note what arrives."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sockets = []
    for _ in range(legs):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made.bind(("127.0.0.1", 0))
        sockets.append(made)
    pipe.send([made.getsockname()[1] for made in sockets])
    targets = [("127.0.0.1", port) for port in pipe.recv()]
    selector = selectors.EpollSelector()
    for made in sockets:
        selector.register(made, selectors.EVENT_READ)
    order = list(range(legs))
    random.Random(1).shuffle(order)
    sent = received = 0
    delays: list[int] = []
    began = time.monotonic()
    step = TICK_S / legs
    total = int(seconds / step)
    while sent < total:
        due = min(total, int((time.monotonic() - began) / step))
        while sent < due:
            leg, seq = order[sent % legs], sent // legs
            header = struct.pack("!BBHII", 0x80, 8, seq & 0xFFFF, (seq * PAYLOAD) & 0xFFFFFFFF, leg + 1)
            stamp = struct.pack("!Q", time.monotonic_ns())
            sockets[leg].sendto(header + stamp + bytes(PAYLOAD - 8), targets[leg])
            sent += 1
        received += _drain(selector, delays, 0.0005)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        received += _drain(selector, delays, 0.01)
    delays.sort()
    pipe.send((sent, received, [delays[int(q * (len(delays) - 1))] / 1e6 for q in (0.5, 0.99, 0.999)]))


def _drain(selector: selectors.BaseSelector, delays: list[int], wait_s: float) -> int:
    count = 0
    for key, _ in selector.select(wait_s):
        try:
            data = key.fileobj.recv(2048)  # type: ignore[union-attr]
        except BlockingIOError:
            continue
        if len(data) == 12 + PAYLOAD:
            delays.append(time.monotonic_ns() - struct.unpack_from("!Q", data, 12)[0])
            count += 1
    return count


def bound_us() -> float:
    """CPU-µs of one send and one receive through a hot pair of sockets."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        one.connect(other.getsockname())
        packet, count = bytes(172), 50_000
        began = time.process_time()
        for _ in range(count):
            one.send(packet)
            other.recv(2048)
        return 1e6 * (time.process_time() - began) / count


async def _run(legs: int, seconds: float) -> dict[str, Any]:
    engine = Engine(20_000, 39_998)
    engine.start()
    here, there = multiprocessing.Pipe()
    phones = multiprocessing.get_context("fork").Process(target=_phones, args=(there, legs, seconds))
    phones.start()
    try:
        loop = asyncio.get_running_loop()
        numbers = await loop.run_in_executor(None, here.recv)
        ports = [engine.open(Nobody(), "127.0.0.1") for _ in range(legs)]
        for port, number in zip(ports, numbers, strict=True):
            remote = ("127.0.0.1", number)
            port.send_to(Agreed(remote, remote, PCMA, None, "sendrecv", 20, False))
        for one, other in zip(ports[::2], ports[1::2], strict=True):
            one.hear(other)
            other.hear(one)
        await asyncio.sleep(0.5)
        before = engine.cpu_s
        here.send([port.local[1] for port in ports])
        sent, received, delays = await loop.run_in_executor(None, here.recv)
        await asyncio.sleep(0.2)
        spent = engine.cpu_s - before
        return {
            "legs": legs,
            "seconds": seconds,
            "packets": sent,
            "lost_%": round(100 * (1 - received / sent), 4),
            "cpu_us_per_packet": round(1e6 * spent / max(1, received), 2),
            "core_%": round(100 * spent / seconds, 1),
            "delay_p50_ms": round(delays[0], 2),
            "delay_p99_ms": round(delays[1], 2),
            "delay_p99.9_ms": round(delays[2], 2),
        }
    finally:
        engine.stop()
        phones.join(5)


def measure(counts: tuple[int, ...] = (100, 200, 400), seconds: float = 10.0) -> list[dict[str, Any]]:
    """Relay at several sizes; the generator is Python, so its own lateness is in the delays."""
    with network():
        bound = round(bound_us(), 2)
        return [{**asyncio.run(_run(legs, seconds)), "bound_us": bound} for legs in counts]


if __name__ == "__main__":
    for row in measure():
        print(row)
