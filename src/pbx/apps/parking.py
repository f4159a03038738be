"""Parked calls: each waits in a numbered place until somebody fetches it, or it goes back to who parked it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pbx import events as ev
from pbx.apps.outcome import Ended, Full, Outcome, TimedOut, Unreachable
from pbx.call import audio
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.call.transfer import join
from pbx.errors import CallFailed

RECALLS = 3  # unanswered: then the call ends
RECALL_RING_S = 30.0
RESERVED_S = 60.0  # who asked for a place has this long to fill it
MUSIC = "default"


def places(lots: str) -> list[str]:
    """Return the places that "701-720" names."""
    first, dash, last = lots.partition("-")
    if not dash:
        return [first]
    return [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]


@dataclass(slots=True)
class Parked:
    """A call in a place."""

    leg: Leg
    by: str  # endpoint/1001: who is rung when nobody fetches it
    since_wall: float = 0.0


class Lots:
    """Every place that is taken or spoken for."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._parked: dict[str, Parked] = {}
        self._reserved: dict[str, tuple[str, float]] = {}  # place: (by whom, until when)

    def parked(self, place: str) -> Parked | None:
        return self._parked.get(place)

    def all(self) -> dict[str, Parked]:
        """Return what is parked where."""
        return dict(self._parked)

    def reserve(self, lots: str, by: str) -> str:
        """Set a place aside for the next call that *by* parks; "" where all are taken."""
        now = asyncio.get_running_loop().time()
        for place in places(lots):
            if self._is_free(place, by, now):
                self._reserved[place] = (by, now + RESERVED_S)
                return place
        return ""

    def _is_free(self, place: str, by: str, now: float) -> bool:
        owner, until = self._reserved.get(place, ("", 0.0))
        return place not in self._parked and (owner in ("", by) or until <= now)

    def _choose(self, lots: str, wanted: str, by: str) -> str:
        """Return the place that was asked for, else the one set aside, else the first free one."""
        now = asyncio.get_running_loop().time()
        known = places(lots)
        if wanted:
            return wanted if wanted in known and self._is_free(wanted, by, now) else ""
        own = [place for place, (owner, until) in self._reserved.items() if owner == by and until > now]
        return next((place for place in [*own, *known] if self._is_free(place, by, now)), "")

    async def park(self, leg: Leg, lots: str, wanted: str, by: str, recall_s: float) -> Outcome:
        """Keep *leg* in a place, with music, until it is fetched, goes back to *by*, or hangs up."""
        place = self._choose(lots, wanted, by)
        if not place:
            return Full()
        self._reserved.pop(place, None)
        await audio.open_sound(leg)
        self._parked[place] = Parked(leg, by, leg.calls.wall())
        self._tell(leg, place, by, "parked")
        leg.log.info("- parked at %s by %s", place, by or "nobody")
        try:
            return await self._wait(leg, place, by, recall_s)
        finally:
            self._parked.pop(place, None)
            self._tell(leg, place, by, "left")

    async def _wait(self, leg: Leg, place: str, by: str, recall_s: float) -> Outcome:
        for _ in range(RECALLS):
            clip = leg.clip(MUSIC)
            if clip is not None:
                leg.port.play([clip], loop=True)
            await asyncio.sleep(recall_s)
            if not by:
                continue
            self._tell(leg, place, by, "recalled")
            try:
                async with leg.dial(by, ring_s=RECALL_RING_S) as back:
                    leg.port.stop()
                    self._parked.pop(place, None)
                    await leg.bridge(back)
                return Ended()
            except CallFailed as error:
                leg.log.info("x recall of %s: %s", place, error.reason)
        return TimedOut()

    async def fetch(self, leg: Leg, place: str) -> Outcome:
        """Connect *leg* with the call in a place; does not return when it does: another script goes on."""
        found = self._parked.get(place)
        if found is None or found.leg.end is not None:
            await audio.play(leg, "park-none")
            return Unreachable()
        self._tell(found.leg, place, leg.party, "fetched")
        await join(found.leg, leg)
        return Ended()

    def _tell(self, leg: Leg, place: str, by: str, state: str) -> None:
        self._emit(ev.CallParked(call_id=leg.call_id, leg_id=leg.leg_id, place=place, by=by, state=state))
