"""What is done every second, and when nobody calls: garbage is collected, memory goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)

BUSY_TRANSACTIONS = 1_000  # a load worth cleaning up after
QUIET_TRANSACTIONS = 100


def settle_collector() -> None:
    """Let the garbage collector look at new things alone, and seldom: what was made until now lives for ever.

    Transactions live for 32 s: looking at all of them often is 15 % of a call, and a pause of 20 ms each time. So each
    object is looked at once, while it is young; the old come up after ten million more, or when a rush is over.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 5_000, 1)


def transactions(sizes: Mapping[str, int]) -> int:
    """Count the transactions of a stack; dialogs do not count: calls that go on all day are no rush."""
    return sizes["clients"] + sizes["servers"]


async def every_second(duties: Sequence[Callable[[], object]]) -> None:
    """Do each of *duties* once a second; one that fails is told and keeps no other from being done."""
    while True:
        await asyncio.sleep(1.0)
        for duty in duties:
            try:
                duty()
            except Exception:  # a bug of ours: the next second is another try
                log.exception("while doing what is done every second")


class Housekeeping:
    """Look once a second; clean up once after each busy time.

    The C library keeps freed memory for the next time. After a rush that would be hundreds of megabytes for a server
    that idles all night.
    """

    def __init__(self, transactions: Callable[[], int]) -> None:
        self._transactions = transactions
        self._was_busy = False
        self.caches: list[Callable[[], None]] = []  # what forgets before memory is given back
        self.packers: list[Callable[[], None]] = []  # what can do with less, made on another thread
        self.done = 0  # how often it cleaned up
        self.giving: asyncio.Future[None] | None = None
        try:
            self._trim: Callable[[int], int] | None = ctypes.CDLL(None).malloc_trim
        except AttributeError:  # musl has none, and gives memory back by itself
            self._trim = None

    def look(self) -> None:
        """Clean up if a busy time has just ended."""
        count = self._transactions()
        if count > BUSY_TRANSACTIONS:
            self._was_busy = True
        elif self._was_busy and count < QUIET_TRANSACTIONS:
            self._was_busy = False
            for forget in self.caches:
                forget()
            log.debug("quiet again: %d objects collected", gc.collect())
            self.giving = asyncio.get_running_loop().run_in_executor(None, self._give_back)

    def _give_back(self) -> None:
        for pack in self.packers:
            pack()
        if self._trim is not None:
            self._trim(0)
        self.done += 1
