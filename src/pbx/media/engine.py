"""The native engine's face on the event loop: ports out, notices in."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import threading
import time
from collections.abc import Sequence

from pbx import _mix
from pbx.errors import MediaError
from pbx.media.contract import DIGITS, MediaState, PortEvents, PortStats
from pbx.media.ports import PortPool
from pbx.sdp.negotiate import Agreed

log = logging.getLogger(__name__)

CODECS = {"pcmu": 1, "pcma": 2}
STATES = {
    _mix.MEDIA_BACK: MediaState.HEARD,
    _mix.MEDIA_NEVER_CAME: MediaState.NEVER_CAME,
    _mix.MEDIA_STOPPED: MediaState.STOPPED,
    _mix.MEDIA_WRONG_SOURCE: MediaState.WRONG_SOURCE,
}


class Engine:
    """One media thread and its ports; start it on a running loop."""

    def __init__(self, first_port: int, last_port: int, *, capacity: int = 8192, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self._pool = PortPool(first_port, last_port, self._random)
        self._native = _mix.Engine(capacity)
        self._free = list(range(capacity - 1, -1, -1))
        self._ports: dict[int, Port] = {}
        self._generation = 0
        self._thread = threading.Thread(target=self._native.run, name="media-0", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._native.event_fd, self._drain)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close every socket."""
        if self._loop is None:
            return
        self._loop.remove_reader(self._native.event_fd)
        self._native.post(_mix.OP_STOP, 0, 0)
        self._thread.join(5.0)
        self._loop = None

    def open(self, events: PortEvents, address: str) -> Port:
        """Open a port on a local address.

        :raises MediaError: when no port or file handle is left, or the engine does not follow.
        """
        if not self._free:
            raise MediaError("every media port is in use")
        number, rtp, rtcp = self._pool.bind(address, time.monotonic())
        index = self._free.pop()
        self._generation = (self._generation + 1) & 0xFFFFFFFF
        port = Port(self, index, self._generation, (address, number), events)
        self._ports[index] = port
        pick = self._random.getrandbits
        port.post(_mix.OP_OPEN, rtp.detach(), rtcp.detach(), pick(32), pick(15), pick(32))
        return port

    @property
    def ports(self) -> Sequence[Port]:
        return list(self._ports.values())

    @property
    def cpu_s(self) -> float:
        """CPU time of the media thread."""
        return self._native.cpu_ns / 1e9

    def post(self, op: int, port: Port, token: int, args: tuple[int, ...]) -> None:
        try:
            self._native.post(op, port.index, port.generation, token, *args)
        except BufferError as error:
            raise MediaError(str(error)) from error

    def stats_of(self, index: int) -> dict[str, int | float | bytes]:
        return self._native.stats(index)

    def _drain(self) -> None:
        for kind, index, generation, token, value, _ in self._native.drain():
            port = self._ports.get(index)
            if port is None or port.generation != generation:
                continue
            if kind == _mix.NOTICE_RELEASED:
                del self._ports[index]
                self._free.append(index)
                self._pool.release(port.local[1], time.monotonic())
            elif kind == _mix.NOTICE_DIGIT:
                port.events.on_digit(DIGITS[value], token // 8)
            elif kind == _mix.NOTICE_MEDIA:
                port.events.on_media(STATES[value])


class Port:
    """One leg's media in the engine."""

    def __init__(self, engine: Engine, index: int, generation: int, local: tuple[str, int], events: PortEvents) -> None:
        self.index = index
        self.generation = generation
        self.events = events
        self._engine = engine
        self._local = local
        self._closed = False

    @property
    def local(self) -> tuple[str, int]:
        return self._local

    def post(self, op: int, *args: int, token: int = 0) -> None:
        if not self._closed:
            self._engine.post(op, self, token, args)

    def send_to(self, agreed: Agreed) -> None:
        """Follow what was agreed: where to send, which codec, which directions."""
        address = ipaddress.ip_address(agreed.remote[0])
        packed = address.packed.ljust(16, b"\0")
        high, low = (int.from_bytes(packed[i : i + 8], "little", signed=True) for i in (0, 8))
        events = 0xFF if agreed.events_pt is None else agreed.events_pt
        kinds = agreed.codec.payload_type | events << 8 | CODECS.get(agreed.codec.name, 0) << 16
        self.post(_mix.OP_REMOTE, address.version, high, low, agreed.remote[1], kinds)
        receive = agreed.direction in ("sendrecv", "recvonly")
        self.post(_mix.OP_DIRECTION, int(agreed.we_send), int(receive))

    def hear(self, other: Port) -> None:
        self.post(_mix.OP_HEAR, other.index, other.generation)

    def deaf(self) -> None:
        self.post(_mix.OP_DEAF)

    def stats(self) -> PortStats:
        found = self._engine.stats_of(self.index)
        ip, number = found["remote_ip"], found["remote_port"]
        assert isinstance(ip, bytes)
        assert isinstance(number, int)
        count = {name: value for name, value in found.items() if isinstance(value, int)}
        return PortStats(
            packets_in=count["packets_in"],
            packets_out=count["packets_out"],
            lost=count["lost"],
            invalid=count["invalid"],
            wrong_source=count["wrong_source"],
            jitter_ms=float(found["jitter_ms"]) if count["packets_in"] > 1 else None,
            remote=(str(ipaddress.ip_address(ip)), number) if number else None,
        )

    def close(self) -> None:
        """Give the sockets back; the number rests before it is used again."""
        if not self._closed:
            self.post(_mix.OP_CLOSE)
            self._closed = True
