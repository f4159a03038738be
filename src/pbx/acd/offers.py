"""An offer: ring this agent for this caller, and what may become of that. One agent, one claim."""

from __future__ import annotations

from pbx.acd import inputs, line, roster
from pbx.acd.agent import Agent, Move, State, Talk
from pbx.acd.floor import Floor
from pbx.acd.outputs import AutoPaused, CancelOffer, Claimed, MakeOffer, OfferOver, TooLate
from pbx.acd.queue import Entry, Offer

SETUP_S = 3.0  # no 180 within it: the phone is not there
REST_S = 10.0  # after a refusal
AUTO_PAUSE = "missed-offers"


def make(floor: Floor, entry: Entry, agent: Agent) -> None:
    """Reserve an agent for a caller and have the phone rung."""
    queue, spec = entry.queue, entry.queue.spec
    member = queue.members[agent]
    offer = Offer(f"o{floor.name}{floor.number()}", entry, agent, member.tier, floor.now)
    floor.offers[offer.offer_id] = offer
    agent.offer = offer
    if not entry.offers:
        queue.ringing += 1
    entry.offers.append(offer)
    entry.step = agent.order
    queue.last_offered = (member.order, agent.order)
    roster.become(floor, agent, Move.RESERVE, "offer")
    ring_s = next(s for s in (agent.spec.ring_s, entry.ask.ring_s, spec.ring_s) if s is not None)
    floor.timers.set(floor.now + min(SETUP_S, ring_s), "setup", offer.offer_id)
    floor.timers.set(floor.now + ring_s, "ring", offer.offer_id)
    callback_id = entry.callback.callback_id if entry.callback is not None else ""
    floor.out.append(
        MakeOffer(offer.offer_id, entry.id, queue.name, agent.name, member.tier, ring_s, callback_id=callback_id)
    )


def rang(floor: Floor, what: inputs.OfferRang) -> None:
    offer = floor.offers.get(what.offer_id)
    if offer is not None and offer.agent.state is State.RESERVED:
        floor.timers.cancel("setup", offer.offer_id)
        roster.become(floor, offer.agent, Move.RING, "offer")


def answered(floor: Floor, what: inputs.OfferAnswered) -> None:
    """Give the caller to who picked up first; everybody else stops ringing."""
    offer = floor.offers.get(what.offer_id)
    if offer is None or offer.answered:
        floor.out.append(TooLate(what.offer_id, offer.agent.name if offer else ""))
        return
    entry = offer.entry
    offer.answered = True
    entry.claimed = offer
    entry.queue.hide(entry)
    floor.timers.cancel("setup", offer.offer_id)
    floor.timers.cancel("ring", offer.offer_id)
    for other in [o for o in entry.offers if o is not offer]:
        withdraw(floor, other, "cancelled", "elsewhere")
    callback_id = entry.callback.callback_id if entry.callback is not None else ""
    floor.out.append(Claimed(offer.offer_id, entry.id, offer.agent.name, callback_id=callback_id))


def joined(floor: Floor, what: inputs.OfferJoined) -> None:
    """Both hear each other: the entry is answered."""
    offer = floor.offers.get(what.offer_id)
    if offer is None or not offer.answered:
        return
    entry, agent = offer.entry, offer.agent
    _forget(floor, offer)
    _tell(floor, offer, "answered", 200)
    agent.missed = 0
    member = agent.members.get(entry.queue.name)
    if member is not None:
        member.calls += 1
    agent.talk = Talk(entry.id, entry.queue.name, floor.now, roster.wrap_up_of(agent, entry.queue))
    roster.become(floor, agent, Move.TALK, "answered")
    if entry.callback is None:
        line.leave(floor, entry, "answered", agent=agent.name)
    else:
        line.dialling(floor, entry)


def failed(floor: Floor, what: inputs.OfferFailed) -> None:
    if (offer := floor.offers.get(what.offer_id)) is not None:
        over(floor, offer, what.outcome, what.status)


def timed_out(floor: Floor, offer: Offer) -> None:
    """Nobody picked up."""
    withdraw(floor, offer, "missed", "no-answer")


def never_rang(floor: Floor, offer: Offer) -> None:
    """There is no phone: go on to the next agent at once."""
    withdraw(floor, offer, "failed", "no-answer")


def withdraw(floor: Floor, offer: Offer, outcome: str, why: str) -> None:
    """Stop an agent's phone."""
    floor.out.append(CancelOffer(offer.offer_id, offer.agent.name, why))
    over(floor, offer, outcome, 0)


def over(floor: Floor, offer: Offer, outcome: str, status: int) -> None:
    """End an offer that joined nobody: what it means to the agent, and to the caller."""
    entry, agent = offer.entry, offer.agent
    _forget(floor, offer)
    _tell(floor, offer, outcome, status)
    if outcome == "missed":
        _count_missed(floor, agent, entry.queue.spec.auto_pause_after)
    elif outcome == "declined":
        agent.missed = 0
        agent.rest_until = floor.now + REST_S
        floor.timers.set(agent.rest_until, "rest", agent.name)
    elif outcome == "failed":
        agent.reachable = False
    roster.settle(floor, agent, f"offer {outcome}", fault=outcome in ("missed", "declined"))
    if outcome != "cancelled":
        line.bar(floor, entry, agent)
        if entry.held_for is agent:
            line.release(floor, entry)
    if entry.claimed is None:
        line.unanswered(floor, entry)


def _count_missed(floor: Floor, agent: Agent, limit: int) -> None:
    agent.missed += 1
    if limit and agent.missed >= limit and agent.pause is None:
        agent.pause = AUTO_PAUSE
        floor.out.append(AutoPaused(agent.name, agent.missed))


def _forget(floor: Floor, offer: Offer) -> None:
    entry = offer.entry
    del floor.offers[offer.offer_id]
    offer.agent.offer = None
    entry.offers.remove(offer)
    if entry.claimed is offer:
        entry.claimed = None
    if not entry.offers:
        entry.queue.ringing -= 1
    floor.timers.cancel("setup", offer.offer_id)
    floor.timers.cancel("ring", offer.offer_id)


def _tell(floor: Floor, offer: Offer, outcome: str, status: int) -> None:
    ring_ms = round((floor.now - offer.made_at) * 1000)
    entry, agent = offer.entry, offer.agent
    floor.out.append(OfferOver(offer.offer_id, entry.id, entry.queue.name, agent.name, outcome, status, ring_ms))
