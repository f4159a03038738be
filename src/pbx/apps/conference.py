"""Conference rooms: everybody hears everybody else; a room is there while somebody is in it."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass, field

from pbx import events as ev
from pbx.apps.outcome import Ended, Full, Outcome, TimedOut
from pbx.call import audio
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.media.contract import Room

PIN_TRIES = 3
MUTE_KEY = "*6"  # the same in most conference systems; pressed again it unmutes


@dataclass(frozen=True, slots=True)
class Terms:
    """How somebody joins."""

    most: int = 0  # 0: as many as come
    pin: str = ""
    announce: bool = True
    muted: bool = False


@dataclass(slots=True)
class _Conference:
    room: Room
    members: list[Leg] = field(default_factory=list)


class Rooms:
    """Every room that somebody is in."""

    def __init__(self, emit: Emit) -> None:
        self._rooms: dict[str, _Conference] = {}
        self._emit = emit

    def names(self) -> list[str]:
        """Return the rooms that somebody is in."""
        return sorted(self._rooms)

    def members(self, name: str) -> list[Leg]:
        """Return who is in a room."""
        found = self._rooms.get(name)
        return list(found.members) if found is not None else []

    async def join(self, leg: Leg, name: str, terms: Terms) -> Outcome:
        """Put *leg* into a room until it hangs up; Full and TimedOut (no PIN) come back at once."""
        await leg.answer()
        if terms.pin and not await _knows_pin(leg, terms.pin):
            return TimedOut()
        conference = self._rooms.get(name)
        if conference is not None and terms.most and len(conference.members) >= terms.most:
            return Full()
        if conference is None:
            await audio.play(leg, "conference-alone")
            conference = self._rooms.setdefault(name, _Conference(leg.new_room()))
        elif terms.announce:
            for member in conference.members:
                member.port.tone("beep")
        return await self._stay(leg, name, conference, terms)

    async def _stay(self, leg: Leg, name: str, conference: _Conference, terms: Terms) -> Outcome:
        conference.members.append(leg)
        conference.room.join(leg.port, muted=terms.muted)
        self._emit(ev.ConferenceJoined(call_id=leg.call_id, leg_id=leg.leg_id, conference=name, party=leg.party))
        muted = terms.muted
        last = ""
        try:
            while True:
                key = await leg.collect_digit()
                if last + key == MUTE_KEY and not terms.muted:
                    muted = not muted
                    conference.room.leave(leg.port)
                    conference.room.join(leg.port, muted=muted)
                last = key
        finally:
            conference.members.remove(leg)
            if leg.end is None and leg.media is not None:
                conference.room.leave(leg.media.port)
            if not conference.members and self._rooms.get(name) is conference:
                conference.room.close()
                del self._rooms[name]
            self._emit(ev.ConferenceLeft(call_id=leg.call_id, leg_id=leg.leg_id, conference=name, party=leg.party))
        return Ended()


async def _knows_pin(leg: Leg, pin: str) -> bool:
    prompts = ["enter-pin"]
    for _ in range(PIN_TRIES):
        typed = await audio.collect(leg, prompts, most=len(pin), secret=True)
        if hmac.compare_digest(typed.digits, pin):
            return True
        prompts = ["wrong-pin", "enter-pin"]
    await asyncio.sleep(0)
    return False
