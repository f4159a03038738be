"""One media thread: its native engine, the places in it, and the ports and rooms that it holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable

from pbx import _mix
from pbx.errors import MediaError

ROOMS = 2048
WAKE_S = 0.001  # how long commands gather
Notice = tuple[int, int, int, int, int, int]  # kind, port, generation, token, value, at_ns


class Shard:
    """A thread that works without Python's lock; everything here runs on the event loop's."""

    def __init__(self, number: int, capacity: int, epoch_ns: int, cpu: int) -> None:
        self.number = number
        self.native = _mix.Engine(capacity, epoch_ns=epoch_ns, cpu=cpu)
        self._places = list(range(capacity - 1, -1, -1))
        self._rooms = list(range(ROOMS - 1, -1, -1))
        self.ports = 0  # that are here, or on their way
        self._thread = threading.Thread(target=self.native.run, name=f"media-{number}", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = False  # the engine will be woken in a moment

    def start(self, loop: asyncio.AbstractEventLoop, tell: Callable[[Shard, Iterable[Notice]], None]) -> None:
        self._loop = loop
        loop.add_reader(self.native.event_fd, lambda: tell(self, self.native.drain()))
        self._thread.start()

    def stop(self) -> None:
        """End the thread; every socket of its is closed, every recording ended."""
        if self._loop is None:
            return
        self._loop.remove_reader(self.native.event_fd)
        self.native.post(_mix.OP_STOP, 0, 0)
        self._thread.join(5.0)
        self._loop = None

    def take_place(self) -> int:
        """Return the index of a free place.

        :raises MediaError: when there is none.
        """
        if not self._places:
            raise MediaError("every media port is in use")
        return self._places.pop()

    def free_place(self, index: int) -> None:
        self._places.append(index)

    @property
    def full(self) -> bool:
        return not self._places

    @property
    def free(self) -> tuple[int, int]:
        """How many places and rooms are left."""
        return len(self._places), len(self._rooms)

    def take_room(self) -> int:
        """Return the number of a new, empty room.

        :raises MediaError: when there are too many.
        """
        if not self._rooms:
            raise MediaError("every conference room is in use")
        number = self._rooms.pop()
        self.put(_mix.OP_ROOM, 0, 0, 0, number)
        return number

    def free_room(self, number: int) -> None:
        self._rooms.append(number)

    def put(self, op: int, index: int, generation: int, token: int = 0, *args: int) -> None:
        """Hand over a command; the engine is woken a moment later for all of that moment: waking costs the most.

        :raises MediaError: when the ring is full.
        """
        try:
            self.native.put(op, index, generation, token, *args)
        except BufferError as error:
            raise MediaError(str(error)) from error
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later(WAKE_S, self._wake)

    def _wake(self) -> None:
        self._waking = False
        self.native.wake()
