"""Connections over real sockets: who takes TCP beside UDP, and what silent, slow and many peers may do."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from pbx.config.general import Sip
from pbx.signaling import stream
from pbx.signaling.transports import Transports
from pbx.sip.message import Flow

pytestmark = pytest.mark.asyncio
OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5061;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


class Side:
    """Transports on loopback, and what came."""

    def __init__(self, *listen: str) -> None:
        self.transports = Transports(Sip(listen=listen))
        self.came: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()

    async def __aenter__(self) -> Side:
        await self.transports.start(lambda data, flow: self.came.put_nowait((data, flow)), lambda flow: None)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transports.stop()

    @property
    def tcp(self) -> stream.Streams:
        return self.transports._streams["tcp"]

    @property
    def address(self) -> tuple[str, int]:
        host, port = next(text for text in self.transports.listening if text.startswith("tcp")).split(":")[1:]
        return host, int(port)


async def soon(true: object) -> None:
    assert callable(true)
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_peer_that_takes_tcp_beside_udp_is_known_once_it_was_tried() -> None:
    async with Side("tcp:127.0.0.1:0") as carrier, Side("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as us:
        flow = us.transports.flow_to("udp", carrier.address)
        assert flow is not None
        assert us.transports.wider(flow) is None
        assert us.tcp.count == 0  # nobody said that this is a server: a phone is never asked
        us.transports.widen(flow.remote)
        await soon(lambda: us.tcp.count > 0)  # asked before anything large is sent
        beside = us.transports.wider(flow)
        assert beside is not None
        assert us.transports.send(OPTIONS, beside)
        data, theirs = await carrier.came.get()
        assert data == OPTIONS
        carrier.tcp._connections[theirs.local, theirs.remote].close()
        await soon(lambda: us.tcp.count == 0)
        assert us.transports.wider(flow) == beside  # it took one before
        assert us.transports.send(OPTIONS, beside)
        assert (await carrier.came.get())[0] == OPTIONS


async def test_who_refuses_tcp_is_not_asked_with_every_message() -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        async with Side("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as us:
            flow = us.transports.flow_to("udp", taken.getsockname())
            assert flow is not None
            us.transports.widen(flow.remote)
            assert us.tcp._tasks
            assert us.transports.wider(flow) is None
            await soon(lambda: not us.tcp._tasks)
            assert us.transports.wider(flow) is None
            assert not us.tcp._tasks
