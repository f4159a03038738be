"""Two legs that hear each other until one of them hangs up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pbx import events as ev
from pbx.call.buttons import Buttons, play_music
from pbx.call.leg import Leg, LegState

if TYPE_CHECKING:
    from pbx.call.calls import Calls


async def bridge(calls: Calls, caller: Leg, callee: Leg) -> str:
    """Join *caller* and *callee*; return "caller" or "callee", whichever left first."""
    if callee.media is not None and callee.media.agreed is not None and caller.media is None:
        caller.open_media(calls.codecs).prefer([callee.media.agreed.codec.name])
    await caller.answer()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    music: set[Leg] = set()  # who hears it, because the other side holds

    def changed(leg: Leg) -> None:
        if leg.state is LegState.ENDED and not ended.done():
            ended.set_result("caller" if leg is caller else "callee")
        elif not ended.done():
            _follow_hold(leg, callee if leg is caller else caller, music)

    before = (caller.peer, callee.peer)  # during a consultation one of them has another conversation aside
    _join(calls, caller, callee)
    sides = ((caller, callee), (callee, caller))
    for one, other in sides:
        if one.introduce:
            one.introduce = False
            one.show(other.identity)
    buttons = [Buttons(one, other, codes) for one, other in sides if (codes := calls.router.in_call(one))]
    try:
        caller.on_change.append(changed)
        callee.on_change.append(changed)
        for leg in (callee, caller):
            changed(leg)  # it may have ended before we looked
        return await ended
    finally:
        caller.on_change.remove(changed)
        callee.on_change.remove(changed)
        for keys in buttons:
            await keys.close()
        _part(calls, caller, callee)
        caller.peer, callee.peer = before


def _join(calls: Calls, one: Leg, other: Leg) -> None:
    one.peer, other.peer = other, one
    if one.media is not None and other.media is not None:
        one.media.port.hear(other.media.port)
        other.media.port.hear(one.media.port)
    calls.emit(ev.LegBridged(call_id=one.call_id, leg_id=one.leg_id, other=other.leg_id))
    _tell(one, other)


def _follow_hold(holder: Leg, other: Leg, music: set[Leg]) -> None:
    """Let who is put on hold hear music, and the other side again when the hold is over."""
    if holder.media is None or other.media is None or holder.apart_from is other or other.state is LegState.ENDED:
        return
    if holder.media.held and other not in music:
        music.add(other)
        other.media.port.unhear(holder.media.port)
        play_music(other)
    elif not holder.media.held and other in music:
        music.discard(other)
        other.media.port.stop()
        other.media.port.hear(holder.media.port)


def _part(calls: Calls, one: Leg, other: Leg) -> None:
    one.peer = other.peer = None
    for leg in (one, other):
        if leg.media is not None and leg.state is not LegState.ENDED:
            leg.media.port.deaf()
    calls.emit(ev.LegUnbridged(call_id=one.call_id, leg_id=one.leg_id, other=other.leg_id))
    _tell(one, other)


def _tell(*legs: Leg) -> None:
    for leg in legs:
        for tell in list(leg.on_bridged):
            tell(leg)
