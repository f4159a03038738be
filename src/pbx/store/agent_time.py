"""What agents did with their time: intervals by state that sum to their logged-in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pbx import events as ev
from pbx.events import Logged

LOGGED_OUT = "logged-out"
DIRECT_CALL = "direct-call"  # on a call that no queue gave
PRODUCTIVE_PAUSE = "productive-pause"
WORK = ("on-call", "wrap-up")  # for queues


def label(event: ev.AgentState) -> str:
    """Return the state that an agent took, calls and pauses told apart as occupancy and utilisation count them."""
    if event.doing == "direct":
        return DIRECT_CALL
    return PRODUCTIVE_PAUSE if event.doing == "productive" else event.now


def occupancy(seconds: Mapping[str, float]) -> float | None:
    """Return the share of work for queues in the time for it (docs: figures); None: there was none."""
    busy = sum(seconds.get(state, 0.0) for state in WORK)
    there = busy + sum(seconds.get(state, 0.0) for state in ("ready", "reserved", "ringing"))
    return busy / there if there else None


def utilisation(seconds: Mapping[str, float]) -> float | None:
    """Return the share of all work, direct calls and productive pauses included, in the logged-in time."""
    used = sum(seconds.get(state, 0.0) for state in (*WORK, DIRECT_CALL, PRODUCTIVE_PAUSE))
    logged_in = sum(seconds.values())
    return used / logged_in if logged_in else None


@dataclass(frozen=True, slots=True)
class Spell:
    """One agent in one state, uninterrupted; [began, ended) in seconds since the epoch."""

    agent: str
    state: str
    reason: str  # of a pause
    began_utc: float
    ended_utc: float

    @property
    def seconds(self) -> float:
        return self.ended_utc - self.began_utc


def spells(entries: Iterable[Logged], until_utc: float) -> Iterator[Spell]:
    """Turn agent.state events into spells; what is open ends at *until_utc*. Logged-out time is left out.

    A server that starts finds nobody at work: what a run left open ends with the last that it said.
    """
    current: dict[str, tuple[str, str, float]] = {}
    last_utc = 0.0
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.ServerStarted):
            for agent, (state, reason, began) in current.items():
                if state != LOGGED_OUT and last_utc > began:
                    yield Spell(agent, state, reason, began, last_utc)
            current.clear()
        last_utc = entry.at_utc
        if isinstance(event, ev.AgentState):
            if (was := current.get(event.agent)) is not None and was[0] != LOGGED_OUT and entry.at_utc > was[2]:
                yield Spell(event.agent, was[0], was[1], was[2], entry.at_utc)
            current[event.agent] = (label(event), event.reason, entry.at_utc)
    for agent, (state, reason, began) in current.items():
        if state != LOGGED_OUT and until_utc > began:
            yield Spell(agent, state, reason, began, until_utc)


def cut(spell: Spell, interval_s: float) -> Iterator[tuple[float, Spell]]:
    """Cut a spell at the boundaries of intervals; yield each part with its interval's begin."""
    began = spell.began_utc
    while began < spell.ended_utc:
        start = began - began % interval_s
        ended = min(start + interval_s, spell.ended_utc)
        yield start, Spell(spell.agent, spell.state, spell.reason, began, ended)
        began = ended


def seconds_by_state(found: Iterable[Spell]) -> dict[str, dict[str, float]]:
    """Sum spells by agent and state."""
    sums: dict[str, dict[str, float]] = {}
    for spell in found:
        states = sums.setdefault(spell.agent, {})
        states[spell.state] = states.get(spell.state, 0.0) + spell.seconds
    return sums
