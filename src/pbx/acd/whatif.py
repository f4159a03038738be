"""What if: days of calls by a profile, run again and again, as figures with confidence intervals."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

from pbx.acd.agent import AgentSpec
from pbx.acd.simulate import Caller, People, Result, Shift, Simulation
from pbx.acd.skills import Need
from pbx.config.queues import Queue

# Student's t for 95 %, by degrees of freedom; beyond the table the normal quantile is near enough.
_T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10,
        2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over days, with its 95 % confidence limits; None: nothing to take the mean of."""

    mean: float | None
    half: float | None  # None: one day gives no limits

    @property
    def low(self) -> float | None:
        return None if self.mean is None or self.half is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        return None if self.mean is None or self.half is None else self.mean + self.half


def interval(values: Sequence[float | None]) -> Interval:
    known = [value for value in values if value is not None]
    if not known:
        return Interval(None, None)
    if len(known) == 1:
        return Interval(known[0], None)
    degrees = len(known) - 1
    t = _T95[degrees - 1] if degrees <= len(_T95) else 1.96
    return Interval(fmean(known), t * stdev(known) / math.sqrt(len(known)))


@dataclass(frozen=True, slots=True)
class Load:
    """Who calls one queue: calls an hour for each hour of the day, exponential times."""

    queue: str
    per_hour: tuple[float, ...]
    handling_s: float
    patience_s: float = math.inf
    needs: tuple[Need, ...] = ()


def day_of(loads: Sequence[Load], seed: int) -> list[Caller]:
    """Draw a day: Poisson arrivals by the hour, exponential handling and patience."""
    rng = random.Random(seed)
    callers: list[Caller] = []
    for load in loads:
        for hour, rate in enumerate(load.per_hour):
            at = hour * 3600.0
            while rate > 0 and (at := at + rng.expovariate(rate / 3600)) < (hour + 1) * 3600:
                patience_s = rng.expovariate(1 / load.patience_s) if load.patience_s < math.inf else math.inf
                handling_s = rng.expovariate(1 / load.handling_s)
                callers.append(Caller(at, load.queue, handling_s, patience_s, load.needs))
    return sorted(callers, key=lambda caller: caller.at)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    queues: Mapping[str, Queue]
    agents: Mapping[str, AgentSpec]
    shifts: tuple[Shift, ...]
    people: People = field(default_factory=People)

    def with_agents(self, more: int) -> Plan:
        """Add copies of agents, or take the last away; each copy works when its model does.

        :raises ValueError: where nobody would be left.
        """
        names = list(self.agents)
        if more < 0:
            kept = names[: len(names) + more]
            if not kept:
                raise ValueError(f"there are only {len(names)} agents")
            return replace(
                self,
                agents={name: self.agents[name] for name in kept},
                shifts=tuple(shift for shift in self.shifts if shift.agent in kept),
            )
        agents, shifts = dict(self.agents), list(self.shifts)
        for n in range(more):
            model = names[n % len(names)]
            name = f"{model}+{n // len(names) + 1}"
            agents[name] = replace(self.agents[model], name=name)
            shifts += [replace(shift, agent=name) for shift in self.shifts if shift.agent == model]
        return replace(self, agents=agents, shifts=tuple(shifts))

    def with_shift(self, longer_s: float) -> Plan:
        """Let everybody stay longer, or go earlier."""
        return replace(self, shifts=tuple(replace(s, end_s=max(s.start_s, s.end_s + longer_s)) for s in self.shifts))

    def with_strategy(self, strategy: str) -> Plan:
        """Give every queue another strategy."""
        return replace(
            self,
            queues={name: Queue.model_validate({**dict(q), "strategy": strategy}) for name, q in self.queues.items()},
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """One queue's figures over the simulated days."""

    queue: str
    entered: Interval
    service_level: Interval
    asa_s: Interval
    abandoned: Interval  # share of entered, short ones out on both sides
    longest_s: Interval


def run(plan: Plan, callers: Callable[[int], Sequence[Caller]], days: int, seed: int) -> list[Result]:
    """Simulate *days* independent days; ``callers(seed)`` draws one."""
    return [
        Simulation(
            plan.queues, plan.agents, callers(seed + day), plan.shifts, seed=seed + day, people=plan.people
        ).run()
        for day in range(days)
    ]


def figures(queue: str, results: Sequence[Result]) -> Figures:
    """Put the days together."""
    days = [result.queues[queue] for result in results]
    levels, shares = [], []
    for day in days:
        base = day.entered - day.short - day.early_exits
        levels.append(day.answered_in_time / base if base > 0 else None)
        long_base = day.entered - day.short
        shares.append((day.abandoned - day.short) / long_base if long_base > 0 else None)
    return Figures(
        queue,
        interval([float(day.entered) for day in days]),
        interval(levels),
        interval([day.wait_answered_s / day.answered if day.answered else None for day in days]),
        interval(shares),
        interval([day.longest_s if day.entered else None for day in days]),
    )
