"""How long a caller will wait: a quantile, not a mean, and silence where nothing is known.

With *n* agents who matter and mean handling time *h*, calls leave the line about every h/n seconds; a caller in place
*k* leaves with the k-th, after an Erlang-distributed time, whose upper quantile is told. What the formula cannot know —
agents shared with other queues, callers ahead who give up, handling times that are no exponential — shows in how the
promises turn out, so one factor a queue follows their error until the promised share of them holds.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean

QUANTILE = 0.9
_Z = 1.2816  # of the normal distribution at QUANTILE
_GAIN = 0.04  # of the factor's logarithm, a promise
LEAST_CALLS = 10  # fewer handled calls say nothing


@dataclass(slots=True)
class Waits:
    """What a queue has learnt of its waits."""

    handled: deque[float] = field(default_factory=lambda: deque(maxlen=200))  # seconds of an agent, ringing to free
    log_factor: float = 0.0
    kept: int = 0
    broken: int = 0

    def called(self, handling_s: float) -> None:
        """Take note of a handled call."""
        self.handled.append(handling_s)

    def estimate(self, position: int, agents: int) -> float | None:
        """Return the wait in seconds that QUANTILE of callers in *position* will not exceed; None where unknown."""
        if agents <= 0 or len(self.handled) < LEAST_CALLS:
            return None
        return erlang_quantile(position, fmean(self.handled) / agents) * math.exp(self.log_factor)

    def judge(self, promised_s: float, waited_s: float) -> None:
        """Learn from how a promise turned out (Robbins and Monro: the factor settles where QUANTILE of them hold)."""
        late = waited_s > promised_s
        self.broken += late
        self.kept += not late
        self.log_factor += _GAIN * (late - (1 - QUANTILE))
        self.log_factor = min(3.0, max(-3.0, self.log_factor))


def erlang_quantile(k: int, mean_s: float) -> float:
    """Return the QUANTILE of a sum of *k* exponential times (Wilson and Hilferty 1931: within 1 % for k ≥ 1)."""
    return float(k * mean_s * (1 - 1 / (9 * k) + _Z / (3 * math.sqrt(k))) ** 3)


def in_minutes(wait_s: float) -> float | None:
    """Round as it is spoken: whole minutes upward; under one is not said."""
    return None if wait_s < 60 else math.ceil(wait_s / 60) * 60.0
