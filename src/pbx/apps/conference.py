"""Conference rooms: everybody hears everybody else; moderators lock, mute, remove, record and call people in by key."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from pbx import events as ev
from pbx.apps.outcome import Ended, Full, Outcome, TimedOut
from pbx.call import audio
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.call.spoken import spoken
from pbx.media.contract import Room

PIN_TRIES = 3

Summon = Callable[[Leg, str], bool]
"""Ring a number for the moderator who typed it, and let who answers join; False where it may not be dialled."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How somebody joins."""

    most: int = 0  # 0: as many as come
    pin: str = ""
    moderator_pin: str = ""
    announce: bool | str = True  # a beep; "number": and who it is
    muted: bool = False
    moderator: bool = False
    record: bool = False
    called_in: bool = False  # by a moderator: no PIN, and no lock or limit, keeps them out
    path: Callable[[str], Path] | None = None  # where a member's recording goes
    summon: Summon | None = None


@dataclass(slots=True)
class Member:
    """Somebody in a room."""

    leg: Leg
    terms: Terms
    moderator: bool
    muted: bool
    recording: str = ""


@dataclass(slots=True)
class _Conference:
    room: Room
    members: list[Member] = field(default_factory=list)
    locked: bool = False
    recorded: bool = False


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
        return [member.leg for member in found.members] if found is not None else []

    async def join(self, leg: Leg, name: str, terms: Terms) -> Outcome:
        """Put *leg* into a room until it leaves; Full (or locked) and TimedOut (no PIN) come back at once."""
        await leg.answer()
        moderator = await _admitted(leg, terms)
        if moderator is None:
            return TimedOut()
        conference = self._rooms.get(name)
        if conference is not None and not moderator and not terms.called_in:
            full = bool(terms.most) and len(conference.members) >= terms.most
            if full or conference.locked:
                await audio.play(leg, "conference-full" if full else "conference-locked")
                return Full()
        if conference is None:
            await audio.play(leg, "conference-alone")
            conference = self._rooms.setdefault(name, _Conference(leg.new_room(), recorded=terms.record))
        elif terms.announce == "number":
            _announce(conference, "conference-joined", leg)
        elif terms.announce:
            for member in conference.members:
                member.leg.port.tone("beep")
        member = Member(leg, terms, moderator, terms.muted and not moderator)
        return await self._stay(name, conference, member)

    async def _stay(self, name: str, conference: _Conference, member: Member) -> Outcome:
        leg = member.leg
        conference.members.append(member)
        conference.room.join(leg.port, muted=member.muted)
        self._emit(ev.ConferenceJoined(call_id=leg.call_id, leg_id=leg.leg_id, conference=name, party=leg.party))
        try:
            if conference.recorded:
                self._record(conference, member, on=True)
                await audio.play(leg, "conference-recorded")
            await self._listen(conference, member)
        finally:
            self._leave(name, conference, member)
        return Ended()

    def _leave(self, name: str, conference: _Conference, member: Member) -> None:
        leg = member.leg
        if member in conference.members:
            conference.members.remove(member)
        if member.terms.announce == "number":
            _announce(conference, "conference-left", leg)
        if member.recording:
            self._record(conference, member, on=False)
        if leg.end is None and leg.media is not None:
            conference.room.leave(leg.media.port)
        if not conference.members and self._rooms.get(name) is conference:
            conference.room.close()
            del self._rooms[name]
        self._emit(ev.ConferenceLeft(call_id=leg.call_id, leg_id=leg.leg_id, conference=name, party=leg.party))

    # ---- keys ------------------------------------------------------------------------------------------------------

    async def _listen(self, conference: _Conference, member: Member) -> None:
        """Carry out keys (a star, then a digit) until the member is removed."""
        last = ""
        while member in conference.members:
            key = await member.leg.collect_digit()
            action = EVERYBODYS.get(last + key) or (MODERATORS.get(last + key) if member.moderator else None)
            last = "" if action else key
            if action is not None:
                await action(self, conference, member)

    def _mute(self, conference: _Conference, member: Member, muted: bool) -> None:
        member.muted = muted
        conference.room.join(member.leg.port, muted=muted)

    async def mute(self, conference: _Conference, member: Member) -> None:
        """Mute or unmute oneself; who joined muted by the configuration stays so."""
        if member.terms.muted and not member.moderator:
            return
        self._mute(conference, member, not member.muted)
        await audio.play(member.leg, "conference-muted" if member.muted else "conference-unmuted")

    async def count(self, conference: _Conference, member: Member) -> None:
        await audio.play(member.leg, "conference-count")
        await audio.say(member.leg, str(len(conference.members)), "number")

    async def menu(self, conference: _Conference, member: Member) -> None:
        await audio.play(member.leg, "conference-menu", keys="*#")

    async def lock(self, conference: _Conference, member: Member) -> None:
        conference.locked = not conference.locked
        await audio.play(member.leg, "conference-locked" if conference.locked else "conference-unlocked")

    async def mute_all(self, conference: _Conference, member: Member) -> None:
        """Mute everybody who is no moderator, or let them all speak again."""
        others = [one for one in conference.members if not one.moderator and not one.terms.muted]
        muted = any(not one.muted for one in others)
        for one in others:
            self._mute(conference, one, muted)
        await audio.play(member.leg, "conference-all-muted" if muted else "conference-all-unmuted")

    async def remove_last(self, conference: _Conference, member: Member) -> None:
        """Remove who came last."""
        others = [one for one in conference.members if not one.moderator]
        if others:
            conference.members.remove(others[-1])
            others[-1].leg.hangup()
        await audio.beep(member.leg)

    async def record(self, conference: _Conference, member: Member) -> None:
        """Begin or end to record everybody, each into a file of their own; all are told."""
        conference.recorded = not conference.recorded
        for one in conference.members:
            self._record(conference, one, on=conference.recorded)
            said = "conference-recorded" if conference.recorded else "conference-not-recorded"
            if (clip := one.leg.clip(said)) is not None:
                one.leg.port.play([clip])
        await asyncio.sleep(0)

    def _record(self, conference: _Conference, member: Member, *, on: bool) -> None:
        leg = member.leg
        if on == bool(member.recording):
            return
        if on and member.terms.path is not None:
            path = member.terms.path(leg.leg_id)
            member.recording = path.stem
            about = {"call_id": leg.call_id, "recording_id": path.stem}
            token = leg.port.record(path, coding=leg.calls.recording_coding)
            leg.when_done[token] = lambda outcome: self._written(about, outcome)
            self._emit(
                ev.RecordingStarted(
                    **about, leg_id=leg.leg_id, path="/".join(path.parts[-4:]), caller=leg.identity.number,
                    dialled=leg.callee.number,
                )
            )  # fmt: skip
        elif not on:
            if leg.media is not None:
                leg.media.port.stop_recording()
            self._emit(ev.RecordingEnded(call_id=leg.call_id, recording_id=member.recording))
            member.recording = ""

    def _written(self, about: dict[str, str], outcome: str) -> None:
        self._emit(ev.RecordingWritten(**about, outcome=outcome))

    async def call_in(self, conference: _Conference, member: Member) -> None:
        """Type a number; who answers there joins."""
        leg = member.leg
        conference.room.leave(leg.port)
        try:
            typed = await audio.collect(leg, ["enter-number"], most=20)
            summon = member.terms.summon
            if not typed.digits or summon is None or not summon(leg, typed.digits):
                await audio.play(leg, "not-allowed")
        finally:
            if leg.end is None and member in conference.members:
                conference.room.join(leg.port, muted=member.muted)


