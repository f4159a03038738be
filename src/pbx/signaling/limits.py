"""How much one source may ask, and what is turned away before it costs anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pbx.sip.message import Flow

MAX_SOURCES = 20_000  # remembered at most; the oldest go
FREE_FAILURES = 5  # of one source with one account, before it has to wait
FREE_FAILURES_OF_ALL = 50  # of one source with any: an office behind one NAT may have several phones set up wrongly
BACK_OFF_S, BACK_OFF_MAX_S = 2.0, 300.0
FORGIVEN_S = 900.0
_COPIED = (b"via:", b"v:", b"from:", b"f:", b"to:", b"t:", b"call-id:", b"i:", b"cseq:")


class Bucket:
    """A token bucket: *per_s* a second, twice that at once."""

    __slots__ = ("_at", "_left", "_per_s")

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._left = 2 * per_s
        self._at = now

    def take(self, now: float) -> bool:
        self._left = min(2 * self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class _Guesser:
    failures: int = 0
    wait_until: float = 0.0
    seen_at: float = 0.0


@dataclass(slots=True)
class BackOff:
    """Who fails to log in waits, twice as long each time; by source and account together, and by source alone.

    An account alone is never locked: a stranger could lock a phone out.
    """

    _known: dict[str, _Guesser] = field(default_factory=dict)

    def must_wait(self, source: str, account: str, now: float) -> bool:
        for key in (source, f"{source} {account}"):
            found = self._known.get(key)
            if found is not None and now < found.wait_until:
                return True
        return False

    def failed(self, source: str, account: str, now: float) -> None:
        self._note(source, FREE_FAILURES_OF_ALL, now)
        self._note(f"{source} {account}", FREE_FAILURES, now)

    def succeeded(self, source: str, account: str) -> None:
        self._known.pop(f"{source} {account}", None)

    def _note(self, key: str, free: int, now: float) -> None:
        found = self._known.pop(key, None)
        if found is None or now - found.seen_at > FORGIVEN_S:
            found = _Guesser()
        found.failures += 1
        found.seen_at = now
        if found.failures > free:
            found.wait_until = now + min(BACK_OFF_S * 2.0 ** min(found.failures - free - 1, 20), BACK_OFF_MAX_S)
        self._known[key] = found
        while len(self._known) > MAX_SOURCES:
            del self._known[next(iter(self._known))]


class Shedder:
    """Turn new calls away with 503 before they are parsed, when there are too many of them.

    *load* is how many seconds the event loop is late.
    """

    def __init__(
        self,
        new_calls_per_s: int,
        per_source_per_s: int,
        is_trunk: Callable[[str], bool] = lambda address: False,
        load: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._is_trunk = is_trunk  # a carrier's address has the limits of its trunk, not those of a phone
        self._all = Bucket(new_calls_per_s, 0.0)
        self._per_source_per_s = per_source_per_s
        self._sources: dict[str, Bucket] = {}
        self._load = load
        self.shed = 0
        self.dropped = 0

    def turn_away(self, data: bytes, flow: Flow, now: float) -> bytes | None:
        """Return the 503 to send instead of looking at *data*, empty to say nothing; None lets it in."""
        if data.startswith((b"SIP/2.0", b"ACK ", b"BYE ", b"CANCEL ", b"PRACK ")):
            return None  # what goes on, and what ends, is never shed
        if not self._source_may(flow.remote[0], now):
            self.dropped += 1
            return b""
        if not data.startswith(b"INVITE ") or _inside_dialog(data):
            return None
        if self._load() < LATE_S and self._all.take(now):
            return None
        self.shed += 1
        return refusal(data)

    def _source_may(self, address: str, now: float) -> bool:
        if self._is_trunk(address):
            return True
        bucket = self._sources.get(address)
        if bucket is None:
            if len(self._sources) >= MAX_SOURCES:
                del self._sources[next(iter(self._sources))]
            bucket = self._sources[address] = Bucket(self._per_source_per_s, now)
        return bucket.take(now)


LATE_S = 0.5  # an event loop this late answers nobody in time


def _inside_dialog(data: bytes) -> bool:
    at = data.find(b"\nTo:")
    if at < 0:
        at = data.find(b"\nt:")
    return at >= 0 and b";tag=" in data[at : data.find(b"\n", at + 1)]


def refusal(data: bytes) -> bytes:
    """Write a 503 from the request's own lines, unparsed; empty where they are not there."""
    lines = [b"SIP/2.0 503 Service Unavailable"]
    for line in data.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]:
        name = line[:12].lower().replace(b" ", b"")
        if name.startswith(_COPIED):
            lines.append(line + b";tag=shed" if name.startswith((b"to:", b"t:")) else line)
    if len(lines) < 6:
        return b""
    return b"\r\n".join(lines) + b"\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
