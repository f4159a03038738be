"""A listener for TLS whose guests count before they have said a word: a handshake takes as long as its peer likes."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

log = logging.getLogger(__name__)

BACKLOG = 1024
AT_ONCE = 64  # connections taken in one turn of the loop
PAUSE_S = 1.0  # when the process has no descriptor left


class Door:
    """Accepts, asks *may_enter* by address, and shakes hands within *patience_s*; *left* hears of each one's end."""

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext,
        patience_s: float,
        make: Callable[[], asyncio.Protocol],
        may_enter: Callable[[str], bool],
        left: Callable[[str], None],
    ) -> None:
        """Bind and listen.

        :raises OSError: where the address is in use or not ours.
        """
        self._tls, self._patience_s = tls, patience_s
        self._make, self._may_enter, self._left = make, may_enter, left
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self.local: tuple[str, int] = self._socket.getsockname()[:2]
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        for task in self._tasks:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                guest, address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("x cannot accept: %s", error)
                self._loop.remove_reader(self._socket.fileno())
                self._loop.call_later(PAUSE_S, self._accept_again)
                return
            if not self._may_enter(address[0]):
                guest.close()
                continue
            guest.setblocking(False)
            task = self._loop.create_task(self._greet(guest, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _accept_again(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket.fileno(), self._accept)

    async def _greet(self, guest: socket.socket, host: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make, guest, ssl=self._tls, ssl_handshake_timeout=self._patience_s
            )
        except (OSError, ssl.SSLError) as error:  # a scanner's handshake, or none
            log.debug("x %s: no TLS: %s", host, error)
        finally:
            self._left(host)
