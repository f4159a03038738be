"""The log in the line format of Asterisk's queue_log, so that existing reporting tools keep working.

``epoch|callid|queue|agent|event|data1|data2|…``; what Asterisk has no event for is left out, what we have no
data for is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pbx import events as ev
from pbx.events import Logged

NONE = "NONE"
# What shows that a transferred call has got somewhere.
ARRIVALS = (ev.LegBridged, ev.QueueEntered, ev.MenuEntered, ev.VoicemailChanged, ev.CallParked, ev.ConferenceJoined,
            ev.CallEnded)  # fmt: skip


@dataclass(slots=True)
class _SentOn:
    """A blind transfer out of a queue call: its line is written once it is known whether it comes back.

    One that comes back was none (FIGURES): the conversation goes on, and ends as any other.
    """

    who: tuple[object, ...]  # call, queue, agent
    target: str
    numbers: tuple[int, int, int]  # wait, talk, position
    returned: bool = False
    bridged_at: float | None = None
    talk_s: float = 0.0

    def take(self, entry: Logged) -> tuple[object, ...] | None:
        """Hear of an event of the call; return the line that ends this."""
        event = entry.event
        if isinstance(event, ev.LegTransferred):
            if event.outcome == "returned":
                self.returned = True
            elif event.outcome == "started" and event.how == "blind":
                self._pause(entry.at_mono)
                self.returned, self.target = False, event.target
        elif isinstance(event, ev.LegBridged) and self.returned:
            self.bridged_at = entry.at_mono
        elif isinstance(event, ev.LegUnbridged):
            self._pause(entry.at_mono)
        elif isinstance(event, ev.CallEnded) and self.returned:
            return (*self.who, "COMPLETECALLER" if event.by == "caller" else "COMPLETEAGENT", *self._numbers())
        elif isinstance(event, ARRIVALS) and not self.returned:
            return (*self.who, "BLINDTRANSFER", self.target, "", *self._numbers())
        return None

    def _numbers(self) -> tuple[int, int, int]:
        wait, talk, position = self.numbers
        return wait, talk + int(self.talk_s), position

    def _pause(self, at_mono: float) -> None:
        if self.bridged_at is not None:
            self.talk_s += at_mono - self.bridged_at
            self.bridged_at = None


class QueueLog:
    """Turn events into lines; feed it the log in order."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        self._ring_ms: dict[str, int] = {}
        self._waits: dict[str, int] = {}
        self._transfers: dict[str, ev.LegTransferred] = {}  # by call, until the conversation is over
        self._logged_in_at: dict[str, float] = {}
        self._sent_on: dict[str, _SentOn] = {}  # by call: blind transfers that nobody has answered yet

    def lines(self, entries: Iterable[Logged]) -> Iterator[str]:
        for entry in entries:
            for call_id, queue, agent, name, *data in self._of(entry):
                fields = (int(entry.at_utc), call_id or NONE, queue or NONE, agent or NONE, name, *data)
                yield "|".join(_clean(str(item)) for item in fields)

    def _of(self, entry: Logged) -> Iterator[tuple[object, ...]]:
        event = entry.event
        if (sent := self._sent_on.get(event.call_id)) is not None and (line := sent.take(entry)) is not None:
            yield line
            del self._sent_on[event.call_id]
        if isinstance(event, ev.QueueEntered):
            self._positions[event.entry_id] = event.position
            yield event.call_id, event.queue, "", "ENTERQUEUE", "", event.caller, event.position
        elif isinstance(event, ev.QueueLeft):
            yield from self._left(event)
        elif isinstance(event, ev.QueueServed):
            yield from self._served(event)
        elif isinstance(event, ev.OfferEnded):
            self._ring_ms[event.entry_id] = event.ring_ms
            if event.outcome in ("missed", "declined", "failed"):
                yield event.call_id, event.queue, event.agent, "RINGNOANSWER", event.ring_ms
            elif event.outcome == "cancelled":
                yield event.call_id, event.queue, event.agent, "RINGCANCELED", event.ring_ms
        elif isinstance(event, ev.LegTransferred) and event.outcome == "started":
            self._transfers[event.call_id] = event
        elif isinstance(event, ev.AgentState):
            yield from self._agent(event, entry.at_utc)
        elif isinstance(event, ev.AgentMembership):
            name = "REMOVEMEMBER" if event.tier is None else "ADDMEMBER"
            yield "", event.queue, event.agent, name
            if event.tier is not None:
                yield "", event.queue, event.agent, "PENALTY", event.tier - 1
        elif isinstance(event, ev.ServerStarted):
            yield "", "", "", "QUEUESTART"
        elif isinstance(event, ev.ConfigSwapped):
            yield "", "", "", "CONFIGRELOAD"

    def _served(self, event: ev.QueueServed) -> Iterator[tuple[object, ...]]:
        """Tell how a conversation ended: by whom, or by a transfer to where."""
        wait_s = self._waits.pop(event.entry_id, event.wait_ms) // 1000
        numbers = (wait_s, event.talk_ms // 1000, self._positions.pop(event.entry_id, 0))
        transfer = self._transfers.pop(event.call_id, None)
        who = (event.call_id, event.queue, event.agent)
        if event.by != "transfer" or transfer is None:
            yield (*who, "COMPLETECALLER" if event.by == "caller" else "COMPLETEAGENT", *numbers)
        elif transfer.how == "blind":
            self._sent_on[event.call_id] = _SentOn(who, transfer.target, numbers)
        else:
            yield (*who, "ATTENDEDTRANSFER", "LINK", transfer.target, "", *numbers)

    def _left(self, event: ev.QueueLeft) -> Iterator[tuple[object, ...]]:
        wait = event.wait_ms // 1000
        if event.exit == "answered":
            self._waits[event.entry_id] = event.wait_ms
            ring = self._ring_ms.pop(event.entry_id, 0) // 1000
            yield event.call_id, event.queue, event.agent, "CONNECT", wait, event.call_id, ring
            return
        first = self._positions.pop(event.entry_id, event.entered_position)
        if event.exit == "key":
            yield event.call_id, event.queue, "", "EXITWITHKEY", event.key, event.position, first, wait
            return
        name = {"abandoned": "ABANDON", "timeout": "EXITWITHTIMEOUT", "emptied": "EXITEMPTY"}.get(event.exit)
        if name is not None:
            yield event.call_id, event.queue, "", name, event.position, first, wait
        else:
            yield event.call_id, event.queue, "", "WITHDRAW", event.position, first, wait, event.exit

    def _agent(self, event: ev.AgentState, at_utc: float) -> Iterator[tuple[object, ...]]:
        seat = f"endpoint/{event.endpoint}" if event.endpoint else ""
        if event.was == "logged-out":
            self._logged_in_at[event.agent] = at_utc
            yield "", "", event.agent, "AGENTLOGIN", seat
        if event.now == "logged-out":
            lasted = int(at_utc - self._logged_in_at.pop(event.agent, at_utc))
            yield "", "", event.agent, "AGENTLOGOFF", seat, lasted
        if event.now == "paused":
            yield "", "", event.agent, "PAUSEALL", event.reason
        elif event.was == "paused" and event.now != "logged-out":
            yield "", "", event.agent, "UNPAUSEALL", event.reason


def _clean(text: str) -> str:
    """Keep a field a field."""
    return text.replace("|", " ").replace("\n", " ").replace("\r", " ")
