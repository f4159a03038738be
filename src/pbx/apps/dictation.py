"""A recording made by phone until its maker likes it: a company's greeting, a mailbox's."""

from __future__ import annotations

from pathlib import Path

from pbx.call import audio
from pbx.call.leg import Leg
from pbx.media.contract import Clip

SILENCE_S = 4.0
LIMIT_S = 300.0
TRIES = 10
KEEP, HEAR, AGAIN, GIVE_UP = "1", "2", "3", "*"


async def dictate(leg: Leg, path: Path, *, limit_s: float = LIMIT_S) -> bool:
    """Beep, record until ``#`` or silence, and ask: 1 keep, 2 hear it, 3 again; True where it is kept at *path*."""
    await leg.answer()
    key = AGAIN
    for _ in range(TRIES):
        if key == AGAIN:
            await audio.play(leg, "record-after-beep")
            await audio.beep(leg)
            await audio.take_message(leg, path, silence_s=SILENCE_S, limit_s=limit_s, keys="#")
        heard = key in (AGAIN, HEAR)
        key = await audio.play_clip(leg, Clip("recording", path), keys="123*") if heard else ""
        key = key or await audio.ask(leg, ["record-menu"], KEEP + HEAR + AGAIN + GIVE_UP, 5.0)
        if key == KEEP:
            return True
        if key == GIVE_UP:
            return False
    return False
