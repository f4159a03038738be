"""Erlang C and Erlang A: what a queue of equal callers and equal agents comes to, by formula.

Load is in erlangs: arrivals a second times mean handling time. Waits are of everybody who called, those who waited
nothing included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_TAIL = 1e-14  # states less likely than this, against the likeliest, do not count


@dataclass(frozen=True, slots=True)
class Expected:
    """What the formula says; shares are 0–1."""

    p_wait: float
    wait_s: float  # ASA over all who called
    service_level: float
    p_abandon: float
    occupancy: float


def erlang_b(agents: int, load: float) -> float:
    """Return the share of calls that find all *agents* busy and are lost (recursion, stable for any size)."""
    blocked = 1.0
    for n in range(1, agents + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def erlang_c(agents: int, arrivals_per_s: float, handling_s: float, within_s: float) -> Expected:
    """Return M/M/c: everybody waits for ever.

    :raises ValueError: where the load is not less than the agents, and the line would grow without end.
    """
    load = arrivals_per_s * handling_s
    if load >= agents:
        raise ValueError(f"{load:.1f} erlangs are too much for {agents} agents: the line grows without end")
    blocked = erlang_b(agents, load)
    p_wait = blocked / (1 - load / agents * (1 - blocked))
    drain = (agents - load) / handling_s
    level = 1 - p_wait * math.exp(-drain * within_s)
    return Expected(p_wait, p_wait / drain, level, 0.0, load / agents)


def erlang_a(agents: int, arrivals_per_s: float, handling_s: float, patience_s: float, within_s: float) -> Expected:
    """Return M/M/c+M: callers give up after an exponential time of mean *patience_s*.

    The service level is of all who called. Steady state by the balance of births and deaths; the chance of being
    answered in time by following the line that a caller finds: they move up when an agent is free or one ahead gives
    up.
    """
    service, impatience = 1 / handling_s, 1 / patience_s
    states = _steady(agents, arrivals_per_s, service, impatience)
    busy = sum(min(n, agents) * p for n, p in enumerate(states))
    waiting = sum(max(0, n - agents) * p for n, p in enumerate(states))
    p_wait = sum(states[agents:])
    p_abandon = waiting * impatience / arrivals_per_s
    longest = max((n - agents + 1 for n, p in enumerate(states) if n >= agents and p > 1e-9), default=1)
    in_time = _in_time(agents * service, impatience, longest, min(within_s, 60 * patience_s))  # by then all have left
    level = sum(states[:agents]) + sum(p * in_time[k] for k, p in enumerate(states[agents : agents + longest], start=1))
    return Expected(p_wait, waiting / arrivals_per_s, level, p_abandon, busy / agents)


def _steady(agents: int, arrivals: float, service: float, impatience: float) -> list[float]:
    """Return the share of time with 0, 1, 2 … callers in the system."""
    logs = [0.0]
    top = 0.0
    while True:
        n = len(logs)
        deaths = min(n, agents) * service + max(0, n - agents) * impatience
        logs.append(logs[-1] + math.log(arrivals / deaths))
        top = max(top, logs[-1])
        if n > agents and logs[-1] < top + math.log(_TAIL):
            break
    weights = [math.exp(value - top) for value in logs]
    total = sum(weights)
    return [weight / total for weight in weights]


def _in_time(drain: float, impatience: float, longest: int, within_s: float) -> list[float]:
    """Return the chance to be answered within a time, by place in the line; place 0 is answered already.

    A place is a state that moves up at rate drain + (place - 1)·impatience and ends by one's own impatience. Followed
    by uniformisation, backwards, so that one pass gives all places; the sum over Poisson-many steps is cut at nine
    deviations.
    """
    rate = drain + longest * impatience
    steps = rate * max(within_s, 1e-9)
    forward = [0.0] + [(drain + (k - 1) * impatience) / rate for k in range(1, longest + 1)]
    stay = [1.0] + [1 - forward[k] - impatience / rate for k in range(1, longest + 1)]
    now = [1.0] + [0.0] * longest
    found = [0.0] * (longest + 1)
    for n in range(int(steps + 9 * math.sqrt(steps + 1)) + 20):
        weight = math.exp(n * math.log(steps) - steps - math.lgamma(n + 1))
        for k in range(longest + 1):
            found[k] += weight * now[k]
        now = [1.0] + [forward[k] * now[k - 1] + stay[k] * now[k] for k in range(1, longest + 1)]
    return found
