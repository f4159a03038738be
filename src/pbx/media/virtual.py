"""Media in virtual time: the engine's contract with symbols instead of sound, for `pbx test` and the suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pbx.errors import MediaError
from pbx.media.contract import Clip, Coding, MediaPort, MediaState, PortEvents, PortStats
from pbx.sdp.negotiate import Agreed


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a port's peer was given to hear, with the second it began."""

    at: float
    what: str  # a clip's name, "tone busy", "digits 123"


class VirtualMedia:
    """The engine's twin. *duration_s* tells how long a clip lasts."""

    def __init__(self, *, duration_s: Callable[[Clip], float] = lambda clip: 1.0, capacity: int = 100_000) -> None:
        self.ports: list[VirtualPort] = []
        self.duration_s = duration_s
        self._capacity = capacity
        self._next_port = 10_000

    def open(
        self, events: PortEvents, address: str, *, must: bool = False, beside: MediaPort | None = None
    ) -> VirtualPort:
        """Open a port; here there is one thread, so that every port is beside every other.

        :raises MediaError: when *capacity* is reached.
        """
        if sum(not port.closed for port in self.ports) >= self._capacity:
            raise MediaError("every media port is in use")
        self._next_port = 10_000 + (self._next_port - 10_000 + 2) % 50_000
        port = VirtualPort(self, events, (address, self._next_port))
        self.ports.append(port)
        return port

    def room(self) -> VirtualRoom:
        return VirtualRoom()


class VirtualPort:
    """One leg's media: what it was given to hear is in ``said``, whom it hears in ``hears``."""

    def __init__(self, media: VirtualMedia, events: PortEvents, local: tuple[str, int]) -> None:
        self.events = events
        self.said: list[Said] = []
        self.hears: set[VirtualPort] = set()
        self.agreed: Agreed | None = None
        self.consuming = False
        self.recording: Path | None = None
        self.coding: Coding = "pcm16"
        self.recording_paused = False
        self.closed = False
        self._media = media
        self._local = local
        self._token = 0
        self._playing: tuple[int, asyncio.TimerHandle] | None = None
        self._recording: tuple[int, asyncio.TimerHandle | None] | None = None

    @property
    def local(self) -> tuple[str, int]:
        return self._local

    # ---- what the peer does ----------------------------------------------------------------------------------------

    def press(self, digits: str) -> None:
        """The peer presses keys."""
        for digit in digits:
            self.events.on_digit(digit, 100)

    def fall_silent(self) -> None:
        """The peer's packets stop."""
        self.events.on_media(MediaState.STOPPED)

    # ---- the contract ----------------------------------------------------------------------------------------------

    def send_to(self, agreed: Agreed) -> None:
        self.agreed = agreed

    def hear(self, other: VirtualPort) -> None:
        self.hears.add(other)

    def unhear(self, other: VirtualPort) -> None:
        self.hears.discard(other)

    def deaf(self) -> None:
        self.hears.clear()

    def play(self, clips: Sequence[Clip], *, loop: bool = False) -> int:
        for clip in clips:
            self._say(clip.name)
        total = sum(self._media.duration_s(clip) for clip in clips)
        return self._start(None if loop else total)

    def tone(self, name: str) -> int:
        self._say(f"tone {name}")
        return self._start(0.5 if name == "beep" else None)

    def stop(self) -> None:
        self._finish("stopped")

    def send_digits(self, digits: str) -> None:
        self._say(f"digits {digits}")

    def record(
        self,
        path: Path,
        *,
        other: VirtualPort | None = None,
        silence_s: float = 0,
        limit_s: float = 0,
        coding: Coding = "pcm16",
    ) -> int:
        self._token += 1
        self.recording, self.coding = path, coding
        timer = None
        if limit_s:
            timer = asyncio.get_running_loop().call_later(limit_s, self._recorded, "limit")
        self._recording = (self._token, timer)
        return self._token

    def pause_recording(self, on: bool) -> None:
        self.recording_paused = on

    def stop_recording(self) -> None:
        self._recorded("stopped")

    def consume_digits(self, on: bool) -> None:
        self.consuming = on

    def stats(self) -> PortStats:
        return PortStats()

    def close(self) -> None:
        self._finish("stopped")
        self._recorded("stopped")
        self.closed = True
        for port in self._media.ports:
            port.hears.discard(self)
        if self in self._media.ports:
            self._media.ports.remove(self)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _say(self, what: str) -> None:
        self.said.append(Said(asyncio.get_running_loop().time(), what))

    def _start(self, lasts_s: float | None) -> int:
        self._finish("stopped")
        self._token += 1
        loop = asyncio.get_running_loop()
        timer = loop.call_later(1e9 if lasts_s is None else lasts_s, self._finish, "ended")
        self._playing = (self._token, timer)
        return self._token

    def _finish(self, outcome: str) -> None:
        if self._playing is None:
            return
        (token, timer), self._playing = self._playing, None
        timer.cancel()
        self.events.on_done(token, outcome)

    def _recorded(self, outcome: str) -> None:
        if self._recording is None:
            return
        (token, timer), self._recording = self._recording, None
        if timer is not None:
            timer.cancel()
        self.events.on_done(token, outcome)


class VirtualRoom:
    """A conference of symbols."""

    def __init__(self) -> None:
        self.members: dict[VirtualPort, bool] = {}

    def join(self, port: VirtualPort, *, muted: bool = False) -> None:
        self.members[port] = muted
        self._mix()

    def leave(self, port: VirtualPort) -> None:
        self.members.pop(port, None)
        port.deaf()
        self._mix()

    def close(self) -> None:
        for port in list(self.members):
            self.leave(port)

    def _mix(self) -> None:
        for port in self.members:
            port.hears = {other for other, muted in self.members.items() if other is not port and not muted}
