"""A queue: who waits, in which order, and which agents are free for whom.

Nobody is scanned. Waiting callers stand in lines of equal needs and equal given priority, where age alone decides, so
that only the heads of lines are compared; free agents stand in sets by tier, and who meets a set of needs is known
once and kept until a skill changes.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from pbx.acd.agent import Agent, State
from pbx.acd.inputs import Joined
from pbx.acd.outputs import Face
from pbx.acd.skills import Key, met
from pbx.config.queues import Queue as QueueSpec

MOST_KEYS = 1000  # sets of needs remembered with those who meet them
Place = tuple[float, int, int, "Entry"]  # since, serial, ticket


@dataclass(slots=True, eq=False)
class Line:
    """Callers of equal needs and equal given priority, the oldest at the head; the head is always somebody."""

    key: Key
    able: set[Agent]
    heap: list[Place] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Offer:
    """An agent rung for a caller."""

    offer_id: str
    entry: Entry
    agent: Agent
    tier: int
    made_at: float
    answered: bool = False


@dataclass(slots=True)
class Virtual:
    """A callback's place in the line."""

    callback_id: str
    expires_at: float
    tries: int
    every_s: float
    attempt: int = 0
    dialling: bool = False  # an agent is there and the customer is called


@dataclass(frozen=True, slots=True)
class Promise:
    """What a caller was told of the wait."""

    at: float
    until: float
    agents: int  # who mattered then
    position: int
    first_s: float  # the first promise, by which the estimate is judged
    first_at: float


@dataclass(slots=True, eq=False)
class Entry:
    """A caller in a queue."""

    ask: Joined
    queue: Queue
    since: float  # the start of the queue step
    serial: int
    priority: int
    key: Key
    position: int = 0  # at entry
    held_for: Agent | None = None
    offers: list[Offer] = field(default_factory=list)
    claimed: Offer | None = None
    barred: dict[Agent, float] = field(default_factory=dict)
    step: int = -1  # linear: order of the last agent tried
    pauses_until: float = 0.0  # retry-s
    asks_more: bool = False  # ring-progressively: time for one agent more
    overdue: bool = False  # max-wait passed while an agent rings
    callback: Virtual | None = None
    announced: int = 0
    shown_position: int = 0
    promise: Promise | None = None
    ticket: int = 0  # its place in a line or with an agent; 0: out of sight
    line: Line | None = None

    @property
    def id(self) -> str:
        return self.ask.entry_id


@dataclass(slots=True, eq=False)
class Member:
    """An agent in a queue."""

    agent: Agent
    queue: Queue
    tier: int
    order: int
    calls: int = 0  # since the day began
    last_end: float = float("-inf")  # of the last call of this queue
    face: Face = ("", 1, "", "", 0.0, {})


def _growth(spec: QueueSpec) -> tuple[tuple[float, int], ...]:
    return tuple((rule.per_wait_s, rule.add) for rule in spec.priority if rule.per_wait_s is not None)


