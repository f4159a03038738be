"""The business day so far, by queue and by agent: rebuilt from the log at a start, then kept up as events come."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pbx import events as ev
from pbx.events import Logged
from pbx.store.agent_time import DIRECT_CALL, LOGGED_OUT, PRODUCTIVE_PAUSE, WORK, label
from pbx.store.entries import Entry, QueueSums, follow

KINDS = (
    ev.QueueEntered, ev.QueueLeft, ev.QueueServed, ev.OfferMade, ev.OfferEnded, ev.QueueRefused, ev.AgentState,
    ev.ServerStarted,
)  # fmt: skip


@dataclass(slots=True)
class AgentDay:
    """What an agent did today."""

    answered: int = 0
    missed: int = 0
    declined: int = 0
    talk_ms: int = 0
    hold_ms: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # by state, calls and pauses told apart

    @property
    def handling_s(self) -> float | None:
        """AHT: talk, hold and wrap-up of a queue call; None where there was none."""
        return sum(self.seconds.get(state, 0.0) for state in WORK) / self.answered if self.answered else None

    @property
    def on_calls_s(self) -> float:
        return self.seconds.get("on-call", 0.0) + self.seconds.get(DIRECT_CALL, 0.0)

    @property
    def paused_s(self) -> float:
        return self.seconds.get("paused", 0.0) + self.seconds.get(PRODUCTIVE_PAUSE, 0.0)

    @property
    def logged_in_s(self) -> float:
        return sum(self.seconds.values())


def day_of(at: float, starts: str = "00:00") -> tuple[float, float]:
    """Return begin and end of the business day (local time) that an instant belongs to."""
    hours, _, minutes = starts.partition(":")
    local = datetime.fromtimestamp(at).astimezone()
    begin = local.replace(hour=int(hours), minute=int(minutes), second=0, microsecond=0, tzinfo=None)
    if begin.astimezone().timestamp() > at:
        begin -= timedelta(days=1)
    # A day of 23 or 25 hours is one too: the next begin is found on the calendar, not by adding seconds.
    return begin.astimezone().timestamp(), (begin + timedelta(days=1)).astimezone().timestamp()


class Today:
    """Counts of the business day; an entry belongs to the day in which it entered."""

    def __init__(
        self, wall: Callable[[], float], starts: str, thresholds: Callable[[str], tuple[float, float]]
    ) -> None:
        """Take *thresholds*: a queue's seconds of service level and of a short abandon."""
        self._wall = wall
        self._starts = starts
        self._thresholds = thresholds
        self.begins, self.ends = day_of(wall(), starts)
        self._open: dict[str, Entry] = {}
        self._closed: dict[str, QueueSums] = {}
        self.agents: dict[str, AgentDay] = {}
        self.refused: dict[str, int] = {}
        self.overflowed: dict[str, int] = {}  # timed out or emptied, and gone on to another queue
        self._lapsed: dict[str, str] = {}  # by call: the queue that let it go so
        self._states: dict[str, tuple[str, float]] = {}  # agent: state and since when
        self._last_utc = self.begins

    def load(self, entries: Iterable[Logged]) -> None:
        """Take the day's events from the log."""
        for entry in entries:
            self.take(entry)

    def take(self, entry: Logged) -> None:
        """Hear of an event."""
        event = entry.event
        if not isinstance(event, KINDS):
            return
        self._turn(entry.at_utc)
        if entry.at_utc < self.begins:
            return
        if isinstance(event, ev.AgentState | ev.ServerStarted):
            self._agent(event, entry.at_utc)
        elif isinstance(event, ev.QueueRefused):
            self.refused[event.queue] = self.refused.get(event.queue, 0) + 1
        elif isinstance(event, ev.OfferEnded):
            agent = self.agents.setdefault(event.agent, AgentDay())
            agent.missed += event.outcome == "missed"
            agent.declined += event.outcome == "declined"
        else:
            self._entry(entry)

    def _agent(self, event: ev.AgentState | ev.ServerStarted, at_utc: float) -> None:
        """Follow agents' states; a run of the server ends with the last that is known of it."""
        if isinstance(event, ev.ServerStarted):
            for agent, (state, since) in self._states.items():
                self._spent(agent, state, self._last_utc - since)
            self._states.clear()
        else:
            # Whose state before the day is not known had it since the day began.
            state, since = self._states.get(event.agent, (event.was, self.begins))
            self._spent(event.agent, state, at_utc - since)
            self._states[event.agent] = (label(event), at_utc)
        self._last_utc = at_utc

    def _spent(self, agent: str, state: str, seconds: float) -> None:
        if state != LOGGED_OUT and seconds > 0:
            day = self.agents.setdefault(agent, AgentDay())
            day.seconds[state] = day.seconds.get(state, 0.0) + seconds

    def agent(self, name: str) -> AgentDay:
        """Return an agent's day, what they do now included."""
        self._turn(self._wall())
        found = self.agents.get(name, AgentDay())
        state, since = self._states.get(name, (LOGGED_OUT, 0.0))
        if state == LOGGED_OUT:
            return found
        lasted_s = max(0.0, self._wall() - since)
        return replace(found, seconds={**found.seconds, state: found.seconds.get(state, 0.0) + lasted_s})

    def _entry(self, entry: Logged) -> None:
        event = entry.event
        follow(self._open, entry)
        if isinstance(event, ev.QueueEntered):
            if (queue := self._lapsed.pop(event.call_id, "")) and event.source == "overflow":
                self.overflowed[queue] = self.overflowed.get(queue, 0) + 1
        elif isinstance(event, ev.QueueLeft):
            if event.exit in ("timeout", "emptied"):
                self._lapsed[event.call_id] = event.queue
            if event.exit == "answered":
                self.agents.setdefault(event.agent, AgentDay()).answered += 1
            closed = self._open.pop(event.entry_id, None)
            if closed is not None:
                self._add(self._closed, closed)
        elif isinstance(event, ev.QueueServed):
            day = self.agents.setdefault(event.agent, AgentDay())
            day.talk_ms += event.talk_ms
            day.hold_ms += event.hold_ms

    def _add(self, to: dict[str, QueueSums], entry: Entry) -> None:
        threshold_s, short_s = self._thresholds(entry.queue)
        to.setdefault(entry.queue, QueueSums(entry.queue)).add(entry, threshold_s=threshold_s, short_s=short_s)

    def _turn(self, at: float) -> None:
        """Begin a new day where the old one is over."""
        if at >= self.ends:
            self.begins, self.ends = day_of(at, self._starts)
            self._open.clear()
            self._closed.clear()
            self.agents.clear()
            self.refused.clear()
            self.overflowed.clear()
            self._lapsed.clear()
            self._states = {agent: (state, self.begins) for agent, (state, _) in self._states.items()}

    def queue(self, name: str) -> QueueSums:
        """Return a queue's counts, those who wait included; someone waiting beyond the threshold already counts."""
        self._turn(self._wall())
        found = self._closed.get(name, QueueSums(name)).copy()
        threshold_s, short_s = self._thresholds(name)
        for entry in self._open.values():
            if entry.queue == name:
                entry.wait_ms = round((self._wall() - entry.entered_utc) * 1000)
                found.add(entry, threshold_s=threshold_s, short_s=short_s)
                found.left_in_time += entry.wait_ms <= threshold_s * 1000  # nothing is decided yet
        return found
