"""Write a log by hand: ``book.at(12.5, events…)``; times are seconds since the first event."""

from __future__ import annotations

from pbx import events as ev
from pbx.events import Event, Logged

WALL = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC


class Book:
    """A log in the making."""

    def __init__(self, wall: float = WALL) -> None:
        self.entries: list[Logged] = []
        self.wall = wall

    def at(self, second: float, *events: Event) -> Book:
        for event in events:
            self.entries.append(Logged(len(self.entries) + 1, self.wall + second, 100.0 + second, event))
        return self

    # ---- what happens often ----------------------------------------------------------------------------------------

    def call(self, second: float, call_id: str, source: str = "endpoint/1001", dialled: str = "1002") -> Book:
        """A caller comes in: leg 1."""
        return self.at(
            second,
            ev.CallStarted(call_id=call_id, linked_id=call_id, source=source, caller="1001", dialled=dialled),
            ev.LegCreated(call_id=call_id, leg_id=f"{call_id}.1", direction="in", party=source),
        )

    def rings(self, second: float, call_id: str, leg: int, party: str) -> Book:
        return self.at(second, ev.LegCreated(call_id=call_id, leg_id=f"{call_id}.{leg}", direction="out", party=party))

    def talk(self, second: float, call_id: str, one: int, other: int) -> Book:
        """Two legs are bridged, answered where they were not."""
        answered = {e.event.leg_id for e in self.entries if isinstance(e.event, ev.LegAnswered)}
        for leg in (one, other):
            if f"{call_id}.{leg}" not in answered:
                self.at(second, ev.LegAnswered(call_id=call_id, leg_id=f"{call_id}.{leg}"))
        return self.at(second, ev.LegBridged(call_id=call_id, leg_id=f"{call_id}.{one}", other=f"{call_id}.{other}"))

    def part(self, second: float, call_id: str, one: int, other: int) -> Book:
        return self.at(second, ev.LegUnbridged(call_id=call_id, leg_id=f"{call_id}.{one}", other=f"{call_id}.{other}"))

    def leaves(self, second: float, call_id: str, leg: int, by: str = "peer", cause: str = "answered") -> Book:
        return self.at(second, ev.LegEnded(call_id=call_id, leg_id=f"{call_id}.{leg}", cause=cause, status=200, by=by))

    def over(self, second: float, call_id: str, cause: str = "answered", by: str = "caller") -> Book:
        return self.at(second, ev.CallEnded(call_id=call_id, cause=cause, status=200, by=by))

    def queued(self, second: float, call_id: str, entry: str, queue: str = "support", source: str = "new") -> Book:
        return self.at(
            second,
            ev.QueueEntered(call_id=call_id, entry_id=entry, queue=queue, source=source, caller="13800138000",
                            position=1),
        )  # fmt: skip

    def left(
        self, second: float, call_id: str, entry: str, exit_: str, wait_s: float, *, agent: str = "",
        queue: str = "support",
    ) -> Book:  # fmt: skip
        return self.at(
            second,
            ev.QueueLeft(call_id=call_id, entry_id=entry, queue=queue, exit=exit_, agent=agent,
                         wait_ms=round(wait_s * 1000), position=1, entered_position=1),
        )  # fmt: skip

    def offered(self, made: float, over: float, call_id: str, entry: str, agent: str, outcome: str) -> Book:
        """An agent is rung and answers, or does not."""
        offer_id = f"{entry}.{agent}.{made}"
        self.at(made, ev.OfferMade(call_id=call_id, offer_id=offer_id, entry_id=entry, queue="support", agent=agent))
        return self.at(
            over,
            ev.OfferEnded(call_id=call_id, offer_id=offer_id, entry_id=entry, queue="support", agent=agent,
                          outcome=outcome, ring_ms=round((over - made) * 1000)),
        )  # fmt: skip

    def served(self, second: float, call_id: str, entry: str, agent: str, by: str, talk_s: float) -> Book:
        return self.at(
            second,
            ev.QueueServed(call_id=call_id, entry_id=entry, queue="support", agent=agent, by=by,
                           talk_ms=round(talk_s * 1000)),
        )  # fmt: skip

    def ordered(self) -> list[Logged]:
        """Return the log as it would have been written: by time, numbered anew."""
        found = sorted(self.entries, key=lambda entry: entry.at_mono)
        return [Logged(n, entry.at_utc, entry.at_mono, entry.event) for n, entry in enumerate(found, 1)]

    def agent(self, second: float, name: str, was: str, now: str, reason: str = "") -> Book:
        return self.at(second, ev.AgentState(agent=name, was=was, now=now, reason=reason, endpoint="2001"))
