"""Queue entries: each with exactly one exit, and the sums that must hold (docs: figures)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pbx import events as ev
from pbx.events import Logged

EXITS = ("answered", "abandoned", "timeout", "key", "emptied", "moved", "callback", "lost")


@dataclass(slots=True)
class Entry:
    """One caller in one queue, from entering to one exit; "waiting" while there is none."""

    entry_id: str
    call_id: str
    queue: str
    source: str
    caller: str
    entered_utc: float
    exit: str = "waiting"
    left_utc: float | None = None
    wait_ms: int = 0
    agent: str = ""
    key: str = ""
    talk_ms: int = 0
    hold_ms: int = 0
    offers: int = 0
    disposition: str = ""
    served_by: str = ""  # who ended the conversation: caller, agent, transfer, system
    served_utc: float | None = None  # when it ended
    dropped_utc: float | None = None  # when we, and not one of both, ended it


@dataclass(slots=True)
class QueueSums:
    """A queue's counts over some entries."""

    queue: str
    entered: int = 0
    exits: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*EXITS, "waiting"), 0))
    short_abandoned: int = 0
    answered_in_time: int = 0
    abandoned_in_time: int = 0
    left_in_time: int = 0  # by key, overflow, move or callback, within the threshold
    wait_ms_of_answered: int = 0
    longest_wait_ms: int = 0

    def add(self, entry: Entry, *, threshold_s: float, short_s: float) -> None:
        """Count an entry."""
        self.entered += 1
        self.exits[entry.exit] += 1
        self.longest_wait_ms = max(self.longest_wait_ms, entry.wait_ms)
        in_time = entry.wait_ms <= threshold_s * 1000
        if entry.source == "consult":  # somebody asks while their caller waits: no part of a service level
            self.left_in_time += 1
            self.wait_ms_of_answered += entry.wait_ms if entry.exit == "answered" else 0
        elif entry.exit == "answered":
            self.answered_in_time += in_time
            self.wait_ms_of_answered += entry.wait_ms
        elif entry.exit == "abandoned":
            self.short_abandoned += entry.wait_ms < short_s * 1000
            self.abandoned_in_time += in_time
        elif entry.exit in ("timeout", "key", "emptied", "moved", "callback"):
            self.left_in_time += in_time

    def copy(self) -> QueueSums:
        return replace(self, exits=dict(self.exits))

    @property
    def balanced(self) -> bool:
        """Exactly one exit per entry."""
        return self.entered == sum(self.exits.values())

    @property
    def service_level(self) -> float | None:
        """`sl` of docs/figures: None for an empty case, never 0 or 1."""
        asked = self.entered - self.short_abandoned - self.left_in_time
        return self.answered_in_time / asked if asked else None

    @property
    def asa_ms(self) -> float | None:
        answered = self.exits["answered"]
        return self.wait_ms_of_answered / answered if answered else None


def entries_of(log: Iterable[Logged]) -> dict[str, Entry]:
    """Derive the entries, by entry_id, in the order in which they began."""
    found: dict[str, Entry] = {}
    for logged in log:
        follow(found, logged)
    return found


def follow(found: dict[str, Entry], logged: Logged) -> None:
    """Take one event of the log into the entries that it is about."""
    event = logged.event
    if isinstance(event, ev.QueueEntered):
        found[event.entry_id] = Entry(
            event.entry_id, event.call_id, event.queue, event.source, event.caller, logged.at_utc
        )
    elif isinstance(event, ev.OfferMade | ev.QueueLeft | ev.QueueServed | ev.CallDisposition):
        entry = found.get(event.entry_id)
        if entry is None:
            return
        if isinstance(event, ev.OfferMade):
            entry.offers += 1
        elif isinstance(event, ev.CallDisposition):
            entry.disposition = event.code
        elif isinstance(event, ev.QueueLeft):
            entry.exit, entry.left_utc = event.exit, logged.at_utc
            entry.wait_ms, entry.agent, entry.key = event.wait_ms, event.agent, event.key
            entry.dropped_utc = logged.at_utc if event.exit == "lost" else None
        else:
            entry.dropped_utc = logged.at_utc if event.by == "system" else None
            entry.talk_ms, entry.hold_ms = event.talk_ms, event.hold_ms
            entry.served_by, entry.served_utc = event.by, logged.at_utc


def sums(
    entries: Iterable[Entry], *, threshold_s: dict[str, float] | None = None, short_s: dict[str, float] | None = None
) -> dict[str, QueueSums]:
    """Count entries by queue; thresholds by queue, 20 s and 5 s where none is named."""
    found: dict[str, QueueSums] = {}
    for entry in entries:
        queue = found.setdefault(entry.queue, QueueSums(entry.queue))
        queue.add(
            entry,
            threshold_s=(threshold_s or {}).get(entry.queue, 20.0),
            short_s=(short_s or {}).get(entry.queue, 5.0),
        )
    return found
