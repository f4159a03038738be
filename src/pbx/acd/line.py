"""What happens to callers: in, out by exactly one exit, and what waiting changes on the way."""

from __future__ import annotations

from dataclasses import replace

from pbx.acd import inputs, offers
from pbx.acd.agent import Agent, State
from pbx.acd.floor import Floor
from pbx.acd.outputs import (
    Announce,
    CallbackMoved,
    Entered,
    Exited,
    OfferCallback,
    Promised,
    PromiseKept,
    Refused,
)
from pbx.acd.queue import Entry, Promise, Queue, Virtual
from pbx.acd.skills import relaxed
from pbx.acd.wait import in_minutes

TIMERS = ("max-wait", "waiting", "hold", "announce", "callback-offer", "retry", "step", "bar", "expire")
HOLDING = (State.READY, State.RESERVED, State.RINGING, State.ON_CALL, State.WRAP_UP)


# ---- in ------------------------------------------------------------------------------------------------------------


def joined(floor: Floor, what: inputs.Joined) -> None:
    """Admit a caller, or say why not."""
    queue = floor.queues[what.queue]
    entry = Entry(what, queue, floor.now, floor.number(), what.priority, relaxed(what.needs, (), 0.0))
    why = _refusal(floor, entry, closed=what.closed)
    if why:
        floor.out.append(Refused(entry.id, queue.name, why))
        return
    floor.entries[entry.id] = entry
    queue.add(entry)
    entry.position = queue.position(entry, floor.now)
    floor.out.append(Entered(entry.id, queue.name, entry.position))
    spec = queue.spec
    max_wait_s = spec.max_wait_s if what.max_wait_s is None else what.max_wait_s
    floor.timers.set(floor.now + max_wait_s, "max-wait", entry.id)
    _next_change(floor, entry)
    _hold(floor, entry)
    if spec.announce is not None:
        floor.timers.set(floor.now + spec.announce.first_s, "announce", entry.id)
    if spec.callback is not None:
        floor.timers.set(floor.now + spec.callback.offer_after_s, "callback-offer", entry.id)
    queue.show(entry)
    floor.look_at(entry)


def _refusal(floor: Floor, entry: Entry, *, closed: bool) -> str:
    queue = entry.queue
    if closed:
        return "closed"
    if not queue.staff:
        return "no-agents"
    if queue.waiting >= queue.spec.max_callers:
        return "full"
    if (limit_s := queue.spec.max_expected_wait_s) is not None and queue.waiting:
        expected_s = floor.waits[queue.name].estimate(queue.waiting + 1, _who_matter(queue, entry))
        if expected_s is not None and expected_s > limit_s:
            return "full"
    return ""


def _hold(floor: Floor, entry: Entry) -> None:
    """Keep a caller for the agent they know, while that agent works; at most ``prefer-s``."""
    queue = entry.queue
    agent = floor.agents.get(entry.ask.prefer)
    if agent is not None and queue.spec.prefer_s > 0 and agent in queue.meets(entry.key) and agent.state in HOLDING:
        entry.held_for = agent
        floor.timers.set(floor.now + queue.spec.prefer_s, "hold", entry.id)


def release(floor: Floor, entry: Entry) -> None:
    """Keep a caller for nobody any more."""
    if entry.held_for is None:
        return
    floor.timers.cancel("hold", entry.id)
    entry.queue.hide(entry)
    entry.held_for = None
    _again(floor, entry)


# ---- while waiting -------------------------------------------------------------------------------------------------


def _next_change(floor: Floor, entry: Entry) -> None:
    """Wake when waiting next lowers a need or opens a tier."""
    spec = entry.queue.spec
    waited_s = floor.now - entry.since
    times = [rule.after_s for rule in spec.tiers]
    if any(need.relax for need in entry.ask.needs):
        times += [rule.after_s for rule in spec.relax]
    if ahead := [t for t in times if t > waited_s]:
        floor.timers.set(entry.since + min(ahead), "waiting", entry.id)


def waited(floor: Floor, entry: Entry) -> None:
    """Follow what waiting changed."""
    queue = entry.queue
    key = relaxed(entry.ask.needs, queue.spec.relax, floor.now - entry.since + 1e-9)
    if key != entry.key:
        shown = bool(entry.ticket)
        queue.hide(entry)
        entry.key = key
        if shown:
            queue.show(entry)
    _next_change(floor, entry)
    floor.look_at(entry)


def up_to_tier(entry: Entry, now: float) -> int:
    """Return the highest tier that may be asked by now; 0: any."""
    rules = entry.queue.spec.tiers
    if not rules:
        return 0
    waited_s = now - entry.since + 1e-9
    return max([1, *(rule.up_to for rule in rules if rule.after_s <= waited_s)])


def bar(floor: Floor, entry: Entry, agent: Agent) -> None:
    """Do not ask the same agent again at once."""
    after_s = entry.queue.spec.same_agent_after_s
    if after_s > 0 and entry.id in floor.entries:
        entry.barred[agent] = floor.now + after_s
        floor.timers.set(min(entry.barred.values()), "bar", entry.id)


