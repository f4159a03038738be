"""Bring callers and agents together after something changed.

Only what changed is looked at: a caller who may now be taken, an agent who may now take. Between two inputs no free
agent stands beside a caller they may take, so whoever changed is the only one who can make a pair.
"""

from __future__ import annotations

import heapq

from pbx.acd import offers
from pbx.acd.agent import Agent
from pbx.acd.floor import Floor
from pbx.acd.line import HOLDING, release, up_to_tier, wants_agents
from pbx.acd.outputs import Decided
from pbx.acd.queue import Entry
from pbx.acd.strategy import STRATEGIES

Ranked = tuple[tuple[int, int, float, int], int, Entry, Agent | None]


def match(floor: Floor) -> None:
    """Make every offer that can be made, the first caller first."""
    if not floor.changed_entries and not floor.changed_agents:
        return
    ranked: list[Ranked] = []
    for entry in floor.changed_entries.values():
        if entry.id in floor.entries:
            ranked.append((entry.queue.rank(entry, floor.now), len(ranked), entry, None))
    floor.changed_entries.clear()
    agents = list(floor.changed_agents.values())
    floor.changed_agents.clear()
    heapq.heapify(ranked)
    for agent in agents:
        _seek(floor, ranked, agent)
    count = len(ranked)
    while ranked:
        _, _, entry, for_agent = heapq.heappop(ranked)
        if for_agent is not None and not for_agent.free:
            continue
        offered = _open(floor, entry) and _serve(floor, entry)
        if for_agent is not None and for_agent.free and (offered or not _open(floor, entry)):
            count += 1
            _seek(floor, ranked, for_agent)


def _seek(floor: Floor, ranked: list[Ranked], agent: Agent) -> None:
    """Find the first caller whom a free agent may take, over all their queues."""
    if not agent.free:
        return

    def may(agent: Agent, entry: Entry) -> bool:
        return _open(floor, entry) and agent not in entry.barred and _tier_open(floor, entry, agent)

    best: Ranked | None = None
    for member in agent.members.values():
        spec = member.queue.spec
        if not spec.autofill and member.queue.ringing and not spec.strategy.startswith("ring"):
            continue  # one caller at a time
        entry = member.queue.best_for(agent, floor.now, may)
        if entry is not None:
            found: Ranked = (member.queue.rank(entry, floor.now), -1 - agent.order, entry, agent)
            if best is None or found[0] < best[0]:
                best = found
    if best is not None:
        heapq.heappush(ranked, best)


def _open(floor: Floor, entry: Entry) -> bool:
    """Tell whether a caller may be offered to anybody now."""
    if not wants_agents(entry) or entry.id not in floor.entries:
        return False
    queue = entry.queue
    if entry.callback is not None and not queue.open:
        return False
    return queue.spec.autofill or not queue.ringing or bool(entry.offers)


def _last_tier(floor: Floor, entry: Entry) -> int:
    """Return the highest tier that may be asked; 0: any. While some ring, nobody of a higher tier joins them."""
    by_wait = up_to_tier(entry, floor.now)
    if entry.offers and entry.queue.spec.strategy == "ring-all":
        ringing = min(offer.tier for offer in entry.offers)
        return min(ringing, by_wait) if by_wait else ringing
    return by_wait


def _tier_open(floor: Floor, entry: Entry, agent: Agent) -> bool:
    if entry.held_for is agent:
        return True
    last = _last_tier(floor, entry)
    return not last or entry.queue.members[agent].tier <= last


def _candidates(floor: Floor, entry: Entry) -> set[Agent]:
    """Return those of the lowest tier who may take a caller now."""
    queue = entry.queue
    able = queue.meets(entry.key)
    if entry.held_for is not None:
        agent = entry.held_for
        return {agent} if agent.free and agent in able and agent not in entry.barred else set()
    last = _last_tier(floor, entry)
    for tier in sorted(queue.free):
        if last and tier > last:
            break
        if found := queue.free[tier] & able:
            if entry.barred:
                found.difference_update(entry.barred)
            if found:
                return found
    return set()


def _serve(floor: Floor, entry: Entry) -> bool:
    """Offer a caller to whom the strategy says; False where nobody may."""
    queue = entry.queue
    held_for = entry.held_for
    if held_for is not None and (held_for.state not in HOLDING or held_for not in queue.meets(entry.key)):
        release(floor, entry)  # the one they know went away
        floor.changed_entries.pop(entry.id, None)
    found = _candidates(floor, entry)
    if not found:
        if not entry.offers:
            _decide(floor, entry, [])
        return False
    chosen = STRATEGIES[queue.spec.strategy](found, queue, entry, floor.random)
    _decide(floor, entry, chosen)
    entry.asks_more = False
    if queue.spec.strategy != "ring-all":
        queue.hide(entry)
    for agent in chosen:
        offers.make(floor, entry, agent)
    if queue.spec.strategy == "ring-progressively":
        floor.timers.set(floor.now + queue.spec.ring_step_s, "step", entry.id)
    return True


def _decide(floor: Floor, entry: Entry, chosen: list[Agent]) -> None:
    """Keep what there was to choose from: references only, made into words by :mod:`pbx.acd.explain`."""
    queue = entry.queue
    floor.out.append(
        Decided(
            entry.id,
            queue.name,
            floor.now,
            floor.now - entry.since,
            entry.key,
            tuple([agent.name for agent in chosen]),
            queue.spec.strategy,
            entry.held_for.name if entry.held_for is not None else "",
            _last_tier(floor, entry),
            tuple([agent.name for agent in entry.barred]),
            tuple([member.face for member in queue.members.values()]),
        )
    )
