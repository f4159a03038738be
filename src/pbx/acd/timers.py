"""Deadlines by name: setting one again moves it, and what is cancelled costs nothing until its time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

TimerKey = tuple[str, str]  # what, of whom


class Timers:
    """A heap with lazy cancel."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimerKey]] = []
        self._live: dict[TimerKey, int] = {}
        self._count = 0

    def set(self, at: float, what: str, whom: str) -> None:
        self._count += 1
        self._live[what, whom] = self._count
        heapq.heappush(self._heap, (at, self._count, (what, whom)))

    def cancel(self, what: str, whom: str) -> None:
        self._live.pop((what, whom), None)

    @property
    def deadline(self) -> float | None:
        """The next instant at which something is due."""
        heap = self._heap
        while heap and self._live.get(heap[0][2]) != heap[0][1]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> Iterator[TimerKey]:
        """Take what is due at *now*, in order."""
        while (deadline := self.deadline) is not None and deadline <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._live[key]
            yield key