def unbar(floor: Floor, entry: Entry) -> None:
    entry.barred = {agent: until for agent, until in entry.barred.items() if until > floor.now}
    if entry.barred:
        floor.timers.set(min(entry.barred.values()), "bar", entry.id)
    floor.look_at(entry)


def unanswered(floor: Floor, entry: Entry) -> None:
    """Go on after an offer that joined nobody."""
    if entry.id not in floor.entries:
        return
    if entry.offers:
        entry.asks_more = entry.queue.spec.strategy == "ring-progressively"
        _again(floor, entry)
        return
    floor.timers.cancel("step", entry.id)
    if entry.overdue:
        leave(floor, entry, "timeout")
    elif (retry_s := entry.queue.spec.retry_s) > 0:
        pause(floor, entry, retry_s)
    else:
        _again(floor, entry)
    reopen_serial(floor, entry.queue)


def pause(floor: Floor, entry: Entry, for_s: float) -> None:
    """Offer a caller to nobody for a while."""
    entry.pauses_until = floor.now + for_s
    entry.queue.hide(entry)
    floor.timers.set(entry.pauses_until, "retry", entry.id)


def retry(floor: Floor, entry: Entry) -> None:
    entry.pauses_until = 0.0
    _again(floor, entry)


def ask_more(floor: Floor, entry: Entry) -> None:
    """Ring one agent more (ring-progressively)."""
    entry.asks_more = True
    _again(floor, entry)


def wants_agents(entry: Entry) -> bool:
    """Tell whether a caller may be offered to one agent more."""
    if entry.claimed is not None or entry.pauses_until or entry.overdue:
        return False
    if entry.callback is not None and entry.callback.dialling:
        return False
    strategy = entry.queue.spec.strategy
    return not entry.offers or strategy == "ring-all" or (strategy == "ring-progressively" and entry.asks_more)


def _again(floor: Floor, entry: Entry) -> None:
    if wants_agents(entry):
        entry.queue.show(entry)
        floor.look_at(entry)


def reopen_serial(floor: Floor, queue: Queue) -> None:
    """Where callers are served one at a time, let the next be looked at."""
    if not queue.spec.autofill and not queue.ringing:
        for entry in queue.entries.values():
            floor.look_at(entry)


# ---- out -----------------------------------------------------------------------------------------------------------


def left(floor: Floor, what: inputs.Left) -> None:
    if (entry := floor.entries.get(what.entry_id)) is not None and entry.callback is None:
        leave(floor, entry, what.exit, key=what.key)


def leave(floor: Floor, entry: Entry, how: str, *, agent: str = "", key: str = "") -> None:
    """Close an entry by its one exit."""
    queue = entry.queue
    wait_s = floor.now - entry.since
    position = queue.position(entry, floor.now)
    remove(floor, entry)
    floor.out.append(Exited(entry.id, queue.name, how, agent, key, round(wait_s * 1000), position, entry.position))
    _judge(floor, entry, how)


def remove(floor: Floor, entry: Entry) -> None:
    """Take an entry off the floor; who rings for it stops, without fault."""
    del floor.entries[entry.id]
    entry.queue.remove(entry)
    for offer in list(entry.offers):
        offers.withdraw(floor, offer, "cancelled", "caller-left")
    for what in TIMERS:
        floor.timers.cancel(what, entry.id)
    floor.changed_entries.pop(entry.id, None)
    reopen_serial(floor, entry.queue)


def overdue(floor: Floor, entry: Entry) -> None:
    """End a wait that was long enough, but never while an agent rings."""
    if entry.offers:
        entry.overdue = True
    else:
        leave(floor, entry, "timeout")


def emptied(floor: Floor, queue: Queue) -> None:
    """Let everybody go: nobody has been logged in for ``empty-after-s``."""
    if queue.staff:
        return
    for entry in list(queue.entries.values()):
        if entry.callback is None:
            leave(floor, entry, "emptied")


def prioritised(floor: Floor, what: inputs.Prioritised) -> None:
    if (entry := floor.entries.get(what.entry_id)) is not None:
        shown = bool(entry.ticket)
        entry.queue.reprioritise(entry, what.priority)
        if shown:
            _again(floor, entry)


# ---- what callers are told -----------------------------------------------------------------------------------------


def _who_matter(queue: Queue, entry: Entry) -> int:
    return sum(a.state in HOLDING for a in queue.meets(entry.key))


def announce(floor: Floor, entry: Entry) -> None:
    """Tell position and wait: a position never rises, a wait only with a cause."""
    rule = entry.queue.spec.announce
    if rule is None or entry.claimed is not None:
        return
    floor.timers.set(floor.now + rule.every_s, "announce", entry.id)
    position = entry.queue.position(entry, floor.now)
    shown = min(position, entry.shown_position or position)
    entry.shown_position = shown
    wait_s = in_minutes(w) if rule.wait and (w := _promise(floor, entry, position)) is not None else None
    said = shown if rule.position and shown <= rule.position_limit else None
    floor.out.append(Announce(entry.id, said, wait_s, entry.announced))
    entry.announced += 1
    if said is not None or wait_s is not None:
        floor.out.append(
            Promised(entry.id, entry.queue.name, position, None if wait_s is None else round(wait_s * 1000))
        )


