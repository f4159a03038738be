"""One leg's media in the engine."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbx import _mix
from pbx.errors import MediaError
from pbx.media.company import Ties, bring_together, tell_ties, with_, without
from pbx.media.contract import DIGITS, Clip, Coding, MediaPort, PortEvents, PortStats
from pbx.media.counters import stats_from
from pbx.media.shard import Shard
from pbx.media.sounds import Sound
from pbx.native import opus, srtp
from pbx.native.voice import Clips
from pbx.sdp.codec import BY_NAME
from pbx.sdp.crypto import Crypto
from pbx.sdp.negotiate import Agreed

if TYPE_CHECKING:
    from pbx.media.engine import Engine

log = logging.getLogger(__name__)

CODECS = {"pcmu": 1, "pcma": 2, "g722": 3} | ({"opus": 4} if opus.available else {})  # others are relayed, not heard
LAWS = {"pcmu": 1, "pcma": 2}
DIGIT_MS = 100
NO_EVENTS = {"sound": 0xFF, "signalling": 0xFE, "": 0xFF}  # where digits go when they are not RFC 4733 events


@functools.lru_cache(maxsize=4096)
def _words(address: str) -> tuple[int, int, int]:
    """Return an IP address as the engine takes it: its version, and its bytes as two words."""
    found = ipaddress.ip_address(address)
    packed = found.packed.ljust(16, b"\0")
    high, low = (int.from_bytes(packed[i : i + 8], "little", signed=True) for i in (0, 8))
    return found.version, high, low


def _coding(wanted: Coding, codecs: Sequence[str]) -> tuple[int, int]:
    """Return a recording's rate and the codec of its file, 0 for PCM16: G.711 loses nothing of legs that are G.711."""
    narrow = all(codec in LAWS for codec in codecs)
    if wanted == "g711" or (wanted == "auto" and narrow):
        return 8000, LAWS.get(codecs[0], LAWS["pcma"])
    return (8000 if narrow else max(BY_NAME[codec].rate_hz if codec in BY_NAME else 8000 for codec in codecs)), 0


