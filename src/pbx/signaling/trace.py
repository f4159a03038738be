"""The messages of late, by SIP Call-ID: as data, as a ladder, as a capture. Secrets are masked on the way in."""

from __future__ import annotations

import re
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pbx.sip.message import Flow

SEGMENT_BYTES = 256 * 1024
SEGMENTS = 80
HEAD = struct.Struct("<d?II")  # when, received, number of the flow, length
_CALL_ID = re.compile(rb"\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SECRETS = re.compile(
    rb"""((?:response|nonce|cnonce|opaque)="?)[^",;\r\n]*   # digests
    |(a=crypto:\d+[ ]\S+[ ]inline:)\S*                     # keys
    |(\bSignal=).                                          # digits, by INFO
    |(application/dtmf\r\n(?:[^\r\n]+\r\n)*\r\n)[^\r\n]+
    |(sips?:[^@:;<>\s]+:)[^@<>\s]+(?=@)                     # a password in a URI
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Traced:
    """One message."""

    at_wall: float
    received: bool
    flow: Flow
    data: bytes

    @property
    def title(self) -> str:
        """The request's method, or the status, as a ladder shows it."""
        line = self.data.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        if line.startswith("SIP/"):
            return line.partition(" ")[2]
        method = line.partition(" ")[0]
        return f"{method} (SDP)" if b"application/sdp" in self.data.lower() else method


Noted = tuple[float, bool, Flow, bytes]


class Segment:
    """Some hundred messages, one after the other in one piece of memory."""

    __slots__ = ("_held", "flows")

    def __init__(self, messages: Sequence[Noted]) -> None:
        self.flows: dict[Flow, int] = {}
        pieces: list[bytes] = []
        for at_wall, received, flow, data in messages:
            number = self.flows.setdefault(flow, len(self.flows))
            pieces += (HEAD.pack(at_wall, received, number, len(data)), data)
        self._held = (b"".join(pieces), False)  # and whether it is packed

    @property
    def data(self) -> bytes:
        data, packed = self._held
        return zlib.decompress(data) if packed else data

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self._held[0])

    def pack(self) -> None:
        """Take a tenth of the memory from now on; may run on another thread than who reads it."""
        data, packed = self._held
        if not packed:
            self._held = (zlib.compress(data, 1), True)

    def __iter__(self) -> Iterator[tuple[float, bool, Flow, bytes]]:
        flows, at, end = list(self.flows), 0, len(self.data)
        while at < end:
            at_wall, received, number, length = HEAD.unpack_from(self.data, at)
            at += HEAD.size
            yield at_wall, received, flows[number], bytes(self.data[at : at + length])
            at += length


class Trace:
    """A bounded ring: the oldest segment goes first. Noting costs next to nothing; asking looks through all.

    Messages are copied, a segment at once, for the small objects of a rush would otherwise keep all of its memory from
    being given back.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._last: list[Noted] = []  # not copied yet
        self._size = 0
        self._segments: deque[Segment] = deque(maxlen=SEGMENTS)

    def note(self, data: bytes, flow: Flow, received: bool) -> None:
        """Keep a message."""
        self._last.append((self._wall(), received, flow, data))
        self._size += len(data)
        if self._size > SEGMENT_BYTES:
            self._segments.append(Segment(self._last))
            self._last, self._size = [], 0

    def of(self, call_ids: Sequence[str]) -> list[Traced]:
        """Return the messages of some SIP Call-IDs in order of time, secrets masked."""
        wanted = {call_id.encode("utf-8", "surrogateescape") for call_id in call_ids}
        return [
            Traced(at, received, flow, masked(data))
            for segment in (*self._segments, Segment(self._last))
            if any(name in segment.data for name in wanted)
            for at, received, flow, data in segment
            if any(name in data for name in wanted) and call_id_of(data) in wanted
        ]

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return sum(segment.size for segment in self._segments) + self._size

    def pack(self) -> None:
        """Keep what is there in a tenth of the memory; may run on another thread."""
        for segment in list(self._segments):
            segment.pack()


def call_id_of(data: bytes) -> bytes:
    match = _CALL_ID.search(data)
    return match.group(1).strip() if match is not None else b""


def masked(data: bytes) -> bytes:
    """Hide digests, keys and digits."""
    return _SECRETS.sub(lambda m: m.group(m.lastindex or 0) + b"***", data)


def ladder(messages: Sequence[Traced]) -> str:
    """Draw messages between us and each peer, a line a message."""
    if not messages:
        return "no messages of this call are kept"
    peers = list(dict.fromkeys(str(one.flow) for one in messages))
    start = messages[0].at_wall
    width = max(26, *(len(peer) + 4 for peer in peers))
    lines = ["".ljust(10) + "us".ljust(4) + "".join(peer.rjust(width) for peer in peers)]
    for one in messages:
        reach = width * (peers.index(str(one.flow)) + 1) - 2
        title = f" {one.title} "
        arrow = title.center(reach, "-")
        arrow = f"<{arrow[1:]}" if one.received else f"{arrow[:-1]}>"
        lines.append(f"{one.at_wall - start:8.3f}  |{arrow}|")
    return "\n".join(lines)


def pcap(messages: Sequence[Traced]) -> bytes:
    """Write messages as a capture (libpcap, raw IP): UDP whatever carried them, so that every tool reads SIP."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)]
    for one in messages:
        source, target = (one.flow.remote, one.flow.local) if one.received else (one.flow.local, one.flow.remote)
        packet = _datagram(source, target, one.data)
        seconds = int(one.at_wall)
        out.append(struct.pack("<IIII", seconds, int((one.at_wall - seconds) * 1e6), len(packet), len(packet)))
        out.append(packet)
    return b"".join(out)


def _datagram(source: tuple[str, int], target: tuple[str, int], data: bytes) -> bytes:
    import ipaddress

    one, other = ipaddress.ip_address(source[0]), ipaddress.ip_address(target[0])
    udp = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0) + data
    if one.version == 6 or other.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(udp), 17, 64) + one.packed + other.packed + udp
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + one.packed + other.packed
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    check = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack(">H", check) + head[12:] + udp
