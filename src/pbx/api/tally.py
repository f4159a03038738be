"""What a scrape counts since the start: calls by cause, packets and their quality, as the log tells it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.events import Logged

JITTER_MS = (5.0, 10.0, 20.0, 30.0, 50.0, 100.0)
MOS = (1.0, 2.0, 3.0, 3.5, 4.0, 4.3)


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound, as Prometheus wants them."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    seen: int = 0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * len(self.bounds)

    def add(self, value: float) -> None:
        self.total += value
        self.seen += 1
        for index, bound in enumerate(self.bounds):
            if value <= bound:
                self.counts[index] += 1

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative buckets, +Inf last."""
        return [*((f"{b:g}", float(n)) for b, n in zip(self.bounds, self.counts, strict=True)), ("+Inf", self.seen)]


HEARD = (ev.CallStarted, ev.CallEnded, ev.LegQuality)


class Tally:
    """A listener of the log."""

    def __init__(self) -> None:
        self.started = 0
        self.ended: Counter[str] = Counter()  # by cause
        self.packets = 0
        self.lost = 0
        self.late = 0
        self.jitter_ms = Histogram(JITTER_MS)
        self.mos = Histogram(MOS)

    def take(self, entry: Logged) -> None:
        event = entry.event
        if isinstance(event, ev.CallStarted):
            self.started += 1
        elif isinstance(event, ev.CallEnded):
            self.ended[event.cause] += 1
        elif isinstance(event, ev.LegQuality):
            self.packets += event.packets
            self.lost += event.lost
            self.late += event.late
            if event.jitter_ms is not None:
                self.jitter_ms.add(event.jitter_ms)
            if event.mos is not None:
                self.mos.add(event.mos)
