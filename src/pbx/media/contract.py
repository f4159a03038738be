"""What the rooms above may ask of media: the same in the engine and in virtual time.

A *port* is one leg's media. What a port hears is a set of edges in a matrix: a bridge is two edges, echo an edge to
itself, listening in an edge without its twin, a whisper an edge from supervisor to agent alone. Prompts and tones are
heard by the port's peer beside or instead of the edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal, Protocol

from pbx.sdp.negotiate import Agreed

DIGITS = "0123456789*#ABCD"  # RFC 4733 event codes 0–15


Coding = Literal["auto", "pcm16", "g711"]  # of a recording; auto: G.711 where every leg of it is G.711


class MediaState(Enum):
    """Whether the peer is heard; told within 3 s of a change."""

    HEARD = "back"
    NEVER_CAME = "never-came"
    STOPPED = "stopped"
    WRONG_SOURCE = "wrong-source"
    UNDECRYPTABLE = "undecryptable"


@dataclass(frozen=True, slots=True)
class PortStats:
    """A port's counters so far; what is not known is None."""

    packets_in: int = 0
    packets_out: int = 0
    lost: int = 0
    late: int = 0
    invalid: int = 0
    wrong_source: int = 0
    undecryptable: int = 0  # SRTP with a wrong tag
    encrypted: bool = False  # both ways
    duplicates: int = 0
    concealed_ms: int = 0  # of sound that had to be invented
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    r_factor: float | None = None  # what we hear, by the E-model
    mos: float | None = None
    peer_lost: int | None = None  # what the peer says of our packets; None: it said nothing
    peer_jitter_ms: float | None = None
    peer_r_factor: float | None = None
    peer_mos: float | None = None
    remote: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """Something to hear: a file of a prompt, or *name* alone in virtual time."""

    name: str  # as `pbx test` shows it
    path: Path | None = None


class PortEvents(Protocol):
    """Who hears what happens on a port; called on the event loop."""

    def on_digit(self, digit: str, duration_ms: int) -> None: ...
    def on_media(self, state: MediaState) -> None: ...
    def on_done(self, token: int, outcome: str) -> None:
        """A play, tone or recording with *token* is over: ended, stopped, failed, silence, limit."""


class MediaPort(Protocol):
    """One leg's media. Verbs never block; after ``close`` they do nothing."""

    @property
    def local(self) -> tuple[str, int]:
        """The address and even port that the session description names."""

    def send_to(self, agreed: Agreed) -> None:
        """Follow a session description: where to send, which codec, which directions."""

    def hear(self, other: MediaPort) -> None:
        """Let this port's peer hear *other*'s peer."""

    def unhear(self, other: MediaPort) -> None: ...

    def deaf(self) -> None:
        """Hear nobody."""

    def play(self, clips: Sequence[Clip], *, loop: bool = False) -> int:
        """Play to the peer, seamlessly, and return a token; a new play ends the one before."""

    def tone(self, name: str) -> int:
        """Play a tone of the configured country: ringback, busy, congestion, beep."""

    def stop(self) -> None:
        """End what plays, within a frame."""

    def send_digits(self, digits: str) -> None: ...

    def record(
        self,
        path: Path,
        *,
        other: MediaPort | None = None,
        silence_s: float = 0,
        limit_s: float = 0,
        coding: Coding = "pcm16",
    ) -> int:
        """Record the peer (left) and what *other*'s peer says (right); end by silence or limit where given."""

    def pause_recording(self, on: bool) -> None: ...

    def stop_recording(self) -> None: ...

    def consume_digits(self, on: bool) -> None:
        """Keep digits from whoever hears this port while an application reads them."""

    @property
    def consuming(self) -> bool: ...

    def stats(self) -> PortStats: ...

    def close(self) -> None: ...


class Room(Protocol):
    """A conference: everybody hears everybody else."""

    def join(self, port: MediaPort, *, muted: bool = False) -> None: ...
    def leave(self, port: MediaPort) -> None: ...
    def close(self) -> None: ...


class Media(Protocol):
    """The engine, or its virtual twin."""

    def open(
        self, events: PortEvents, address: str, *, must: bool = False, beside: MediaPort | None = None
    ) -> MediaPort:
        """Open a port on a local address; *must* does so although the engine is at its capacity.

        *beside* names a port that it will have to do with: both are on one thread.

        :raises MediaError: status 503 when none is left.
        """

    def room(self) -> Room: ...
