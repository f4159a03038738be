"""RTP port numbers: even for RTP, odd for RTCP, quarantined after use so that late packets hurt nobody."""

from __future__ import annotations

import random
import socket
from collections import deque

from pbx.errors import MediaError

QUARANTINE_S = 5.0
TRIES = 50


class PortPool:
    """The even numbers of a range; hands out bound socket pairs."""

    def __init__(self, first: int, last: int, shuffle: random.Random) -> None:
        numbers = list(range(first + first % 2, last, 2))
        if not numbers:
            raise MediaError(f"no even port with an odd neighbour in {first}-{last}")
        shuffle.shuffle(numbers)
        self._free = deque(numbers)
        self._resting: deque[tuple[float, int]] = deque()

    def bind(self, address: str, now: float) -> tuple[int, socket.socket, socket.socket]:
        """Return a port number with its RTP and RTCP sockets.

        :raises MediaError: when none can be had.
        """
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        for _ in range(min(TRIES, len(self._free))):
            number = self._free.popleft()
            pair = _bind_pair(address, number)
            if pair is not None:
                return number, *pair
            self._resting.append((now + 60.0, number))  # somebody else's: ask again in a minute
        raise MediaError(f"no RTP port left on {address}")

    def release(self, number: int, now: float) -> None:
        self._resting.append((now + QUARANTINE_S, number))

    @property
    def free(self) -> int:
        return len(self._free)


def _bind_pair(address: str, number: int) -> tuple[socket.socket, socket.socket] | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    rtp = rtcp = None
    try:
        rtp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        rtp.bind((address, number))
        rtcp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        rtcp.bind((address, number + 1))
    except OSError as error:
        for made in (rtp, rtcp):
            if made is not None:
                made.close()
        if error.errno in (24, 23):  # EMFILE, ENFILE: no use in trying the next
            raise MediaError("no file handle left for RTP") from error
        return None
    return rtp, rtcp
