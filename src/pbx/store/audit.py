"""Prove that the figures add up, and name the row that does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pbx import events as ev
from pbx.events import Logged
from pbx.store.agent_time import LOGGED_OUT, seconds_by_state, spells
from pbx.store.archive import verify
from pbx.store.entries import EXITS, entries_of, sums
from pbx.store.export import open_read_only, read_kinds
from pbx.store.recordings import COLUMNS, KINDS, derive, table
from pbx.store.rollup import Thresholds, differences

TOLERANCE_S = 0.001


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not add up."""

    what: str
    row: str  # the entry, call, agent or seq

    def __str__(self) -> str:
        return f"{self.row}: {self.what}"


def audit(log: list[Logged], until_utc: float) -> list[Fault]:
    """Check a whole log."""
    return [*_order(log), *_calls(log), *_legs(log), *_exits(log), *_offers(log), *_agents(log, until_utc)]


def audit_rollups(path: Path, thresholds: Thresholds) -> list[Fault]:
    """Rebuild every half-hour from the log and compare it with what the tables say.

    :raises StoreError: when the database cannot be read.
    """
    return [Fault(what, f"half-hour of {row}") for row, what in differences(path, thresholds)]


def audit_recordings(path: Path, folder: Path) -> list[Fault]:
    """Check that every recording is what was recorded, and that its index is what the log says.

    :raises StoreError: when the database cannot be read.
    """
    found = [Fault(text, f"recording {name}") for name, text in verify(path, folder)]
    derived = derive(read_kinds(path, KINDS))
    with closing(open_read_only(path)) as database:
        (first_utc,) = database.execute("SELECT coalesce(min(at_utc), 0) FROM events").fetchone()
        kept = {name: row for name, row in table(database).items() if row.started_utc >= first_utc or name in derived}
    for name in sorted(derived.keys() | kept.keys()):
        one, other = kept.get(name), derived.get(name)
        if one is None or other is None:
            found.append(Fault("is in the log and not in the index" if one is None else "is not in the log",
                               f"recording {name}"))  # fmt: skip
            continue
        for column in COLUMNS:
            if getattr(one, column) != getattr(other, column):
                said = f"the index says {column}={getattr(one, column)!r}, the log {getattr(other, column)!r}"
                found.append(Fault(said, f"recording {name}"))
    return found


def _order(log: Iterable[Logged]) -> Iterator[Fault]:
    last = 0
    for entry in log:
        if entry.seq <= last:
            yield Fault(f"comes after {last}", f"seq {entry.seq}")
        last = entry.seq


def _once(log: list[Logged], begin: type[ev.Event], end: type[ev.Event], name: str, word: str) -> Iterator[Fault]:
    """Each that began ends exactly once, none ends without a begin."""
    begun: set[str] = set()
    ended: dict[str, int] = {}
    for entry in log:
        if not isinstance(entry.event, (begin, end)):
            continue
        key: str = getattr(entry.event, name)
        if isinstance(entry.event, begin):
            if key in begun:
                yield Fault(f"the {word} began twice", key)
            begun.add(key)
        else:
            ended[key] = ended.get(key, 0) + 1
            if key not in begun and log[0].seq == 1:  # else its begin may be older than what is kept
                yield Fault(f"the {word} ended and never began", key)
    for key, count in ended.items():
        if count > 1:
            yield Fault(f"the {word} ended {count} times", key)


def _calls(log: list[Logged]) -> Iterator[Fault]:
    yield from _once(log, ev.CallStarted, ev.CallEnded, "call_id", "call")


def _legs(log: list[Logged]) -> Iterator[Fault]:
    yield from _once(log, ev.LegCreated, ev.LegEnded, "leg_id", "leg")


def _offers(log: list[Logged]) -> Iterator[Fault]:
    yield from _once(log, ev.OfferMade, ev.OfferEnded, "offer_id", "offer")


def _exits(log: list[Logged]) -> Iterator[Fault]:
    """Entered = the sum of the exits + waiting, for every queue; one exit an entry, of a known kind."""
    yield from _once(log, ev.QueueEntered, ev.QueueLeft, "entry_id", "entry")
    entries = entries_of(log)
    for entry in entries.values():
        if entry.exit not in (*EXITS, "waiting"):
            yield Fault(f'unknown exit "{entry.exit}"', entry.entry_id)
            return
    for queue in sums(entries.values()).values():
        if not queue.balanced:
            yield Fault(f"{queue.entered} entered, {sum(queue.exits.values())} exits", f"queue {queue.queue}")


def _agents(log: list[Logged], until_utc: float) -> Iterator[Fault]:
    """State changes follow on each other; the seconds in states sum to the logged-in time."""
    state: dict[str, str] = {}
    since: dict[str, float] = {}
    logged_in: dict[str, float] = {}
    last_utc = 0.0
    for entry in log:
        event = entry.event
        if isinstance(event, ev.ServerStarted):  # nobody is at work when a run begins
            for agent, began in since.items():
                logged_in[agent] = logged_in.get(agent, 0.0) + max(0.0, last_utc - began)
            since.clear()
            state.clear()
        last_utc = entry.at_utc
        if not isinstance(event, ev.AgentState):
            continue
        if event.agent not in state and log[0].seq > 1:
            state[event.agent] = event.was  # what is older is not kept
            if event.was != LOGGED_OUT:
                since[event.agent] = entry.at_utc
        if event.was != state.get(event.agent, LOGGED_OUT):
            was = state.get(event.agent, LOGGED_OUT)
            yield Fault(f"left {event.was} but was {was} (seq {entry.seq})", f"agent {event.agent}")
        if state.get(event.agent, LOGGED_OUT) == LOGGED_OUT and event.now != LOGGED_OUT:
            since[event.agent] = entry.at_utc
        elif event.now == LOGGED_OUT and event.agent in since:
            logged_in[event.agent] = logged_in.get(event.agent, 0.0) + entry.at_utc - since.pop(event.agent)
        state[event.agent] = event.now
    for agent, began in since.items():
        logged_in[agent] = logged_in.get(agent, 0.0) + until_utc - began
    for agent, states in seconds_by_state(spells(log, until_utc)).items():
        if abs(sum(states.values()) - logged_in.get(agent, 0.0)) > TOLERANCE_S:
            yield Fault(
                f"{sum(states.values()):.3f} s in states, {logged_in.get(agent, 0.0):.3f} s logged in", f"agent {agent}"
            )
