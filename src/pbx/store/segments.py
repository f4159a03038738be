"""Who talked with whom, how long, for which queue: a call cut into segments, one a bridge.

An agent is charged for their own minutes only: a transfer begins a new segment, hold is counted inside its segment as a
union of intervals, and the queue of an entry is inherited by whoever the call is handed to (docs: segments).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.events import Logged


@dataclass(slots=True)
class Segment:
    """One bridge between two legs; times in seconds since the epoch, durations in monotonic milliseconds."""

    call_id: str
    number: int  # 1 is the first of its call
    one: str  # the party of the leg that was there first
    other: str
    agent: str = ""
    queue: str = ""
    began_utc: float = 0.0
    ended_utc: float | None = None
    talk_ms: int = 0  # without hold
    hold_ms: int = 0
    ended_by: str = ""  # one, other, transfer, system


@dataclass(slots=True)
class _Open:
    segment: Segment
    legs: tuple[str, str]
    began: float
    held: set[str] = field(default_factory=set)
    hold_began: float = 0.0
    hold_s: float = 0.0

    def hold(self, leg_id: str, now: float) -> None:
        if not self.held:
            self.hold_began = now
        self.held.add(leg_id)

    def resume(self, leg_id: str, now: float) -> None:
        if leg_id in self.held:
            self.held.discard(leg_id)
            if not self.held:
                self.hold_s += now - self.hold_began


class Segmenter:
    """Follow a call's events; finished segments are in ``segments``."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self._parties: dict[str, str] = {}
        self._held: set[str] = set()
        self._open: dict[frozenset[str], _Open] = {}
        self._queue = ""
        self._transferred: set[str] = set()
        self._ended_first = ""
        self._last: Logged | None = None

    def take(self, entry: Logged) -> None:
        """Take the next event of the call."""
        self._last = entry
        event, now = entry.event, entry.at_mono
        if isinstance(event, ev.LegCreated):
            self._parties[event.leg_id] = event.party
        elif isinstance(event, ev.QueueLeft) and event.exit == "answered":
            self._queue = event.queue
        elif isinstance(event, ev.LegBridged):
            self._begin(event, entry)
        elif isinstance(event, ev.LegHeld):
            self._held.add(event.leg_id)
            for open_ in self._of(event.leg_id):
                open_.hold(event.leg_id, now)
        elif isinstance(event, ev.LegResumed):
            self._held.discard(event.leg_id)
            for open_ in self._of(event.leg_id):
                open_.resume(event.leg_id, now)
        elif isinstance(event, ev.LegTransferred) and event.outcome == "connected":
            self._transferred.add(event.leg_id)
        elif isinstance(event, ev.LegEnded):
            self._leg_ended(event)
        elif isinstance(event, ev.LegUnbridged):
            self._end(frozenset((event.leg_id, event.other)), entry)

    def finish(self) -> list[Segment]:
        """End what is open at the last event (a call that is still up, or one that a crash cut)."""
        if self._last is not None:
            for legs in list(self._open):
                self._end(legs, self._last, "system")
        return self.segments

    def _of(self, leg_id: str) -> list[_Open]:
        return [open_ for legs, open_ in self._open.items() if leg_id in legs]

    def _begin(self, event: ev.LegBridged, entry: Logged) -> None:
        legs = frozenset((event.leg_id, event.other))
        if legs in self._open:
            return
        one, other = self._parties.get(event.leg_id, ""), self._parties.get(event.other, "")
        agent = next((p.removeprefix("agent/") for p in (other, one) if p.startswith("agent/")), "")
        segment = Segment(
            entry.event.call_id, len(self.segments) + len(self._open) + 1, one, other, agent,
            self._queue if agent else "", entry.at_utc,
        )  # fmt: skip
        open_ = _Open(segment, (event.leg_id, event.other), entry.at_mono)
        for leg_id in legs & self._held:
            open_.hold(leg_id, entry.at_mono)
        self._open[legs] = open_

    def _leg_ended(self, event: ev.LegEnded) -> None:
        """Remember who left first: the leg whose peer said goodbye."""
        for open_ in self._of(event.leg_id):
            if event.by == "peer" and not open_.segment.ended_by:
                transferred = event.leg_id in self._transferred
                place = "one" if event.leg_id == open_.legs[0] else "other"
                open_.segment.ended_by = "transfer" if transferred else place

    def _end(self, legs: frozenset[str], entry: Logged, by: str = "") -> None:
        open_ = self._open.pop(legs, None)
        if open_ is None:
            return
        for leg_id in list(open_.held):
            open_.resume(leg_id, entry.at_mono)
        segment = open_.segment
        segment.ended_utc = entry.at_utc
        segment.hold_ms = round(open_.hold_s * 1000)
        segment.talk_ms = round((entry.at_mono - open_.began) * 1000) - segment.hold_ms
        if not segment.ended_by:
            segment.ended_by = by or ("transfer" if legs & self._transferred else "system")
        self.segments.append(segment)


def segments_of(entries: Iterable[Logged]) -> list[Segment]:
    """Cut a call into segments, in the order in which they ended."""
    segmenter = Segmenter()
    for entry in entries:
        segmenter.take(entry)
    return segmenter.finish()
