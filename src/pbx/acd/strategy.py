"""Which of several agents who may: one function a strategy, each a sort key or a draw.

All that tie are told apart by who has been idle longest over all queues, then by their order in the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from pbx.acd.agent import Agent
from pbx.acd.queue import Entry, Queue
from pbx.acd.skills import score
from pbx.config.queues import Strategy


class Random(Protocol):
    def random(self) -> float:
        """Return a number in [0, 1)."""


Choose = Callable[[Collection[Agent], Queue, Entry, Random], list[Agent]]
"""Takes those of one tier who may, at least one, and returns whom to ring, in order."""


def _idle(agent: Agent) -> tuple[float, int]:
    return (agent.idle_since, agent.order)


def longest_idle(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    return [min(agents, key=_idle)]


def ring_all(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    return sorted(agents, key=_idle)


def _after(agents: Collection[Agent], last: int, place: Callable[[Agent], int]) -> list[Agent]:
    """Return the first agent behind *last*, around the end of the list."""
    return [min(agents, key=lambda a: (place(a) <= last, place(a)))]


def round_robin(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Go on after the last agent offered, in the order in which agents became members."""
    return _after(agents, queue.last_offered[0], lambda a: queue.members[a].order)


def round_robin_ordered(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Go on after the last agent offered, in the order of the configuration."""
    return _after(agents, queue.last_offered[1], lambda a: a.order)


def linear(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Go down the list: each caller from its top, and on from the agent last tried for them."""
    return _after(agents, entry.step, lambda a: a.order)


def sequential(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Take the first of the list, each time."""
    return [min(agents, key=lambda a: a.order)]


def least_recent(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Take whose last call of this queue ended first."""
    return [min(agents, key=lambda a: (queue.members[a].last_end, *_idle(a)))]


def fewest_calls(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Take who answered fewest calls of this queue today."""
    return [min(agents, key=lambda a: (queue.members[a].calls, *_idle(a)))]


def least_talk_time(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Take who talked least today, over all queues."""
    return [min(agents, key=lambda a: (a.talk_s, *_idle(a)))]


def at_random(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    ordered = sorted(agents, key=lambda a: a.order)
    return [ordered[int(random.random() * len(ordered))]]


def weighted_random(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Draw by the agents' weights."""
    ordered = sorted(agents, key=lambda a: a.order)
    left = random.random() * sum(a.spec.weight for a in ordered)
    for agent in ordered:
        left -= agent.spec.weight
        if left < 0:
            return [agent]
    return ordered[-1:]


def best_skill(agents: Collection[Agent], queue: Queue, entry: Entry, random: Random) -> list[Agent]:
    """Take the highest levels in what the call needs now."""
    return [min(agents, key=lambda a: (-score(entry.key, a.skills), *_idle(a)))]


STRATEGIES: dict[Strategy, Choose] = {
    "ring-all": ring_all,
    "ring-progressively": longest_idle,  # one more after each ring-step-s
    "longest-idle": longest_idle,
    "round-robin": round_robin,
    "round-robin-ordered": round_robin_ordered,
    "least-recent": least_recent,
    "fewest-calls": fewest_calls,
    "least-talk-time": least_talk_time,
    "random": at_random,
    "weighted-random": weighted_random,
    "linear": linear,
    "top-down": linear,
    "sequential": sequential,
    "best-skill": best_skill,
}
