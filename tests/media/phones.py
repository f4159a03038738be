"""Phones for the engine's tests: plain sockets that speak and hear RTP."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pbx.media.contract import MediaState
from pbx.media.engine import Engine
from pbx.media.port import Port
from pbx.native import g711, g722, opus
from pbx.sdp.codec import BY_NAME
from pbx.sdp.negotiate import Agreed

PATIENCE_S = 5.0


@dataclass
class Heard:
    """What a port told."""

    digits: list[tuple[str, int]] = field(default_factory=list)
    states: list[MediaState] = field(default_factory=list)
    done: list[tuple[int, str]] = field(default_factory=list)

    def on_digit(self, digit: str, duration_ms: int) -> None:
        self.digits.append((digit, duration_ms))

    def on_media(self, state: MediaState) -> None:
        self.states.append(state)

    def on_done(self, token: int, outcome: str) -> None:
        self.done.append((token, outcome))


class Phone:
    """A socket with an RTP stream of its own, joined to a port of the engine."""

    def __init__(
        self,
        engine: Engine,
        codec: str = "pcmu",
        *,
        ptime_ms: int = 20,
        direction: str = "sendrecv",
        beside: Port | None = None,
        events_clock_hz: int = 8000,
    ) -> None:
        self.events = Heard()
        self.port: Port = engine.open(self.events, "127.0.0.1", beside=beside)
        self.codec = BY_NAME[codec]
        self.ptime_ms = ptime_ms
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(("127.0.0.1", 0))
        self.seq, self.time_stamp, self.ssrc = 65530, 0xFFFFF000, id(self) & 0xFFFFFFFF
        self.received: list[bytes] = []
        self.events_clock_hz = events_clock_hz
        self.agree(direction)

    def __del__(self) -> None:
        self.socket.close()  # a test that failed on its way must not blame the next one

    def agree(self, direction: str = "sendrecv") -> None:
        host, number = self.socket.getsockname()
        self.port.send_to(
            Agreed(
                (host, number),
                (host, number + 1),
                self.codec,
                101,
                direction,
                self.ptime_ms,
                False,
                events_clock_hz=self.events_clock_hz,
            )
        )

    def send(self, payload: bytes, *, pt: int | None = None, step: int | None = None, marker: bool = False) -> None:
        """Send one packet and move the stream on."""
        kind = self.codec.payload_type if pt is None else pt
        head = struct.pack(
            "!BBHII", 0x80, kind | marker << 7, self.seq & 0xFFFF, self.time_stamp & 0xFFFFFFFF, self.ssrc
        )
        self.socket.sendto(head + payload, self.port.local)
        self.seq += 1
        self.time_stamp += self.codec.clock_hz // 50 if step is None else step

    def digit(self, event: int, *, ends: int = 3, packets: int = 3) -> None:
        """Press a key."""
        step = self.events_clock_hz // 50
        for at in range(packets):
            self.send(struct.pack("!BBH", event, 10, step * (at + 1)), pt=101, step=0, marker=at == 0)
        for _ in range(ends):
            self.send(struct.pack("!BBH", event, 0x8A, step * (packets + 1)), pt=101, step=0)
        self.time_stamp += step * (packets + 4)

    def collect(self) -> list[bytes]:
        """Read what came."""
        while True:
            try:
                self.received.append(self.socket.recv(2048))
            except BlockingIOError:
                return self.received

    def heard(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        """Return all sound that came, decoded."""
        packets = [p[12:] for p in self.collect() if p[1] & 0x7F == self.codec.payload_type]
        if self.codec.name == "opus":
            decoder = opus.Codec()
            return np.frombuffer(b"".join(decoder.decode(packet) for packet in packets), np.int16)
        codes = b"".join(packets)
        if self.codec.name == "g722":
            return np.frombuffer(g722.decode(codes), np.int16)
        return np.frombuffer(g711.decode(self.codec.name == "pcma", codes), np.int16)

    def close(self) -> None:
        self.socket.close()
        self.port.close()


def sine(codec: str, frequency_hz: float, seconds: float, level: float = 8000.0) -> list[bytes]:
    """Return a tone in packets of 20 ms."""
    rate = BY_NAME[codec].rate_hz
    samples = np.rint(level * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate))
    sound = samples.astype(np.int16)
    if codec == "opus":
        encoder = opus.Codec()
        return [encoder.encode(sound[at : at + 320]) for at in range(0, len(sound) // 320 * 320, 320)]
    codes = g722.encode(sound) if codec == "g722" else g711.encode(codec == "pcma", sound)
    return [codes[at : at + 160] for at in range(0, len(codes), 160)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another thread does.

    :raises TimeoutError: when it does not.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def talk(streams: dict[Phone, list[bytes]]) -> None:
    """Send several streams beside each other, a packet every 20 ms of the real clock."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for at in range(max(len(packets) for packets in streams.values())):
        for phone, packets in streams.items():
            if at < len(packets):
                phone.send(packets[at])
            phone.collect()
        await asyncio.sleep(max(0.0, begin + 0.02 * (at + 1) - loop.time()))


def power(samples: np.ndarray[Any, np.dtype[np.int16]], frequency_hz: float, rate_hz: int) -> float:
    """Return the amplitude of one frequency: the median over windows of 100 ms.

    The phones of these tests live on the event loop; where a busy machine makes one late, its gap spoils a window and
    says nothing about the engine's level.
    """
    size = rate_hz // 10
    windows = [samples[i : i + size] for i in range(0, len(samples) - size + 1, size)]
    if not windows:
        return 0.0
    turn = np.exp(-2j * np.pi * frequency_hz * np.arange(size) / rate_hz)
    return float(np.median([2 * abs(np.dot(window.astype(float), turn)) / size for window in windows]))
