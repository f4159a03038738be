"""What the API shows of queues, callers who wait, and agents."""

from __future__ import annotations

import time
from collections import Counter

from pbx.acd.agent import Agent, State
from pbx.acd.queue import Entry, Member, Queue
from pbx.api.shapes import AgentShape, CallerShape, MemberShape, QueueDetailShape, QueueShape, TodayShape
from pbx.apps.desk import Desk
from pbx.apps.timed import Timed, Undo
from pbx.config.queues import Agent as AgentSpec
from pbx.store.agent_time import occupancy, utilisation
from pbx.store.today import Today


def queue_view(queue: Queue, desk: Desk, today: Today) -> QueueShape:
    """Show a queue in a line."""
    now = desk.calls.now
    callers = [entry for entry in queue.entries.values() if entry.callback is None]
    states = Counter(agent.state.value for agent in queue.members)
    return {
        "queue": queue.name,
        "name": queue.spec.name,
        "strategy": queue.spec.strategy,
        "weight": queue.spec.weight,
        "open": queue.open,
        "waiting": len(callers),
        "callbacks": queue.callbacks,
        "ringing": queue.ringing,
        "longest_wait_s": round(max((now - entry.since for entry in callers), default=0.0), 1),
        "agents": {state.value: states[state.value] for state in State},
        "service_level_s": queue.spec.service_level_s,
        "today": today_view(queue.name, today),
    }


def today_view(name: str, today: Today) -> TodayShape:
    """Show a queue's business day."""
    sums = today.queue(name)
    counts = sums.exits
    level, asa_ms = sums.service_level, sums.asa_ms
    return {
        "entered": sums.entered,
        "answered": counts["answered"],
        "abandoned": counts["abandoned"],
        "short_abandoned": sums.short_abandoned,
        "timeout": counts["timeout"],
        "key": counts["key"],
        "emptied": counts["emptied"],
        "moved": counts["moved"],
        "callback": counts["callback"],
        "lost": counts["lost"],
        "waiting": counts["waiting"],
        "refused": today.refused.get(name, 0),
        "overflowed": today.overflowed.get(name, 0),
        "answered_in_time": sums.answered_in_time,
        "service_level": None if level is None else round(level, 4),
        "asa_s": None if asa_ms is None else round(asa_ms / 1000, 1),
        "longest_wait_s": round(sums.longest_wait_ms / 1000, 1),
    }


def queue_detail(queue: Queue, desk: Desk, today: Today) -> QueueDetailShape:
    """Show a queue with its members and its callers, in the order in which they will be served."""
    now = desk.calls.now
    members = sorted(queue.members.values(), key=lambda member: (member.tier, member.order))
    callers = [_caller_view(entry, desk, now) for entry in queue.entries.values()]
    return {
        **queue_view(queue, desk, today),
        "members": [_member_view(member, desk, now) for member in members],
        "callers": sorted(callers, key=lambda caller: caller["position"]),
    }


def _member_view(member: Member, desk: Desk, now: float) -> MemberShape:
    agent = member.agent
    spec = desk.config.agents.get(agent.name)
    return {
        "agent": agent.name,
        "name": spec.name if spec is not None else "",
        "tier": member.tier,
        "state": agent.state.value,
        "reason": agent.pause or "",
        "since_s": round(now - (agent.since or now), 1),
        "calls": member.calls,
        "last_call_s": round(now - member.last_end, 1) if member.last_end > float("-inf") else None,
    }


def _caller_view(entry: Entry, desk: Desk, now: float) -> CallerShape:
    visit = desk.visit(entry.id)
    return {
        "entry_id": entry.id,
        "call_id": entry.ask.call_id,
        "caller": visit.leg.caller.number if visit is not None else "",
        "position": desk.core.position(entry.id),
        "priority": entry.queue.priority(entry.priority, entry.since, now),
        "waited_s": round(now - entry.since, 1),
        "needs": [f"{need.skill}={need.level}" for need in entry.ask.needs],
        "offered_to": [offer.agent.name for offer in entry.offers],
        "callback": entry.callback is not None,
    }


def agent_view(agent: Agent, desk: Desk, today: Today, timed: Timed) -> AgentShape:
    """Show an agent."""
    now = desk.calls.now
    spec = desk.config.agents.get(agent.name, AgentSpec())  # gone from the files, still in a call
    day = today.agent(agent.name)
    hand = desk.hands.up.get(agent.name)
    return {
        "agent": agent.name,
        "name": spec.name,
        "id": spec.id,
        "team": spec.team,
        "seat": desk.seat_of(agent.name) or spec.contact,
        "state": agent.state.value,
        "reason": agent.pause or "",
        "since_s": round(now - (agent.since or now), 1),
        "next": _next(agent),
        "wrap_up_left_s": round(agent.wrap.until - now, 1) if agent.wrap is not None else None,
        "queues": {name: member.tier for name, member in agent.members.items()},
        "skills": dict(agent.skills),
        "missed": agent.missed,
        "call": {
            "queue": agent.talk.queue,
            "entry_id": agent.talk.entry_id,
            "since_s": round(now - agent.talk.since, 1),
        }
        if agent.talk is not None
        else None,
        "answered_today": day.answered,
        "missed_today": day.missed,
        "talk_today_s": round(day.talk_ms / 1000, 1),
        "handling_s": None if day.handling_s is None else round(day.handling_s, 1),
        "paused_today_s": round(day.paused_s, 1),
        "logged_in_today_s": round(day.logged_in_s, 1),
        "occupancy": _share(occupancy(day.seconds)),
        "utilisation": _share(utilisation(day.seconds)),
        "help_s": None if hand is None else round(now - hand.since, 1),
        "until": [_until(undo) for undo in timed.pending.values() if undo.agent == agent.name],
    }


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _next(agent: Agent) -> str:
    """Say what a call or a wrap-up hides."""
    if agent.state not in (State.ON_CALL, State.WRAP_UP, State.RINGING, State.RESERVED):
        return ""
    if agent.leaving:
        return "logged-out"
    return f"paused {agent.pause}".rstrip() if agent.pause is not None else ""


def _until(undo: Undo) -> str:
    when = time.strftime("%H:%M", time.localtime(undo.at))
    return f"{undo.what} {undo.name} until {when}".replace("  ", " ")
