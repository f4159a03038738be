"""SIP over UDP: a socket that is read in handfuls, and written at once."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from pbx.signaling.datagrams import Inbox
from pbx.signaling.stun import answer, is_stun
from pbx.sip.message import Flow

log = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024


class UdpListener:
    """One bound address. *receive* gets every datagram with its flow."""

    def __init__(self, host: str, port: int, receive: Callable[[bytes, Flow], None]) -> None:
        """Bind.

        :raises OSError: where the address is in use or not ours.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._receive = receive
        self.local: tuple[str, int] = self._socket.getsockname()[:2]
        self._inbox = Inbox(self._socket.fileno(), self.local)
        self.refused = 0  # sends that failed

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def send(self, data: bytes, flow: Flow) -> bool:
        """Send; False where the kernel would not take it."""
        try:
            self._socket.sendto(data, flow.remote)
        except BlockingIOError:
            self.refused += 1  # a full buffer is a lost packet: timers repeat it
        except OSError as error:
            self.refused += 1
            log.debug("x %s: %s", flow, error)
            return False
        return True

    def _readable(self) -> None:
        receive = self._receive
        for data, flow in self._inbox.take():  # what is left, the loop tells of again after other work
            if data[:1] < b"@" and is_stun(data):
                if (told := answer(data, flow.remote)) is not None:
                    self.send(told, flow)
            elif len(data) > 4:  # anything shorter is a keep-alive (RFC 5626 3.5.1 and habits)
                receive(data, flow)
