"""The native engine's face on the event loop: ports out, notices in."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from pbx import _mix
from pbx.errors import MediaError
from pbx.media import tones
from pbx.media.contract import DIGITS, MediaPort, MediaState, PortEvents
from pbx.media.port import Port
from pbx.media.ports import PortPool
from pbx.media.room import Room
from pbx.media.shard import Notice, Shard
from pbx.media.sounds import Sound, Sounds
from pbx.native.recorder import Writer
from pbx.native.voice import Clips

log = logging.getLogger(__name__)

TELL_AFTER_S = 1.0
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
    """The media threads and their ports; start it on a running loop."""

    def __init__(
        self,
        first_port: int,
        last_port: int,
        *,
        threads: int = 1,
        capacity: int = 8192,
        seed: int | None = None,
        country: str = "us",
        cpus: Sequence[int] | None = None,
    ) -> None:
        self._random = random.Random(seed)
        self._pool = PortPool(first_port, last_port, self._random)
        epoch_ns = (
            time.monotonic_ns()
        )  # all threads count milliseconds from here, so that a port can change between them
        cpus = processors(threads) if cpus is None else cpus
        self.shards = [Shard(number, capacity, epoch_ns, cpus[number]) for number in range(threads)]
        self._ports: dict[int, Port] = {}  # by generation
        self._recording: dict[tuple[int, int], Port] = {}  # a recording may outlive its port by a moment
        self._generation = 0
        self._country = country
        self._streams: weakref.WeakValueDictionary[tuple[int, int, int], Clips] = weakref.WeakValueDictionary()
        self._tones: dict[tuple[str, int], tuple[Sound, bool]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = threading.Thread(target=self._write, name="media-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._disk_failed = False
        self.most_load = MOST_LOAD
        self.sounds = Sounds()
        self.writer = Writer()
        self.on_disk_failure: Callable[[str], None] = functools.partial(log.error, "x recordings: %s")

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.writer.event_fd, self._written)
        for shard in self.shards:
            shard.start(self._loop, self._told)
        self._writing.start()
        self._telling = self._loop.call_later(TELL_AFTER_S, self._tell_scheduling)

    def _tell_scheduling(self) -> None:
        """Say once whether the kernel gave the media threads the priority that they ask for."""
        without = [f"media-{shard.number}" for shard in self.shards if not shard.native.realtime]
        if without:
            log.warning(
                "x %s without SCHED_FIFO: a busy machine will be heard; LimitRTPRIO=10 or CAP_SYS_NICE permits it",
                ", ".join(without),
            )
        else:
            kept = [str(shard.native.pinned) if shard.native.pinned >= 0 else "any" for shard in self.shards]
            log.info("media threads under SCHED_FIFO, processors: %s", ", ".join(kept))

    def stop(self) -> None:
        """End the threads, close every socket and finish every recording."""
        if self._loop is None:
            return
        if self._telling is not None:
            self._telling.cancel()
        self._loop.remove_reader(self.writer.event_fd)
        for shard in self.shards:
            shard.stop()
        self.writer.stop()
        self._writing.join(5.0)
        for task in self._tasks:
            task.cancel()
        self._loop = None

    def open(self, events: PortEvents, address: str, *, must: bool = False, beside: MediaPort | None = None) -> Port:
        """Open a port on a local address; *must* does so although the engine is at its capacity.

        *beside* another leg of the same call it is on that one's thread.

        :raises MediaError: when no port or file handle is left, or the engine does not follow.
        """
        assert beside is None or isinstance(beside, Port)
        shards = self.shards if beside is None else [beside.shard]
        shards = [shard for shard in shards if not shard.full]
        if not shards:
            raise MediaError("every media port is in use")
        willing = [shard for shard in shards if shard.native.load <= self.most_load or must]
        if not willing:
            raise MediaError(f"the media thread takes {100 * min(s.native.load for s in shards):.0f} % of its core")
        number, rtp, rtcp = self._pool.bind(address, time.monotonic())
        self._generation = (self._generation + 1) & 0xFFFFFFFF
        shard = min(willing, key=lambda shard: shard.ports)
        port = Port(self, shard, self._generation, (address, number), events)
        shard.ports += 1
        self._ports[self._generation] = port
        pick = self._random.getrandbits
        port.post(_mix.OP_OPEN, rtp.detach(), rtcp.detach(), pick(32), pick(15), pick(32))
        return port

    def room(self) -> Room:
        """Open a conference.

        :raises MediaError: when there are too many.
        """
        return Room(min(self.shards, key=lambda shard: shard.ports))

    @property
    def ports(self) -> Sequence[Port]:
        return list(self._ports.values())

    @property
    def cpu_s(self) -> float:
        """CPU time of the media threads."""
        return sum(shard.native.cpu_ns for shard in self.shards) / 1e9

    @property
    def load(self) -> float:
        """Share of a core that the busiest media thread takes, over the last second or so."""
        return max(self.loads)

    @property
    def loads(self) -> list[float]:
        """The same of every media thread."""
        return [shard.native.load for shard in self.shards]

    @property
    def regular(self) -> int:
        """Ports whose peers send so regularly that their sockets are read without being asked."""
        return sum(shard.native.on_moments for shard in self.shards)

    @property
    def realtime(self) -> bool:
        """Whether every media thread runs under SCHED_FIFO."""
        return all(shard.native.realtime for shard in self.shards)

    @property
    def lateness(self) -> tuple[list[int], int, int]:
        """How late playout instants were: counts in bins of 50 µs, the worst in ns, milliseconds left out."""
        each = [shard.native.lateness for shard in self.shards]
        bins = [sum(counts) for counts in zip(*(bins for bins, _, _ in each), strict=True)]
        return bins, max(worst for _, worst, _ in each), sum(skipped for _, _, skipped in each)

    def tone(self, name: str, rate_hz: int) -> tuple[Sound, bool]:
        """Return a tone of the configured country, and whether it goes round."""
        key = (name, rate_hz)
        if key not in self._tones:
            self._tones[key] = tones.tone(name, self._country, rate_hz)
        return self._tones[key]

    def stream(self, shard: Shard, sound: Sound, rate_hz: int) -> Clips:
        """Return the stream of a sound that goes round, one for all who hear it on a thread."""
        key = (shard.number, id(sound), rate_hz)  # which the stream keeps alive
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = Clips([sound], rate_hz, True)
        return found

    def recording(self, port: Port, token: int) -> None:
        """Remember whom to tell when a recording is whole."""
        self._recording[port.generation, token] = port

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task of a port's; it ends with the engine."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def counters_of(self, port: Port) -> dict[str, Any]:
        """Return a port's counters as the engine has them, for :func:`pbx.media.counters.stats_from`."""
        found: dict[str, Any] = port.shard.native.stats(port.index)
        return found

    def _write(self) -> None:
        self.writer.run()

    def _told(self, shard: Shard, notices: Iterable[Notice]) -> None:
        for kind, index, generation, token, value, _ in notices:
            port = self._ports.get(generation)
            if port is None:
                continue
            if kind == _mix.NOTICE_RELEASED:
                del self._ports[generation]
                shard.free_place(index)
                shard.ports -= 1
                self._pool.release(port.local[1], time.monotonic())
            elif kind == _mix.NOTICE_DIGIT:
                port.events.on_digit(DIGITS[value], token // 8)
            elif kind == _mix.NOTICE_MEDIA:
                port.events.on_media(STATES[value])
            elif kind == _mix.NOTICE_DONE:
                port.played(token, OUTCOMES[value])
            elif kind == _mix.NOTICE_PARTED:
                port.parted(shard, value)

    def _written(self) -> None:
        """Tell of recordings that are whole; a disk that fails is told once, until a recording succeeds again."""
        for _, generation, token, outcome, error, _ in self.writer.written():
            if error and not self._disk_failed:
                self.on_disk_failure(os.strerror(error))
            self._disk_failed = bool(error)
            port = self._recording.pop((generation, token), None)
            if port is not None:
                port.recorded(token, "failed" if error else OUTCOMES[outcome])


def processors(threads: int) -> list[int]:
    """Return the processor of each media thread, the last ones first; -1 where one must be left to Python."""
    allowed = sorted(os.sched_getaffinity(0))
    return [allowed[-1 - at] if at + 1 < len(allowed) else -1 for at in range(threads)]
