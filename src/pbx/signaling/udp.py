"""SIP over UDP: a socket that is read until it is empty, and written at once."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from pbx.signaling.stun import answer, is_stun
from pbx.sip.message import Flow

log = logging.getLogger(__name__)

READ_AT_ONCE = 64  # datagrams before other work gets its turn
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
        receive, take = self._receive, self._socket.recvfrom
        for _ in range(READ_AT_ONCE):
            try:
                data, remote = take(65535)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier send
            if data[:1] < b"@" and is_stun(data):
                if (told := answer(data, remote)) is not None:
                    self.send(told, Flow("udp", self.local, remote[:2]))
            elif len(data) > 4:  # anything shorter is a keep-alive (RFC 5626 3.5.1 and habits)
                receive(data, Flow("udp", self.local, remote[:2]))
