"""How long silent, slow and idle peers keep a connection, and how many one address may have: in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pbx.signaling import stream
from pbx.signaling.stream import IDLE_S, MAX_PER_ADDRESS, MAX_WAITING_BYTES, SILENT_S, SLOW_S, SWEEP_S, Streams
from pbx.sip.message import Flow
from pbx.virtual import run_virtual

LOCAL = ("192.0.2.1", 5060)
OPTIONS = (
    b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Peer(asyncio.Transport):
    """The far end of a connection that was accepted."""

    def __init__(self, house: House, address: str = "192.0.2.9") -> None:
        super().__init__({"sockname": LOCAL, "peername": (address, 40_000 + len(house.peers))})
        self.closed = False
        self.got = b""
        self.unread = 0
        self.connection = stream._Connection(house.streams)
        house.peers.append(self)
        self.connection.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.got += bytes(data)

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self.connection.connection_lost(None)

    close = abort

    def says(self, data: bytes) -> None:
        if not self.closed:
            self.connection.data_received(data)


class House:
    """Streams that sweep, without sockets."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.heard: list[bytes] = []
        self.closed: list[Flow] = []
        self.streams = Streams("tcp", lambda data, flow: self.heard.append(data), self.closed.append)
        self.streams._sweep()


def in_house(body: Callable[[House], Awaitable[None]]) -> None:
    async def run() -> None:
        house = House()
        await body(house)
        await house.streams.stop()

    run_virtual(run())


def test_who_never_speaks_is_let_go() -> None:
    async def body(house: House) -> None:
        silent, pinging = Peer(house), Peer(house)
        await asyncio.sleep(SILENT_S - 1)
        pinging.says(b"\r\n\r\n")
        assert pinging.got == b"\r\n"
        assert house.streams.count == 2
        await asyncio.sleep(1 + 2 * SWEEP_S)
        assert (silent.closed, pinging.closed) == (True, False)
        assert house.streams.count == 1

    in_house(body)


def test_who_lets_a_message_drip_is_let_go() -> None:
    async def body(house: House) -> None:
        slow = Peer(house)
        slow.says(OPTIONS)
        for byte in OPTIONS[:-1]:
            slow.says(bytes([byte]))
            await asyncio.sleep(0.5)
            if slow.closed:
                break
        assert slow.closed
        assert asyncio.get_running_loop().time() < SLOW_S + 2 * SWEEP_S
        assert house.heard == [OPTIONS]
        assert [flow.remote[0] for flow in house.closed] == ["192.0.2.9"]  # whoever registered over it is told

    in_house(body)


def test_a_phone_that_registers_now_and_then_keeps_its_connection_and_one_that_is_gone_does_not() -> None:
    async def body(house: House) -> None:
        alive, gone = Peer(house), Peer(house)
        for peer in (alive, gone):
            peer.says(OPTIONS)
        for _ in range(6):
            await asyncio.sleep(IDLE_S / 3)
            alive.says(OPTIONS)
        assert (alive.closed, gone.closed) == (False, True)

    in_house(body)


def test_one_address_has_so_many_connections_and_no_more() -> None:
    async def body(house: House) -> None:
        for _ in range(MAX_PER_ADDRESS):
            Peer(house)
        one_more, neighbour = Peer(house), Peer(house, "192.0.2.10")
        assert (one_more.closed, neighbour.closed) == (True, False)
        assert house.streams.refused == 1
        house.peers[0].abort()
        assert not Peer(house).closed

    in_house(body)


def test_who_does_not_read_is_let_go() -> None:
    async def body(house: House) -> None:
        deaf = Peer(house)
        deaf.says(OPTIONS)
        deaf.unread = MAX_WAITING_BYTES + 1
        assert not house.streams.send(b"SIP/2.0 200 OK\r\n\r\n", deaf.connection.flows[0])
        assert deaf.closed

    in_house(body)
