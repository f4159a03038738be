"""Calls put together: the events of calls that merged stand with the one that survived, in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from pbx import events as ev
from pbx.events import Logged


def families(entries: Iterable[Logged]) -> list[list[Logged]]:
    """Return the calls of a log, each with its events in order, merged ones together; oldest first."""
    mine: dict[str, list[Logged]] = {}
    merged_into: dict[str, str] = {}
    for entry in entries:
        if not entry.event.call_id:
            continue
        mine.setdefault(entry.event.call_id, []).append(entry)
        if isinstance(entry.event, ev.CallMerged):
            merged_into[entry.event.merged] = entry.event.call_id
    found: dict[str, list[Logged]] = {}
    for call_id, events in mine.items():
        found.setdefault(_survivor(call_id, merged_into), []).extend(events)
    for events in found.values():
        events.sort(key=lambda entry: entry.seq)
    return sorted(found.values(), key=lambda events: events[0].seq)


def _survivor(call_id: str, merged_into: dict[str, str]) -> str:
    seen = set()
    while call_id in merged_into and call_id not in seen:
        seen.add(call_id)
        call_id = merged_into[call_id]
    return call_id


class Seats:
    """Who sat where, when: from the states that agents took."""

    def __init__(self, entries: Iterable[Logged] = ()) -> None:
        self._at: dict[str, list[tuple[float, str]]] = {}
        for entry in entries:
            self.take(entry)

    def take(self, entry: Logged) -> None:
        event = entry.event
        if isinstance(event, ev.AgentState) and event.endpoint:
            agent = event.agent if event.now != "logged-out" else ""
            self._at.setdefault(event.endpoint, []).append((entry.at_utc, agent))

    def agent_at(self, party: str, at_utc: float) -> str:
        """Return who sat at ``endpoint/N`` at an instant, "" for nobody."""
        turns = self._at.get(party.removeprefix("endpoint/"), [])
        index = bisect_right(turns, at_utc, key=lambda turn: turn[0])
        return turns[index - 1][1] if index else ""
