"""A call centre in simulated time, through the live core: what a day would be with these callers and these agents."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pbx.acd import inputs
from pbx.acd import outputs as out
from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.skills import Need
from pbx.config.queues import Queue


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who will call."""

    at: float  # seconds since the day began
    queue: str
    handling_s: float
    patience_s: float = float("inf")
    needs: tuple[Need, ...] = ()
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Shift:
    agent: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class People:
    """How agents behave."""

    answer_s: float = 3.0  # ringing until they pick up
    ignores: float = 0.0  # share of offers that they let ring


@dataclass(slots=True)
class Day:
    """What a simulated day came to, by queue; counted as FIGURES define it."""

    entered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    short: int = 0  # abandons within short-abandon-s
    early_exits: int = 0  # by key, overflow, move or callback within the service level
    timed_out: int = 0
    emptied: int = 0
    refused: int = 0
    wait_answered_s: float = 0.0
    wait_all_s: float = 0.0
    waited: int = 0  # entries that were not offered to an agent at once
    longest_s: float = 0.0
    waits: list[tuple[float, float]] = field(default_factory=list)  # (entered, waited), where they are kept


@dataclass(slots=True)
class Result:
    """One run."""

    queues: dict[str, Day]
    busy_s: float  # talk, hold and wrap-up
    ready_s: float  # ready, reserved, ringing
    promises_kept: int = 0
    promises_broken: int = 0

    @property
    def occupancy(self) -> float | None:
        total = self.busy_s + self.ready_s
        return self.busy_s / total if total else None


class Simulation:
    """One run of the core. *seed* decides everything that is drawn."""

    def __init__(
        self,
        queues: Mapping[str, Queue],
        agents: Mapping[str, AgentSpec],
        callers: Iterable[Caller],
        shifts: Iterable[Shift],
        *,
        seed: int,
        people: People | None = None,
        count_from_s: float = 0.0,
        keep_waits: bool = False,
    ) -> None:
        self.days = {name: Day() for name in queues}
        self._queues = queues
        self._random = random.Random(seed)
        self._core = Core(queues, agents, random.Random(seed + 1))
        self._people = people or People()
        self._count_from_s = count_from_s
        self._keep_waits = keep_waits
        self._agenda: list[tuple[float, int, object]] = []
        self._number = 0
        self._callers: dict[str, Caller] = {}
        self._states: dict[str, tuple[str, float]] = {}
        self._seconds: dict[str, float] = {}
        self._now = 0.0
        for caller in callers:
            self._at(caller.at, caller)
        for shift in shifts:
            self._at(shift.start_s, inputs.LoggedIn(agent=shift.agent))
            self._at(shift.end_s, inputs.LoggedOut(agent=shift.agent))

    def run(self) -> Result:
        """Play the day to its end: everybody served or gone."""
        agenda, core = self._agenda, self._core
        while agenda:
            deadline = core.deadline
            if deadline is not None and deadline < agenda[0][0]:
                self._now = deadline
                self._feed(inputs.TimePassed())
                continue
            self._now, _, what = heapq.heappop(agenda)
            if isinstance(what, Caller):
                self._number += 1
                entry_id = f"e{self._number}"
                self._callers[entry_id] = what
                self._feed(inputs.Joined(entry_id=entry_id, queue=what.queue, needs=what.needs, priority=what.priority))
            elif isinstance(what, inputs.Left):
                if what.entry_id in core.entries:
                    self._feed(what)
            else:
                assert isinstance(what, inputs.Input)
                self._feed(what)
        for agent in self._states:
            self._count_state(agent, "end")
        busy_s = self._seconds.get("on-call", 0.0) + self._seconds.get("wrap-up", 0.0)
        ready_s = sum(self._seconds.get(state, 0.0) for state in ("ready", "reserved", "ringing"))
        kept = [core.promises(name) for name in self._queues]
        return Result(self.days, busy_s, ready_s, sum(k for k, _ in kept), sum(b for _, b in kept))

    def _at(self, at: float, what: object) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (at, self._number, what))

    def _feed(self, what: inputs.Input) -> None:
        self._core.handle(what, self._now)
        for output in self._core.outputs():
            self._follow(output)

    def _follow(self, output: out.Output) -> None:
        match output:
            case out.MakeOffer():
                self._ring(output)
            case out.Claimed():
                self._at(self._now, inputs.OfferJoined(offer_id=output.offer_id))
            case out.AgentMoved():
                self._count_state(output.agent, output.now)
            case out.Entered():
                caller = self._callers[output.entry_id]
                if caller.at >= self._count_from_s:
                    self.days[output.queue].entered += 1
                if caller.patience_s < 1e9:
                    self._at(self._now + caller.patience_s, inputs.Left(entry_id=output.entry_id))
            case out.Exited():
                self._exit(output)
            case out.Refused():
                self._callers.pop(output.entry_id)
                self.days[output.queue].refused += 1
            case _:
                pass

    def _ring(self, offer: out.MakeOffer) -> None:
        self._at(self._now, inputs.OfferRang(offer_id=offer.offer_id))
        if not self._people.ignores or self._random.random() >= self._people.ignores:
            self._at(self._now + self._people.answer_s, inputs.OfferAnswered(offer_id=offer.offer_id))

    def _exit(self, left: out.Exited) -> None:
        caller = self._callers.pop(left.entry_id)
        wait_s = left.wait_ms / 1000
        if left.exit == "answered":
            self._at(self._now + caller.handling_s, inputs.CallOver(agent=left.agent, entry_id=left.entry_id))
        if caller.at < self._count_from_s:
            return
        day, spec = self.days[left.queue], self._queues[left.queue]
        in_time = wait_s <= spec.service_level_s
        day.wait_all_s += wait_s
        day.longest_s = max(day.longest_s, wait_s)
        day.waited += wait_s > self._people.answer_s + 1e-6
        if self._keep_waits:
            day.waits.append((caller.at, wait_s))
        if left.exit == "answered":
            day.answered += 1
            day.answered_in_time += in_time
            day.wait_answered_s += wait_s
        elif left.exit == "abandoned":
            day.abandoned += 1
            day.short += wait_s <= spec.short_abandon_s
        else:
            day.timed_out += left.exit == "timeout"
            day.emptied += left.exit == "emptied"
            day.early_exits += in_time and left.exit != "lost"

    def _count_state(self, agent: str, now: str) -> None:
        state, since = self._states.get(agent, ("logged-out", self._now))
        begin = max(since, self._count_from_s)
        if self._now > begin:
            self._seconds[state] = self._seconds.get(state, 0.0) + self._now - begin
        self._states[agent] = (now, self._now)