Action = Callable[[Rooms, _Conference, Member], Awaitable[None]]
EVERYBODYS: dict[str, Action] = {"*0": Rooms.menu, "*1": Rooms.mute, "*6": Rooms.mute, "*2": Rooms.count}
MODERATORS: dict[str, Action] = {
    "*3": Rooms.lock, "*4": Rooms.mute_all, "*5": Rooms.call_in, "*8": Rooms.remove_last, "*9": Rooms.record,
}  # fmt: skip


def _announce(conference: _Conference, prompt: str, about: Leg) -> None:
    """Tell everybody in a room who comes or goes."""
    for member in conference.members:
        leg = member.leg
        digits = spoken(about.identity.number, "digits", "", leg.language or leg.default_language)
        clips = [clip for name in (prompt, *digits) if (clip := leg.clip(name)) is not None]
        if leg.end is None and leg.media is not None and clips:
            leg.media.port.play(clips)


async def _admitted(leg: Leg, terms: Terms) -> bool | None:
    """Return whether who knows the PIN is a moderator; None for who knows none."""
    if not terms.pin and not terms.moderator_pin:
        return terms.moderator
    prompts = ["enter-pin"]
    for _ in range(PIN_TRIES):
        typed = (await audio.collect(leg, prompts, most=16, secret=True)).digits
        if terms.moderator_pin and hmac.compare_digest(typed, terms.moderator_pin):
            return True
        if hmac.compare_digest(typed, terms.pin):  # without a PIN of their own, others press # alone
            return terms.moderator
        prompts = ["wrong-pin", "enter-pin"]
    return None