class Port:
    """A leg's sockets, and the verbs on them; all run on the event loop's thread and none waits."""

    __slots__ = (
        "_agreed",
        "_closed",
        "_engine",
        "_final",
        "_local",
        "_playing",
        "_recording",
        "_token",
        "_waiting",
        "_wanted",
        "consuming",
        "events",
        "generation",
        "index",
        "moving",
        "shard",
        "ties",
    )

    def __init__(
        self, engine: Engine, shard: Shard, generation: int, local: tuple[str, int], events: PortEvents
    ) -> None:
        self.shard = shard  # its thread, or the one that it is on its way to
        self.index = shard.take_place()
        self.generation = generation  # no other port of any thread has it
        self.ties = Ties()
        self.moving = False
        self._waiting: tuple[tuple[int, int, tuple[int, ...]], ...] = ()  # commands, until it has arrived
        self.events = events
        self._engine = engine
        self._local = local
        self._closed = False
        self.consuming = False  # an application reads the digits
        self._agreed: Agreed | None = None
        self._token = 0
        self._wanted: tuple[int, Sequence[Clip], bool] | None = None  # a play that waits for its files or its codec
        self._playing: dict[int, Clips] = {}  # the engine's until it says that they ended
        self._recording: int | None = None
        self._final: dict[str, Any] | None = None  # its counters when it was closed

    @property
    def local(self) -> tuple[str, int]:
        return self._local

    @property
    def rate_hz(self) -> int:
        """Samples a second of the codec that was agreed."""
        return self._agreed.codec.rate_hz if self._agreed is not None else 8000

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def codec_name(self) -> str:
        return self._agreed.codec.name if self._agreed is not None else "pcmu"

    def post(self, op: int, *args: int, token: int = 0) -> None:
        if self._closed:
            return
        if self.moving:
            self._waiting = (*self._waiting, (op, token, args))
        else:
            self.shard.put(op, self.index, self.generation, token, *args)

    # ---- from thread to thread -------------------------------------------------------------------------------------

    def move(self, shard: Shard) -> None:
        """Set out for another thread; where it goes is looked at when it has left the one before."""
        if shard is self.shard or self._closed:
            return
        if not self.moving:
            self._final = self._engine.counters_of(self)  # to be shown meanwhile
            self.post(_mix.OP_PART)
            self.moving = True
        self.shard.ports -= 1
        shard.ports += 1
        self.shard = shard

    def parted(self, home: Shard, parcel: int) -> None:
        """Go on with the parcel that *home* made of this port; 0: it could not."""
        self.moving = False
        if parcel and self.shard.full:
            log.error("x media-%d has no place for a port of media-%d", self.shard.number, home.number)
            self._stay(home)
        if not parcel:
            self._stay(home)
        else:
            home.free_place(self.index)
            self.index = self.shard.take_place()
            self.shard.put(_mix.OP_ARRIVE, self.index, self.generation, 0, parcel)
        waiting, self._waiting = self._waiting, ()
        for op, token, args in waiting:
            self.shard.put(op, self.index, self.generation, token, *args)
        tell_ties(self)

    def _stay(self, home: Shard) -> None:
        self.shard.ports -= 1
        home.ports += 1
        self.shard = home

    def send_to(self, agreed: Agreed) -> None:
        """Follow what was agreed: where to send, which codec, which directions."""
        version, high, low = _words(agreed.remote[0])
        events = NO_EVENTS[agreed.digits] if agreed.events_pt is None else agreed.events_pt
        inband = int(agreed.events_pt is None and agreed.digits == "sound") << 32
        wide = int(agreed.events_clock_hz == 48_000) << 33
        kinds = (
            inband
            | wide
            | agreed.codec.payload_type
            | events << 8
            | CODECS.get(agreed.codec.name, 0) << 16
            | agreed.ptime_ms << 24
        )
        control = agreed.rtcp[1] | (1 << 16 if agreed.rtcp == agreed.remote else 0)
        before = self._agreed
        self._use_key(0, agreed.crypto_in, before.crypto_in if before is not None else None)
        self._use_key(1, agreed.crypto_out, before.crypto_out if before is not None else None)
        self.post(_mix.OP_REMOTE, version, high, low, agreed.remote[1], kinds, control)
        receive = agreed.direction in ("sendrecv", "recvonly")
        self.post(_mix.OP_DIRECTION, int(agreed.we_send), int(receive))
        self._agreed = agreed

    def _use_key(self, outwards: int, key: Crypto | None, before: Crypto | None) -> None:
        """Encrypt or decrypt with a key from now on; one that stays keeps its count of packets (RFC 3711 3.3.1)."""
        if self._closed or (key and (key.suite, key.key)) == (before and (before.suite, before.key)):
            return
        context = srtp.create(key.suite, key.key, not outwards) if key is not None else 0
        try:
            self.post(_mix.OP_KEYS, outwards, context)
        except MediaError:
            srtp.destroy(context)
            raise

    # ---- who is heard ----------------------------------------------------------------------------------------------

    def hear(self, other: MediaPort) -> None:
        assert isinstance(other, Port)
        if self._closed or other.closed:
            return
        bring_together(self, other)
        self.ties.sources = with_(self.ties.sources, other)
        other.ties.hearers = with_(other.ties.hearers, self)
        if not self.moving and not other.moving:
            self.post(_mix.OP_HEAR, other.index, other.generation)

    def unhear(self, other: MediaPort) -> None:
        assert isinstance(other, Port)
        self.ties.sources = without(self.ties.sources, other)
        other.ties.hearers = without(other.ties.hearers, self)
        if not self.moving and not other.moving:
            self.post(_mix.OP_UNHEAR, other.index, other.generation)

    def deaf(self) -> None:
        for source in self.ties.sources:
            source.ties.hearers = without(source.ties.hearers, self)
        self.ties.sources = ()
        if not self.moving:
            self.post(_mix.OP_DEAF)

    # ---- what is played --------------------------------------------------------------------------------------------

    def play(self, clips: Sequence[Clip], *, loop: bool = False) -> int:
        """Play files to the peer; those not at hand are decoded on another thread first."""
        token = self._next_token()
        if self._closed:
            return token
        self.stop()
        self._wanted = (token, tuple(clips), loop)
        rate = self.rate_hz
        sounds = [self._engine.sounds.cached(clip.path, rate) if clip.path else None for clip in clips]
        if all(sound is not None for sound in sounds):
            self._play_now(token, [sound for sound in sounds if sound is not None], rate, loop)
        else:
            self._engine.run(self._load_and_play(token, tuple(clips), rate, loop))
        return token

    async def _load_and_play(self, token: int, clips: Sequence[Clip], rate: int, loop: bool) -> None:
        try:
            sounds = await asyncio.to_thread(self._load, clips, rate)
        except MediaError as error:
            log.warning("x %s", error)
            if self._wanted is not None and self._wanted[0] == token:
                self._wanted = None
                self.events.on_done(token, "failed")
            return
        if self._wanted is not None and self._wanted[0] == token:
            self._play_now(token, sounds, rate, loop)

    def _load(self, clips: Sequence[Clip], rate: int) -> list[Sound]:
        sounds = []
        for clip in clips:
            if clip.path is None:
                raise MediaError(f"prompt {clip.name} has no file")
            sounds.append(self._engine.sounds.load(clip.path, rate))
        return sounds

    def tone(self, name: str) -> int:
        token = self._next_token()
        if self._closed:
            return token
        self.stop()
        sound, loops = self._engine.tone(name, self.rate_hz)
        self._wanted = (token, (), loops)
        self._play_now(token, [sound], self.rate_hz, loops, tone=True)
        return token

    def _play_now(self, token: int, sounds: Sequence[Sound], rate: int, loop: bool, *, tone: bool = False) -> None:
        """Hand sounds to the engine; an empty list, or a loop of nothing, is over at once.

        A single file that goes round is music: one stream, which everybody hears at the same place. A tone is not, for
        it begins with its beginning.
        """
        self._wanted = None
        sounds = [sound for sound in sounds if len(sound)]
        if not sounds:
            asyncio.get_running_loop().call_soon(self.events.on_done, token, "ended")
            return
        shared = loop and not tone and len(sounds) == 1
        clips = self._engine.stream(self.shard, sounds[0], rate) if shared else Clips(sounds, rate, loop)
        self._playing[token] = clips
        self.post(_mix.OP_PLAY, clips.address, int(shared and not self.moving), token=token)

    def stop(self) -> None:
        """End what plays, within a frame."""
        if self._wanted is not None:
            (token, _, _), self._wanted = self._wanted, None
            asyncio.get_running_loop().call_soon(self.events.on_done, token, "stopped")
        if self._playing:
            self.post(_mix.OP_HUSH)

    def send_digits(self, digits: str) -> None:
        """Send digits as RFC 4733 events, or as sound where the peer does not take those."""
        for digit in digits:
            if digit in DIGITS:
                self.post(_mix.OP_DIGIT, DIGITS.index(digit), DIGIT_MS)

    def consume_digits(self, on: bool) -> None:
        self.consuming = on
        self.post(_mix.OP_CONSUME, int(on))

    # ---- recording -------------------------------------------------------------------------------------------------

    def record(
        self,
        path: Path,
        *,
        other: MediaPort | None = None,
        silence_s: float = 0,
        limit_s: float = 0,
        coding: Coding = "pcm16",
    ) -> int:
        """Record the peer, left, and *other*'s, right; one channel where there is no other.

        :raises MediaError: where the file cannot be made.
        """
        assert other is None or isinstance(other, Port)
        token = self._next_token()
        if self._closed:
            return token
        self.stop_recording()
        rate, law = _coding(coding, [self.codec_name] + ([other.codec_name] if other is not None else []))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise MediaError(f"{path}: {error.strerror}") from error
        self._tape(other)
        limits = (round(silence_s * 1000), round(limit_s * 1000))
        writer = self._engine.writer
        address = writer.open(file, rate, 2 if other else 1, self.index, self.generation, token, *limits, law)
        here = other is not None and not self.moving and not other.moving  # else it is told on arrival
        beside = (other.index, other.generation) if other is not None and here else (-1, 0)
        self._recording = token
        self._engine.recording(self, token)
        self.post(_mix.OP_RECORD, address, *beside, token=token)
        return token

    def _tape(self, other: Port | None) -> None:
        """Be tied to whoever is on the right-hand channel of what is recorded here."""
        if self.ties.taped is not None:
            self.ties.taped.ties.tapers = without(self.ties.taped.ties.tapers, self)
        self.ties.taped = None
        if other is not None and not other.closed:
            bring_together(self, other)
            self.ties.taped = other
            other.ties.tapers = with_(other.ties.tapers, self)

    def pause_recording(self, on: bool) -> None:
        self.post(_mix.OP_PAUSE, int(on))

    def stop_recording(self) -> None:
        if self._recording is not None:
            self.post(_mix.OP_END_RECORDING)

    # ---- the rest --------------------------------------------------------------------------------------------------

    def stats(self) -> PortStats:
        final = self._final if self._closed or self.moving else None
        return stats_from(self._engine.counters_of(self) if final is None else final)

    def close(self) -> None:
        """Give the sockets back; the number rests before it is used again."""
        if not self._closed:
            self.stop()
            if not self.moving:
                self._final = self._engine.counters_of(self)
            self.post(_mix.OP_CLOSE)
            self._closed = True
            self.ties.cut(self)

    def played(self, token: int, outcome: str) -> None:
        """The engine is done with a list of sounds."""
        self._playing.pop(token, None)
        self.events.on_done(token, outcome)

    def recorded(self, token: int, outcome: str) -> None:
        """A recording is whole on disk."""
        if self._recording == token:
            self._recording = None
            self._tape(None)
        self.events.on_done(token, outcome)

    def _next_token(self) -> int:
        self._token += 1
        return self._token