class Queue:
    """One queue's callers and members."""

    def __init__(self, name: str, spec: QueueSpec) -> None:
        self.name = name
        self.spec = spec
        self.members: dict[Agent, Member] = {}
        self.entries: dict[str, Entry] = {}  # everybody here, ringing or not; callbacks too
        self.free: dict[int, set[Agent]] = {}  # by tier
        self.staff: set[Agent] = set()  # members who are logged in
        self.last_offered = (-1, -1)  # of the last agent offered: order as a member, order in the configuration
        self.ringing = 0  # entries with an offer
        self.callbacks = 0
        self.open = True  # what callbacks call open hours
        self._lines: dict[int, dict[Key, Line]] = {}  # by given priority, then by needs
        self._held: dict[Agent, list[Entry]] = {}
        self._meets: dict[Key, set[Agent]] = {}
        self._ranks: dict[int, list[tuple[float, int]]] = {}  # by given priority: (since, serial)
        self._tickets = 0
        self._growth = _growth(spec)

    def follow(self, spec: QueueSpec) -> None:
        """Take new rules; who waits keeps the place."""
        self.spec = spec
        self._growth = _growth(spec)

    # ---- order -----------------------------------------------------------------------------------------------------

    def priority(self, given: int, since: float, now: float) -> int:
        """Return a priority as grown by waiting."""
        for per_s, add in self._growth:
            given += int((now - since) / per_s) * add
        return given

    def rank(self, entry: Entry, now: float) -> tuple[int, int, float, int]:
        """Order callers for an agent who may take several: weight, then priority, then age; the smallest is first."""
        priority = entry.priority
        if self._growth:
            priority = self.priority(priority, entry.since, now)
        return (-self.spec.weight, -priority, entry.since, entry.serial)

    def position(self, entry: Entry, now: float) -> int:
        """Return a caller's place, 1 being next."""
        mine = self.priority(entry.priority, entry.since, now)
        at = (entry.since, entry.serial)
        mine_key = (-mine, at)
        before = 0
        for given, line in self._ranks.items():
            if given == entry.priority:
                before += bisect_left(line, at)
            else:  # who came earlier is never less: the line is in order of grown priority too
                grown = partial(self._order, given, now)
                before += bisect_left(line, mine_key, key=grown)
        return before + 1

    def _order(self, given: int, now: float, at: tuple[float, int]) -> tuple[int, tuple[float, int]]:
        return (-self.priority(given, at[0], now), at)

    @property
    def waiting(self) -> int:
        """Callers on the line, callbacks not counted."""
        return len(self.entries) - self.callbacks

    def add(self, entry: Entry) -> None:
        self.entries[entry.id] = entry
        self.callbacks += entry.callback is not None
        insort(self._ranks.setdefault(entry.priority, []), (entry.since, entry.serial))

    def remove(self, entry: Entry) -> None:
        self.hide(entry)
        if self.entries.pop(entry.id, None) is not None:
            self.callbacks -= entry.callback is not None
            self._unrank(entry)

    def reprioritise(self, entry: Entry, priority: int) -> None:
        self.hide(entry)
        self._unrank(entry)
        entry.priority = priority
        insort(self._ranks.setdefault(priority, []), (entry.since, entry.serial))

    def _unrank(self, entry: Entry) -> None:
        line = self._ranks[entry.priority]
        del line[bisect_left(line, (entry.since, entry.serial))]
        if not line:
            del self._ranks[entry.priority]

    # ---- lines -----------------------------------------------------------------------------------------------------

    def show(self, entry: Entry) -> None:
        """Let agents find a caller."""
        self.hide(entry)
        self._tickets += 1
        entry.ticket = self._tickets
        if entry.held_for is not None:
            self._held.setdefault(entry.held_for, []).append(entry)
            return
        lines = self._lines.setdefault(entry.priority, {})
        line = lines.get(entry.key)
        if line is None:
            line = lines[entry.key] = Line(entry.key, self.meets(entry.key))
        entry.line = line
        heapq.heappush(line.heap, (entry.since, entry.serial, entry.ticket, entry))

    def hide(self, entry: Entry) -> None:
        """Take a caller out of agents' sight."""
        entry.ticket = 0
        line, entry.line = entry.line, None
        if line is not None:
            heap = line.heap
            while heap and heap[0][3].ticket != heap[0][2]:  # behind the head, the heap forgets when it gets there
                heapq.heappop(heap)
            if not heap:
                lines = self._lines[entry.priority]
                del lines[line.key]
                if not lines:
                    del self._lines[entry.priority]
        elif entry.held_for is not None and entry in (held := self._held.get(entry.held_for, [])):
            held.remove(entry)

    def held_for(self, agent: Agent) -> list[Entry]:
        """Return the callers kept for *agent*."""
        return list(self._held.get(agent, ()))

    def best_for(self, agent: Agent, now: float, may: Callable[[Agent, Entry], bool]) -> Entry | None:
        """Return the first caller that *agent* may take."""
        found: list[Entry] = []
        for lines in self._lines.values():
            first: Place | None = None
            for line in lines.values():
                head = line.heap[0]
                if (first is None or head < first) and agent in line.able:
                    if may(agent, head[3]):
                        first = head
                    elif behind := [x for x in line.heap if x[3].ticket == x[2] and may(agent, x[3])]:
                        first = min(first, *behind) if first is not None else min(behind)
            if first is not None:
                found.append(first[3])
        for entry in self._held.get(agent, ()):
            if agent in self.meets(entry.key) and may(agent, entry):
                found.append(entry)
        return min(found, key=lambda entry: self.rank(entry, now)) if len(found) > 1 else found[0] if found else None

    # ---- members ---------------------------------------------------------------------------------------------------

    def meets(self, key: Key) -> set[Agent]:
        """Return the members whose skills cover *key*."""
        found = self._meets.get(key)
        if found is None:
            if len(self._meets) > MOST_KEYS:
                self._meets.clear()
            found = self._meets[key] = {a for a in self.members if met(key, a.skills)}
        return found

    def skills_changed(self) -> None:
        """Forget who meets what."""
        self._meets.clear()
        for lines in self._lines.values():
            for line in lines.values():
                line.able = self.meets(line.key)

    def refresh(self, agent: Agent) -> None:
        """Follow what an agent became."""
        member = self.members.get(agent)
        if member is None:
            return
        if agent.free:
            self.free.setdefault(member.tier, set()).add(agent)
        elif (found := self.free.get(member.tier)) is not None:
            found.discard(agent)
        (self.staff.discard if agent.state is State.LOGGED_OUT else self.staff.add)(agent)
        detail, until = "", 0.0
        if agent.pause is not None:
            detail = agent.pause or "paused"
        if agent.wrap is not None:
            until = agent.wrap.until
        elif agent.rest_until:
            until = agent.rest_until
        elif agent.talk is not None:
            detail = agent.talk.queue
        member.face = (agent.name, member.tier, agent.state.value, detail, until, agent.skills)

    def take_in(self, agent: Agent, tier: int, order: int) -> None:
        """Make an agent a member, or move one to another tier."""
        member = self.members.get(agent)
        if member is None:
            member = self.members[agent] = Member(agent, self, tier, order)
            agent.members[self.name] = member
        else:
            self.free.get(member.tier, set()).discard(agent)
            member.tier = tier
        self.skills_changed()
        self.refresh(agent)

    def take_out(self, agent: Agent) -> None:
        member = self.members.pop(agent, None)
        if member is not None:
            self.free.get(member.tier, set()).discard(agent)
            self.staff.discard(agent)
            del agent.members[self.name]
            self.skills_changed()