def _promise(floor: Floor, entry: Entry, position: int) -> float | None:
    """Return the wait to tell, in seconds from now; None where it cannot be known or was not kept."""
    agents = _who_matter(entry.queue, entry)
    told = entry.promise
    estimate_s = floor.waits[entry.queue.name].estimate(position, agents)
    if estimate_s is None:
        return None
    until = floor.now + estimate_s
    if told is not None:
        caused = agents < told.agents or position > told.position
        if until > told.until and not caused:
            until = told.until
    if until <= floor.now:
        return None
    first_s, first_at = (told.first_s, told.first_at) if told is not None else (until - floor.now, floor.now)
    entry.promise = Promise(floor.now, until, agents, position, first_s, first_at)
    return until - floor.now


def _judge(floor: Floor, entry: Entry, how: str) -> None:
    """Record how the first promise turned out; a caller who gave up in time proves nothing."""
    told = entry.promise
    if told is None:
        return
    waited_s = floor.now - told.first_at
    if how == "answered" or waited_s > told.first_s:
        floor.waits[entry.queue.name].judge(told.first_s, waited_s)
        floor.out.append(PromiseKept(entry.id, entry.queue.name, round((waited_s - told.first_s) * 1000)))


def dialling(floor: Floor, entry: Entry) -> None:
    """An agent is there: the customer is dialled, and nobody else is asked meanwhile."""
    assert entry.callback is not None
    entry.callback.dialling = True
    floor.out.append(CallbackMoved(entry.id, entry.queue.name, "dialling", entry.callback.attempt + 1))


def offer_callback(floor: Floor, entry: Entry) -> None:
    if entry.claimed is None:
        floor.out.append(OfferCallback(entry.id))


# ---- callbacks -----------------------------------------------------------------------------------------------------


def callback_taken(floor: Floor, what: inputs.CallbackTaken) -> None:
    """Close the entry and keep its place."""
    entry = floor.entries.get(what.entry_id)
    if entry is None or entry.claimed is not None or entry.callback is not None:
        return
    leave(floor, entry, "callback")
    place = Virtual(what.callback_id, floor.now + what.expires_s, what.tries, what.every_s)
    ask = replace(entry.ask, entry_id=what.callback_id, prefer="", source="callback")
    _queue_up(floor, Entry(ask, entry.queue, entry.since, entry.serial, entry.priority, entry.key, callback=place))


def callback_restored(floor: Floor, what: inputs.CallbackRestored) -> None:
    place = Virtual(what.callback_id, floor.now + what.expires_s, what.tries, what.every_s, what.attempt)
    queue = floor.queues[what.queue]
    since = floor.now - what.waited_s
    ask = inputs.Joined(
        entry_id=what.callback_id, queue=what.queue, priority=what.priority, needs=what.needs, source="callback"
    )
    key = relaxed(what.needs, queue.spec.relax, what.waited_s)
    _queue_up(floor, Entry(ask, queue, since, floor.number(), what.priority, key, callback=place))


def _queue_up(floor: Floor, entry: Entry) -> None:
    place = entry.callback
    assert place is not None
    floor.entries[entry.id] = entry
    entry.queue.add(entry)
    floor.timers.set(place.expires_at, "expire", entry.id)
    _next_change(floor, entry)
    entry.queue.show(entry)
    floor.look_at(entry)
    floor.out.append(CallbackMoved(place.callback_id, entry.queue.name, "promised", place.attempt))


def callback_tried(floor: Floor, what: inputs.CallbackTried) -> None:
    """Follow an attempt: done, once more later, or given up."""
    entry = floor.entries.get(what.callback_id)
    if entry is None or (place := entry.callback) is None:
        return
    place.attempt += 1
    place.dialling = False
    if what.connected:
        _end_callback(floor, entry, "connected")
    elif place.attempt >= place.tries:
        _end_callback(floor, entry, "failed")
    else:
        floor.out.append(CallbackMoved(place.callback_id, entry.queue.name, "waiting", place.attempt))
        pause(floor, entry, place.every_s)


def callback_cancelled(floor: Floor, what: inputs.CallbackCancelled) -> None:
    if (entry := floor.entries.get(what.callback_id)) is not None and entry.callback is not None:
        _end_callback(floor, entry, "cancelled")


def expired(floor: Floor, entry: Entry) -> None:
    if entry.callback is not None:
        _end_callback(floor, entry, "expired")


def _end_callback(floor: Floor, entry: Entry, state: str) -> None:
    assert entry.callback is not None
    attempt = entry.callback.attempt
    remove(floor, entry)
    floor.out.append(CallbackMoved(entry.id, entry.queue.name, state, attempt))


def hours_changed(floor: Floor, what: inputs.HoursChanged) -> None:
    queue = floor.queues[what.queue]
    queue.open = what.open
    for entry in queue.entries.values():
        if entry.callback is not None:
            floor.look_at(entry)
