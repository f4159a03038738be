"""The native engine's face on the event loop: ports out, notices in."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pbx import _mix
from pbx.errors import MediaError
from pbx.media import tones
from pbx.media.contract import DIGITS, MediaPort, MediaState, PortEvents
from pbx.media.port import Port
from pbx.media.ports import PortPool
from pbx.media.sounds import Sound, Sounds
from pbx.native.recorder import Writer

log = logging.getLogger(__name__)

ROOMS = 1024
WAKE_S = 0.001  # how long commands gather
MOST_LOAD = 0.85  # of a core: above it new calls would spoil those that are
STATES = {
    _mix.MEDIA_BACK: MediaState.HEARD,
    _mix.MEDIA_NEVER_CAME: MediaState.NEVER_CAME,
    _mix.MEDIA_STOPPED: MediaState.STOPPED,
    _mix.MEDIA_WRONG_SOURCE: MediaState.WRONG_SOURCE,
    _mix.MEDIA_UNDECRYPTABLE: MediaState.UNDECRYPTABLE,
}
OUTCOMES = {
    _mix.DONE_ENDED: "ended",
    _mix.DONE_STOPPED: "stopped",
    _mix.DONE_FAILED: "failed",
    _mix.DONE_SILENCE: "silence",
    _mix.DONE_LIMIT: "limit",
}


class Engine:
    """One media thread and its ports; start it on a running loop."""

    def __init__(
        self, first_port: int, last_port: int, *, capacity: int = 8192, seed: int | None = None, country: str = "us"
    ) -> None:
        self._random = random.Random(seed)
        self._pool = PortPool(first_port, last_port, self._random)
        self._native = _mix.Engine(capacity)
        self._free = list(range(capacity - 1, -1, -1))
        self._ports: dict[int, Port] = {}
        self._recording: dict[tuple[int, int, int], Port] = {}  # a recording may outlive its port by a moment
        self._generation = 0
        self._country = country
        self._tones: dict[tuple[str, int], tuple[Sound, bool]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rooms = list(range(ROOMS - 1, -1, -1))
        self._thread = threading.Thread(target=self._native.run, name="media-0", daemon=True)
        self._writing = threading.Thread(target=self._write, name="media-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._disk_failed = False
        self.most_load = MOST_LOAD
        self._waking = False  # the engine will be woken in a moment
        self.sounds = Sounds()
        self.writer = Writer()
        self.on_disk_failure: Callable[[str], None] = functools.partial(log.error, "x recordings: %s")

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._native.event_fd, self._drain)
        self._loop.add_reader(self.writer.event_fd, self._written)
        self._thread.start()
        self._writing.start()

    def stop(self) -> None:
        """End the threads, close every socket and finish every recording."""
        if self._loop is None:
            return
        self._loop.remove_reader(self._native.event_fd)
        self._loop.remove_reader(self.writer.event_fd)
        self._native.post(_mix.OP_STOP, 0, 0)
        self._thread.join(5.0)
        self.writer.stop()
        self._writing.join(5.0)
        for task in self._tasks:
            task.cancel()
        self._loop = None

    def open(self, events: PortEvents, address: str, *, must: bool = False) -> Port:
        """Open a port on a local address; *must* does so although the engine is at its capacity.

        :raises MediaError: when no port or file handle is left, or the engine does not follow.
        """
        if not self._free:
            raise MediaError("every media port is in use")
        if self._native.load > self.most_load and not must:
            raise MediaError(f"the media thread takes {100 * self._native.load:.0f} % of its core")
        number, rtp, rtcp = self._pool.bind(address, time.monotonic())
        index = self._free.pop()
        self._generation = (self._generation + 1) & 0xFFFFFFFF
        port = Port(self, index, self._generation, (address, number), events)
        self._ports[index] = port
        pick = self._random.getrandbits
        port.post(_mix.OP_OPEN, rtp.detach(), rtcp.detach(), pick(32), pick(15), pick(32))
        return port

    def room(self) -> Room:
        """Open a conference.

        :raises MediaError: when there are too many.
        """
        if not self._rooms:
            raise MediaError("every conference room is in use")
        number = self._rooms.pop()
        self._native.post(_mix.OP_ROOM, 0, 0, 0, number)
        return Room(number, self._rooms.append)

    @property
    def ports(self) -> Sequence[Port]:
        return list(self._ports.values())

    @property
    def cpu_s(self) -> float:
        """CPU time of the media thread."""
        return self._native.cpu_ns / 1e9

    @property
    def load(self) -> float:
        """Share of a core that the media thread takes, over the last second or so."""
        return self._native.load

    @property
    def regular(self) -> int:
        """Ports whose peers send so regularly that their sockets are read without being asked."""
        return self._native.on_moments

    @property
    def realtime(self) -> bool:
        """Whether the media thread runs under SCHED_FIFO."""
        return self._native.realtime

    @property
    def lateness(self) -> tuple[list[int], int, int]:
        """How late playout instants were: counts in bins of 50 µs, the worst in ns, milliseconds left out."""
        return self._native.lateness

    def tone(self, name: str, rate_hz: int) -> tuple[Sound, bool]:
        """Return a tone of the configured country, and whether it goes round."""
        key = (name, rate_hz)
        if key not in self._tones:
            self._tones[key] = tones.tone(name, self._country, rate_hz)
        return self._tones[key]

    def recording(self, port: Port, token: int) -> None:
        """Remember whom to tell when a recording is whole."""
        self._recording[port.index, port.generation, token] = port

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task of a port's; it ends with the engine."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def post(self, op: int, port: Port, token: int, args: tuple[int, ...]) -> None:
        """Hand over a command; the engine is woken a moment later for all of that moment: waking costs the most."""
        try:
            self._native.put(op, port.index, port.generation, token, *args)
        except BufferError as error:
            raise MediaError(str(error)) from error
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_later(WAKE_S, self._wake)

    def _wake(self) -> None:
        self._waking = False
        self._native.wake()

    def counters_of(self, index: int) -> dict[str, Any]:
        """Return a port's counters as the engine has them, for :func:`pbx.media.counters.stats_from`."""
        found: dict[str, Any] = self._native.stats(index)
        return found

    def _write(self) -> None:
        self.writer.run()

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
            elif kind == _mix.NOTICE_DONE:
                port.played(token, OUTCOMES[value])

    def _written(self) -> None:
        """Tell of recordings that are whole; a disk that fails is told once, until a recording succeeds again."""
        for index, generation, token, outcome, error, _ in self.writer.written():
            if error and not self._disk_failed:
                self.on_disk_failure(os.strerror(error))
            self._disk_failed = bool(error)
            port = self._recording.pop((index, generation, token), None)
            if port is not None:
                port.recorded(token, "failed" if error else OUTCOMES[outcome])


class Room:
    """A conference in the engine: everybody hears everybody else."""

    def __init__(self, number: int, give_back: Callable[[int], None]) -> None:
        self._number = number
        self._give_back = give_back
        self._members: dict[MediaPort, bool] = {}
        self._closed = False

    def join(self, port: MediaPort, *, muted: bool = False) -> None:
        """Take a port in, or mute it, or let it speak again."""
        assert isinstance(port, Port)
        if not self._closed:
            self._members[port] = muted
            port.post(_mix.OP_JOIN, self._number, int(muted))

    def leave(self, port: MediaPort) -> None:
        assert isinstance(port, Port)
        if self._members.pop(port, None) is not None:
            port.post(_mix.OP_LEAVE)

    def close(self) -> None:
        for port in list(self._members):
            self.leave(port)
        if not self._closed:
            self._closed = True
            self._give_back(self._number)
