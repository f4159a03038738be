"""Many timers behind one deadline: a heap with lazy cancel, one entry an owner."""

from __future__ import annotations

import heapq
from typing import Protocol


class Timed(Protocol):
    """Something with at most one instant to wait for."""

    due: float | None  # when to fire, None for never; assign through Timers.set
    queued: float | None  # when the heap will look at it

    def fire(self, now: float) -> None: ...


COMPACT_AT = 256  # dead entries before they are worth a sweep


class Timers:
    """Re-arming costs no more than an assignment as long as the new instant is later than the queued one.

    Entries of cancelled timers stay until they come up or outnumber the living: a session timer of half an hour must
    not keep a call of ten seconds alive.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._count = 0
        self._dead = 0

    def set(self, owner: Timed, due: float | None) -> None:
        queued = owner.queued
        if due is None:
            if owner.due is not None and queued is not None:
                self._dead += 1
                owner.due = None
                if self._dead > COMPACT_AT and 2 * self._dead > len(self._heap):
                    self._compact()
            owner.due = None
            return
        if queued is not None and owner.due is None:
            self._dead -= 1  # its entry serves again
        owner.due = due
        if queued is None or due < queued:
            if queued is not None:
                self._dead += 1  # an earlier entry takes over
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
                self._dead -= 1
                continue  # an earlier entry took over
            owner.queued = None
            due = owner.due
            if due is None:
                self._dead -= 1
                continue
            owner.due = None
            if due <= now:
                owner.fire(now)
            else:
                self.set(owner, due)

    def _compact(self) -> None:
        kept = []
        for entry in self._heap:
            owner = entry[2]
            if owner.queued != entry[0]:
                continue
            if owner.due is None:
                owner.queued = None
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._heap[:] = kept  # in place: `fire` may be walking it
        self._dead = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead
