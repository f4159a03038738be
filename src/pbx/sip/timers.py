"""Many timers behind one deadline: a heap with lazy cancel, one entry an owner."""

from __future__ import annotations

import heapq
from typing import Protocol


class Timed(Protocol):
    """Something with at most one instant to wait for."""

    due: float | None  # when to fire, None for never; assign through Timers.set
    queued: float | None  # when the heap will look at it

    def fire(self, now: float) -> None: ...


class Timers:
    """Re-arming costs no more than an assignment as long as the new instant is later than the queued one."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._count = 0

    def set(self, owner: Timed, due: float | None) -> None:
        owner.due = due
        if due is not None and (owner.queued is None or due < owner.queued):
            owner.queued = due
            self._count += 1
            heapq.heappush(self._heap, (due, self._count, owner))

    @property
    def deadline(self) -> float | None:
        """When :meth:`fire` wants to be called next; may be early, never late."""
        return self._heap[0][0] if self._heap else None

    def fire(self, now: float) -> None:
        heap = self._heap
        while heap and heap[0][0] <= now:
            at, _, owner = heapq.heappop(heap)
            if owner.queued != at:
                continue  # an earlier entry took over
            owner.queued = None
            due = owner.due
            if due is None:
                continue
            if due <= now:
                owner.due = None
                owner.fire(now)
            else:
                self.set(owner, due)

    def __len__(self) -> int:
        return len(self._heap)
