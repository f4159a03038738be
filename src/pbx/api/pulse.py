"""How well the process keeps up: the event loop's lag, the CPU of each thread, the media tick's lateness."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from pathlib import Path

from pbx.api.shapes import ThreadShape
from pbx.api.tally import Histogram

EVERY_S = 0.25
KEPT = 240  # a minute of measurements
LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
BIN_S = 50e-6  # of the engine's lateness
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Pulse:
    """Asks the loop four times a second to be on time, and writes down how late it was."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._recent: deque[float] = deque([0.0], maxlen=KEPT)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.lag_s = Histogram(LAG_S)

    def start(self) -> None:
        self._due = self._loop.time() + EVERY_S
        self._timer = self._loop.call_at(self._due, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        late_s = max(0.0, self._loop.time() - self._due)
        self._recent.append(late_s)
        self.lag_s.add(late_s)
        self.start()

    @property
    def latest_s(self) -> float:
        return self._recent[-1]

    @property
    def worst_s(self) -> float:
        """Of the last minute."""
        return max(self._recent)


def threads() -> list[ThreadShape]:
    """Return every thread's name and CPU time, the busiest first."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: list[ThreadShape] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            comm, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")  # a name may hold anything
        except OSError:
            continue  # it ended while we looked
        fields = rest.split()
        tid = int(task.name)
        cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        try:
            scheduling, processors = _scheduling(tid), _ranges(sorted(os.sched_getaffinity(tid)))
        except OSError:
            continue
        found.append(
            {
                "thread": names.get(tid, comm),
                "tid": tid,
                "cpu_s": round(cpu_s, 3),
                "scheduling": scheduling,
                "processors": processors,
            }
        )
    return sorted(found, key=lambda row: -row["cpu_s"])


def _scheduling(tid: int) -> str:
    policy = os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK
    return f"FIFO {os.sched_getparam(tid).sched_priority}" if policy == os.SCHED_FIFO else "normal"


def _ranges(numbers: list[int]) -> str:
    """Write 0, 1, 2, 5 as 0-2,5."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)


def memory_bytes() -> int:
    """Return the resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


def cpu_s() -> float:
    return time.process_time()


def quantile_s(bins: list[int], share: float) -> float:
    """Return an upper bound of a quantile of the engine's lateness."""
    total = sum(bins)
    if not total:
        return 0.0
    left = share * total
    for index, count in enumerate(bins):
        left -= count
        if left <= 0:
            return (index + 1) * BIN_S
    return len(bins) * BIN_S
