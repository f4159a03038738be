"""Who talked with whom, how long, for which queue: a call cut into segments, one a bridge.

An agent is charged for their own minutes only: a transfer begins a new segment, hold is counted inside its segment as a
union of intervals, and the queue of an entry is inherited by whoever the call is handed to (docs/records.md). A stay in
a conference is a segment with the room. What a crash cut ends with the last that is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.events import Logged
from pbx.store.families import Seats


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
    ended_by: str = ""  # one, other, transfer, returned (a transfer that nobody took), system
    disposition: str = ""  # what its agent said that the call was about
    score: str = ""  # what the caller answered to the survey: the last agent's


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

    def __init__(self, seats: Seats | None = None) -> None:
        self.segments: list[Segment] = []
        self._seats = seats or Seats()
        self._agents: dict[str, str] = {}  # by leg
        self._answerer = ""  # the agent whose leg is bridged next
        self._parties: dict[str, str] = {}
        self._held: set[str] = set()
        self._open: dict[frozenset[str], _Open] = {}
        self._queue = ""
        self._transferred: set[str] = set()
        self._last: Logged | None = None

    def take(self, entry: Logged) -> None:
        """Take the next event of the call."""
        event, now = entry.event, entry.at_mono
        if isinstance(event, ev.CallEnded) and event.cause == "restart":
            self.finish()  # where the log ended; the clock of the next run says nothing about this one
            return
        self._last = entry
        if isinstance(event, ev.LegCreated):
            self._parties[event.leg_id] = event.party
        elif isinstance(event, ev.QueueLeft) and event.exit == "answered":
            self._queue, self._answerer = event.queue, event.agent
        elif isinstance(event, ev.LegBridged):
            self._begin(event.leg_id, event.other, entry)
        elif isinstance(event, ev.ConferenceJoined):
            room = self._parties.setdefault(f"conference/{event.conference}", f"conference/{event.conference}")
            self._begin(event.leg_id, room, entry)
        elif isinstance(event, ev.ConferenceLeft):
            self._end(frozenset((event.leg_id, f"conference/{event.conference}")), entry)
        elif isinstance(event, ev.LegHeld):
            self._held.add(event.leg_id)
            for open_ in self._of(event.leg_id):
                open_.hold(event.leg_id, now)
        elif isinstance(event, ev.LegResumed):
            self._held.discard(event.leg_id)
            for open_ in self._of(event.leg_id):
                open_.resume(event.leg_id, now)
        elif isinstance(event, ev.LegTransferred):
            self._transfer(event)
        elif isinstance(event, ev.CallDisposition):
            self._dispose(event)
        elif isinstance(event, ev.SurveyAnswered) and event.score:
            for segment in reversed(self.segments):
                if segment.agent:
                    segment.score = event.score
                    break
        elif isinstance(event, ev.LegEnded):
            self._leg_ended(event)
        elif isinstance(event, ev.LegUnbridged):
            self._end(frozenset((event.leg_id, event.other)), entry)

    def _dispose(self, event: ev.CallDisposition) -> None:
        """Give a disposition to the agent's newest segment of the call."""
        open_ = [one.segment for one in self._open.values()]
        for segment in (*reversed(open_), *reversed(self.segments)):
            if segment.agent == event.agent:
                segment.disposition = event.code
                return

    def _transfer(self, event: ev.LegTransferred) -> None:
        """Remember who transfers; a transfer that comes back was none."""
        if event.outcome in ("started", "connected"):
            self._transferred.add(event.leg_id)
        elif event.outcome == "returned":
            for segment in reversed(self.segments):
                if segment.ended_by == "transfer":
                    segment.ended_by = "returned"
                    break

    def finish(self) -> list[Segment]:
        """End what is open at the last event (a call that is still up, or one that a crash cut)."""
        if self._last is not None:
            for legs in list(self._open):
                self._end(legs, self._last, "system")
        return self.segments

    def _of(self, leg_id: str) -> list[_Open]:
        return [open_ for legs, open_ in self._open.items() if leg_id in legs]

    def _begin(self, leg_id: str, other: str, entry: Logged) -> None:
        legs = frozenset((leg_id, other))
        if legs in self._open:
            return
        if self._answerer:
            self._agents[other], self._answerer = self._answerer, ""
        agent = self._agent(other, entry) or self._agent(leg_id, entry)
        segment = Segment(
            entry.event.call_id, len(self.segments) + len(self._open) + 1, self._parties.get(leg_id, ""),
            self._parties.get(other, ""), agent, self._queue if agent else "", entry.at_utc,
        )  # fmt: skip
        open_ = _Open(segment, (leg_id, other), entry.at_mono)
        for held in legs & self._held:
            open_.hold(held, entry.at_mono)
        self._open[legs] = open_

    def _agent(self, leg_id: str, entry: Logged) -> str:
        """Return the agent of a leg: who answered for a queue, who is named, or who sits at that phone."""
        if leg_id not in self._agents:
            party = self._parties.get(leg_id, "")
            named = party.removeprefix("agent/") if party.startswith("agent/") else ""
            self._agents[leg_id] = named or self._seats.agent_at(party, entry.at_utc)
        return self._agents[leg_id]

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


def segments_of(entries: Iterable[Logged], seats: Seats | None = None) -> list[Segment]:
    """Cut a call into segments, in the order in which they ended; *seats* tell which phone was whose."""
    segmenter = Segmenter(seats)
    for entry in entries:
        segmenter.take(entry)
    return segmenter.finish()


def busy_seconds(segments: Iterable[Segment]) -> dict[str, float]:
    """Sum each agent's time in segments as a union of intervals: a consultation during a hold counts once."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for segment in segments:
        if segment.agent and segment.ended_utc is not None:
            spans.setdefault(segment.agent, []).append((segment.began_utc, segment.ended_utc))
    found: dict[str, float] = {}
    for agent, times in spans.items():
        covered = 0.0
        until = float("-inf")
        for began, ended in sorted(times):
            covered += max(0.0, ended - max(began, until))
            until = max(until, ended)
        found[agent] = covered
    return found
