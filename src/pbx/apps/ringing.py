"""An offer on the wire: the agent's phones ring, one answers, the others are told that the call is elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pbx.acd import inputs
from pbx.call.calls import Calls
from pbx.call.contract import Party
from pbx.call.leg import ELSEWHERE, Leg, LegState
from pbx.config.queues import Agent
from pbx.errors import Busy, CallFailed, Declined, NoAnswer, failure_of
from pbx.signaling.contract import Destination, alert_info
from pbx.sip.headers import NameAddr
from pbx.sip.uri import Uri

Feed = Callable[[inputs.Input], None]


@dataclass(frozen=True, slots=True)
class Shown:
    """What an agent's phone shows of the queue, and how it rings for it."""

    queue: str
    ring: str = ""

    def on(self, destination: Destination, caller: Party) -> Destination:
        """Let a phone show queue, name and number."""
        words = " ".join(word for word in (self.queue, caller.name, caller.number) if word)
        headers = destination.headers
        if self.ring:
            headers = (*(h for h in headers if h[0] != "Alert-Info"), alert_info(self.ring))
        return replace(destination, from_=NameAddr(Uri("sip", caller.number, "invalid"), words), headers=headers)


class Ringing:
    """One agent rung for one caller."""

    def __init__(self, offer_id: str, agent: str, feed: Feed) -> None:
        self.offer_id = offer_id
        self.agent = agent
        self.answered: Leg | None = None
        self._feed = feed
        self._legs: list[Leg] = []
        self._over = False
        self._starting = False

    def start(self, calls: Calls, origin: Leg, spec: Agent, seat: str, shown: Shown | None = None) -> None:
        """Send the INVITEs; forwards and 302 of the phone are not followed."""
        target, number = (f"endpoint/{seat}", "") if seat else (spec.contact, spec.number or self.agent)
        try:
            destinations = calls.targets.resolve(target, origin, number=number)
        except CallFailed as error:
            self._fail("failed" if not isinstance(error, Busy) else "declined", error.status)
            return
        self._starting = True
        for destination in destinations:
            if shown is not None and seat:
                destination = shown.on(destination, origin.identity)
            self._legs.append(calls.ring_out(origin, destination, self._changed))
        self._starting = False
        self._verdict()

    def stop(self, why: str) -> None:
        """Stop every phone of this offer that is not the one that answered."""
        self._over = True
        reason = ELSEWHERE if why == "elsewhere" else ""
        for leg in self._legs:
            if leg.state is not LegState.ENDED:
                leg.hangup("no-answer" if why == "no-answer" else "cancelled", reason)

    def _changed(self, leg: Leg) -> None:
        if leg.state is LegState.UP and not self._over and self.answered is None:
            self.answered = leg
            for other in self._legs:
                if other is not leg and other.state is not LegState.ENDED:
                    other.hangup("cancelled", ELSEWHERE)
            self._feed(inputs.OfferAnswered(offer_id=self.offer_id))
        elif leg.state is LegState.UP and leg is not self.answered:
            leg.hangup("cancelled", ELSEWHERE)
        elif leg.state is LegState.RINGING and not self._over:
            self._feed(inputs.OfferRang(offer_id=self.offer_id))
        elif leg.state is LegState.ENDED and not self._over:
            self._verdict()

    def _verdict(self) -> None:
        """Say what became of the offer once no phone rings any more."""
        if self._starting or self._over:
            return
        if self.answered is not None:
            if self.answered.state is LegState.ENDED:
                self._fail("declined", 0)  # answered, and gone before the caller was joined
            return
        ends = [leg.end for leg in self._legs]
        if not ends or any(end is None for end in ends):
            return
        failures = [failure_of(leg.end.status, rang=leg.rang) for leg in self._legs if leg.end is not None]
        refused = next((f for f in failures if isinstance(f, Busy | Declined)), None)
        missed = next((f for f in failures if isinstance(f, NoAnswer)), None)
        if refused is not None:
            self._fail("declined", refused.status)
        elif missed is not None:
            self._fail("missed", missed.status)
        else:
            self._fail("failed", failures[-1].status)

    def _fail(self, outcome: str, status: int) -> None:
        self._over = True
        self._feed(inputs.OfferFailed(offer_id=self.offer_id, outcome=outcome, status=status))

    def joined(self) -> None:
        """The caller has this agent: from here on the bridge looks after the leg."""
        self._over = True
        if self.answered is not None and self._changed in self.answered.on_change:
            self.answered.on_change.remove(self._changed)
