"""SIP over TCP: connections in and out, framed, reused by flow (RFC 3261 §18, RFC 5923)."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Callable
from typing import cast

from pbx.signaling.door import Door
from pbx.signaling.tls import Certificates
from pbx.sip.framing import KEEP_ALIVE, PONG, FramingLost, StreamFramer
from pbx.sip.message import Flow

log = logging.getLogger(__name__)

CONNECT_S = 5.0
MAX_WAITING_BYTES = 256 * 1024  # unsent bytes to a peer that does not read
MAX_CONNECTIONS = 8_000
MAX_PER_ADDRESS = 200  # an office behind one NAT fits; a flood from one host does not
SWEEP_S = 5.0
HANDSHAKE_S = 10.0  # of TLS
SILENT_S = 20.0  # from connecting to the first message
SLOW_S = 15.0  # within one message
AGAIN_S, MAX_FAILED = 600.0, 1_000  # who takes no TCP is not asked for it with every large message
IDLE_S = 3_700.0  # longer than any registration lasts without a refresh


class Streams:
    """Every stream connection of one transport (tcp, tls), found by its flow."""

    def __init__(
        self,
        transport: str,
        receive: Callable[[bytes, Flow], None],
        closed: Callable[[Flow], None],
        certificates: Certificates | None = None,
        broken: Callable[[FramingLost, Flow], None] = lambda error, flow: None,
    ) -> None:
        self.transport = transport
        self._receive = receive
        self._closed = closed
        self._broken = broken
        self._by_address: Counter[str] = Counter()
        self._sweeper: asyncio.TimerHandle | None = None
        self.refused = 0  # connections over a limit
        self._certificates = certificates
        self.names: dict[tuple[str, int], str] = {}  # whom a certificate must name, by where we connect to
        self._connections: dict[tuple[tuple[str, int], tuple[str, int]], _Connection] = {}
        self._connecting: dict[Flow, list[bytes]] = {}
        self._took: set[tuple[str, int]] = set()  # who has taken a connection of ours
        self._failed_at: dict[tuple[str, int], float] = {}  # who refused a connection, and when
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server | Door] = []
        self._shaking: Counter[str] = Counter()  # hands, by address

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Bind and listen; return the address.

        :raises OSError: where the address is in use or not ours.
        """
        loop = asyncio.get_running_loop()
        if self._sweeper is None:
            self._sweeper = loop.call_later(SWEEP_S, self._sweep)
        if self._certificates is not None:
            tls = self._certificates.server
            door = Door((host, port), tls, HANDSHAKE_S, lambda: _Connection(self), self._may_shake, self._shook)
            self._servers.append(door)
            return door.local
        server = await loop.create_server(lambda: _Connection(self), host, port, backlog=1024)
        self._servers.append(server)
        name = server.sockets[0].getsockname()
        return (name[0], name[1])

    def _may_shake(self, address: str) -> bool:
        """Count a peer that begins a handshake; False where a limit forbids it."""
        if self._is_full(address):
            self.refused += 1
            return False
        self._shaking[address] += 1
        return True

    def _shook(self, address: str) -> None:
        self._shaking[address] -= 1
        if self._shaking[address] <= 0:
            del self._shaking[address]

    def _is_full(self, address: str) -> bool:
        of_all = len(self._connections) + self._shaking.total()
        return of_all >= MAX_CONNECTIONS or self._by_address[address] + self._shaking[address] >= MAX_PER_ADDRESS

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._connections.values()):
            connection.close()

    def send(self, data: bytes, flow: Flow) -> bool:
        """Send on the flow's connection, opening one where there is none."""
        connection = self._connections.get((flow.local, flow.remote))
        if connection is not None:
            return connection.write(data)
        waiting = self._connecting.get(flow)
        if waiting is not None:
            waiting.append(data)
            return True
        self._open(flow, [data])
        return True

    def takes(self, flow: Flow) -> bool:
        """Whether the flow's peer takes connections; who is not known yet is asked meanwhile, unless it failed of late.

        A peer that took one before is believed: sending opens the connection again.
        """
        if (flow.local, flow.remote) in self._connections or flow.remote in self._took:
            return True
        now = asyncio.get_running_loop().time()
        if flow not in self._connecting and now - self._failed_at.get(flow.remote, -AGAIN_S) >= AGAIN_S:
            self._open(flow, [])
        return False

    def _open(self, flow: Flow, waiting: list[bytes]) -> None:
        self._connecting[flow] = waiting
        task = asyncio.get_running_loop().create_task(self._connect(flow))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, flow: Flow) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                host, port = flow.remote
                tls, name = self._proof(flow.remote)
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, alias=flow), host, port, ssl=tls, server_hostname=name
                )
        except (OSError, TimeoutError) as error:
            log.info("x %s: cannot connect: %s", flow, error or "no answer")
            if len(self._failed_at) > MAX_FAILED:
                self._failed_at.clear()
            self._failed_at[flow.remote] = loop.time()
            self._took.discard(flow.remote)
            self._connecting.pop(flow, None)
            self._closed(flow)
            return
        if len(self._took) > MAX_FAILED:
            self._took.clear()
        self._took.add(flow.remote)
        for data in self._connecting.pop(flow, ()):
            connection.write(data)

    def _proof(self, remote: tuple[str, int]) -> tuple[ssl.SSLContext | None, str | None]:
        """Return with which context to connect, and which name the peer's certificate must bear."""
        if self._certificates is None:
            return None, None
        name = self.names.get(remote)
        return (self._certificates.proven, name) if name else (self._certificates.client, remote[0])

    def add(self, connection: _Connection) -> bool:
        """Take a connection in; False where a limit forbids it."""
        address = connection.flows[0].remote[0]
        # Who has shaken hands is counted already: as one of those that shake.
        if self._certificates is None and self._is_full(address):
            self.refused += 1
            return False
        self._by_address[address] += 1
        for flow in connection.flows:
            self._connections[flow.local, flow.remote] = connection
        return True

    def _sweep(self) -> None:
        """Close who never spoke, stopped in the middle of a message, or fell silent."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._connections.values()):
            if connection.is_overdue(now):
                log.info("x %s: silent or too slow, connection closed", connection.flows[0])
                connection.abort()
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)

    def remove(self, connection: _Connection) -> None:
        if connection.counted:
            connection.counted = False
            address = connection.flows[0].remote[0]
            self._by_address[address] -= 1
            if self._by_address[address] <= 0:
                del self._by_address[address]
        for flow in connection.flows:
            if self._connections.get((flow.local, flow.remote)) is connection:
                del self._connections[flow.local, flow.remote]
                self._closed(flow)

    def received(self, data: bytes, flow: Flow) -> None:
        self._receive(data, flow)

    def lost(self, error: FramingLost, flow: Flow) -> None:
        self._broken(error, flow)

    @property
    def count(self) -> int:
        return len(self._connections)


class _Connection(asyncio.Protocol):
    """One connection. One that we opened answers to the flow asked for (*alias*) as well as to its own."""

    def __init__(self, streams: Streams, alias: Flow | None = None) -> None:
        self._streams = streams
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._alias = alias
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._spoke = alias is not None  # we opened it, or a whole message came
        self.counted = False
        self.flows: list[Flow] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it
        made.set_write_buffer_limits(high=MAX_WAITING_BYTES)
        local, remote = made.get_extra_info("sockname")[:2], made.get_extra_info("peername")[:2]
        self.flows = [Flow(self._streams.transport, local, remote)]
        if self._alias is not None and self._alias != self.flows[0]:
            self.flows.insert(0, self._alias)
        self.counted = self._streams.add(self)
        if not self.counted:
            made.abort()

    def data_received(self, data: bytes) -> None:
        if not self._framer.partial:
            self._heard_at = self._loop.time()  # a message that drips in byte by byte buys no time
        try:
            self._framer.feed(data)
            broken = None
        except FramingLost as error:
            broken = error
        for message in self._framer.complete:
            self._spoke = True
            self._heard_at = self._loop.time()
            if message == KEEP_ALIVE:
                self.write(PONG)
            else:
                self._streams.received(message, self.flows[0])
        if broken is not None:
            log.info("x %s: %s, connection closed", self.flows[0], broken)
            self._streams.lost(broken, self.flows[0])
            self.close()

    def is_overdue(self, now: float) -> bool:
        limit_s = SLOW_S if self._framer.partial else IDLE_S if self._spoke else SILENT_S
        return now - self._heard_at > limit_s

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.remove(self)

    def write(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            log.info("x %s: the peer does not read, connection closed", self.flows[0])
            transport.abort()
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
