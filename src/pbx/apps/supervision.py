"""Supervision: listen to a conversation, whisper to one side, barge in, take it over: who hears whom, no more."""

from __future__ import annotations

import asyncio
from enum import Enum

from pbx import events as ev
from pbx.call import transfer
from pbx.call.calls import Calls
from pbx.call.contract import Emit
from pbx.call.leg import Leg, LegState


class Mode(Enum):
    """What a supervisor does in a conversation; the key that changes to it while it lasts."""

    LISTEN = "listen"  # hears both, nobody knows
    WHISPER = "whisper"  # the watched side alone hears the supervisor
    BARGE = "barge"  # everybody hears everybody
    TAKE_OVER = "take-over"  # the watched side leaves, the supervisor goes on


KEYS = {"4": Mode.LISTEN, "5": Mode.WHISPER, "6": Mode.BARGE, "7": Mode.TAKE_OVER}


async def supervise(calls: Calls, own: Leg, watched: Leg, mode: Mode, emit: Emit, who: str) -> None:
    """Put *own* into the conversation of *watched* until it ends; keys 4 to 7 change the mode."""
    await own.answer()
    seat = _Seat(own, watched)
    own.port.consume_digits(True)  # the keys are for us, not for those who talk
    watched.on_change.append(seat.changed)
    watched.on_bridged.append(seat.changed)
    _tell(emit, watched, who, mode.value)
    try:
        while True:
            if mode is Mode.TAKE_OVER:
                if _taken_over(calls, own, watched):
                    return
                mode = Mode.LISTEN
            seat.sit(mode)
            chosen = await seat.next_key()
            if chosen is None:
                return
            if chosen is not mode:
                mode = chosen
                _tell(emit, watched, who, mode.value)
    finally:
        watched.on_change.remove(seat.changed)
        watched.on_bridged.remove(seat.changed)
        seat.leave()
        _tell(emit, watched, who, "left")


def _taken_over(calls: Calls, own: Leg, watched: Leg) -> bool:
    """Let *own* have the one whom *watched* talks to; False where there is nobody."""
    if watched.peer is None:
        return False
    own.kept = True
    if not transfer.replace(calls, watched, own):
        own.kept = False
        return False
    own.port.consume_digits(False)
    return True


def _tell(emit: Emit, watched: Leg, who: str, mode: str) -> None:
    emit(ev.SupervisorDid(call_id=watched.call_id, leg_id=watched.leg_id, who=who, party=watched.party, mode=mode))


class _Seat:
    """Who hears whom, kept true while legs are held, bridged anew and gone."""

    def __init__(self, own: Leg, watched: Leg) -> None:
        self._own = own
        self._watched = watched
        self._mode = Mode.LISTEN
        self._other: Leg | None = None
        self._over = asyncio.Event()

    def sit(self, mode: Mode) -> None:
        self._mode = mode
        self._apply()

    def changed(self, leg: Leg) -> None:
        """Hear that the watched leg was bridged, held or has ended."""
        if leg.state is LegState.ENDED:
            self._over.set()
        elif self._own.end is None:
            self._apply()

    def _apply(self) -> None:
        own = self._own.port
        other, self._other = self._other, self._watched.peer
        if other is not None and other is not self._other:
            _hears(other, self._own, on=False)
        own.deaf()
        for leg in (self._watched, self._other):
            if leg is not None and leg.media is not None and leg.end is None:
                own.hear(leg.media.port)
        _hears(self._watched, self._own, on=self._mode in (Mode.WHISPER, Mode.BARGE))
        if self._other is not None:
            _hears(self._other, self._own, on=self._mode is Mode.BARGE)

    async def next_key(self) -> Mode | None:
        """Wait for a key that changes the mode; None when the conversation is over."""
        over = asyncio.ensure_future(self._over.wait())
        try:
            while not self._over.is_set():
                pressed = asyncio.ensure_future(self._own.collect_digit())
                try:
                    await asyncio.wait((over, pressed), return_when=asyncio.FIRST_COMPLETED)
                    if pressed.done() and (mode := KEYS.get(pressed.result())) is not None:
                        return mode
                finally:
                    pressed.cancel()
            return None
        finally:
            over.cancel()

    def leave(self) -> None:
        for leg in (self._watched, self._other):
            if leg is not None and leg.peer is not self._own:
                _hears(leg, self._own, on=False)
        if self._own.end is None and self._own.media is not None and self._own.peer is None:
            self._own.media.port.deaf()


def _hears(leg: Leg, own: Leg, *, on: bool) -> None:
    """Let *leg*'s party hear *own*, or no longer."""
    if leg.media is None or leg.end is not None or own.media is None:
        return
    if on:
        leg.media.port.hear(own.media.port)
    else:
        leg.media.port.unhear(own.media.port)


def conversation_of(calls: Calls, party: str) -> Leg | None:
    """Return the leg of *party* (endpoint/2001) that talks with somebody."""
    for call in calls.calls.values():
        for leg in call.legs.values():
            if leg.party == party and leg.peer is not None and leg.state is LegState.UP:
                return leg
    return None


def watched_leg(calls: Calls, call_id: str) -> Leg | None:
    """Return the side of a call to watch: the one that was called, as an agent is."""
    call = calls.find(call_id)
    talking = [leg for leg in call.legs.values() if leg.peer is not None] if call is not None else []
    return next((leg for leg in talking if leg.direction == "out"), talking[0] if talking else None)
