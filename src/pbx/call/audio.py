"""What a script lets a leg hear and asks it to type: play, say, collect, beep, take a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pbx.call.leg import Leg
from pbx.call.spoken import spoken
from pbx.media.contract import Clip

ANY_KEY = "0123456789*#ABCD"


@dataclass(frozen=True, slots=True)
class Collected:
    """What was typed, and whether the caller stopped by the end key, by silence or by having typed enough."""

    digits: str
    how: str  # end, silence, full


async def play(leg: Leg, names: str | Sequence[str], *, keys: str = "", loop: bool = False, early: bool = False) -> str:
    """Play prompts one after the other; return the key of *keys* that stopped them, "" where they ended.

    Answers the call first unless *early*, which opens early media instead.
    """
    chosen = [names] if isinstance(names, str) else list(names)
    clips: list[Clip] = []
    for name in chosen:
        clip = leg.clip(name)
        if clip is None:
            leg.log.warning("x no prompt %s in %s", name, leg.language or "the configured language")
        else:
            clips.append(clip)
    return await _play_clips(leg, clips, keys=keys, loop=loop, early=early)


async def play_clip(leg: Leg, clip: Clip, *, keys: str = "") -> str:
    """Play a file that is no prompt, such as a message."""
    return await _play_clips(leg, [clip], keys=keys, loop=False, early=False)


async def say(leg: Leg, value: str, kind: str, unit: str = "", *, keys: str = "", early: bool = False) -> str:
    """Speak a value in the leg's language: digits, number, date, time, money, duration, position, text.

    :raises ValueError: where *value* is none of *kind*.
    """
    language = leg.language or leg.default_language
    return await play(leg, spoken(value, kind, unit, language), keys=keys, early=early)


async def open_sound(leg: Leg, *, early: bool = False) -> None:
    """Make sure that the leg can hear: answered, or with early media."""
    if early and leg.answered_at is None:
        leg.ring(early=True)
    else:
        await leg.answer()


async def _play_clips(leg: Leg, clips: Sequence[Clip], *, keys: str, loop: bool, early: bool) -> str:
    await open_sound(leg, early=early)
    if not clips:
        return ""
    port = leg.port
    token = port.play(clips, loop=loop)
    try:
        if not keys:
            await leg.sounded(token)
            return ""
        return await first_key(leg, leg.sounded(token), keys)
    finally:
        port.stop()


async def first_key(leg: Leg, until: Awaitable[object], keys: str) -> str:
    """Wait for one of *keys*, at the longest *until*; other keys are thrown away."""
    waiting = asyncio.ensure_future(until)
    try:
        while True:
            pressed = asyncio.ensure_future(leg.digits.get())
            try:
                await asyncio.wait((waiting, pressed), return_when=asyncio.FIRST_COMPLETED)
                if pressed.done():
                    if (key := pressed.result()) in keys:
                        return key
                elif waiting.done():
                    await waiting
                    return ""
            finally:
                pressed.cancel()
    finally:
        waiting.cancel()


async def key_within(leg: Leg, seconds: float, keys: str = ANY_KEY) -> str:
    """Wait at most *seconds* for one of *keys*; "" is silence."""
    return await first_key(leg, asyncio.sleep(seconds), keys)


async def ask(leg: Leg, prompts: Sequence[str], keys: str, wait_s: float, *, barge_in: bool = True) -> str:
    """Play *prompts*, then wait *wait_s* for one of *keys*, which also interrupts; "" is silence."""
    key = await play(leg, prompts, keys=keys if barge_in else "")
    if key:
        return key
    if not barge_in:
        _forget(leg)
    leg.asks(keys)
    return await key_within(leg, wait_s, keys)


def _forget(leg: Leg) -> None:
    """Throw away what was typed while nobody listened."""
    while not leg.digits.empty():
        leg.digits.get_nowait()


async def collect(
    leg: Leg,
    prompts: Sequence[str] = (),
    *,
    most: int = 32,
    end: str = "#",
    wait_s: float = 5.0,
    next_s: float = 3.0,
    secret: bool = False,
    early: bool = False,
) -> Collected:
    """Play *prompts* and read digits; the first one interrupts. *secret* ones are in no log and no recording."""
    await open_sound(leg, early=early)
    consumed = leg.port.consuming  # its keys are codes: they stay with us afterwards too
    if secret:
        leg.keeps_digits_secret = True
        leg.port.consume_digits(True)
        if leg.tape is not None:
            leg.tape.pause("secret")
    try:
        key = await play(leg, prompts, keys=ANY_KEY, early=early)
        if not key:
            leg.asks(ANY_KEY)
            key = await key_within(leg, wait_s)
        return await read_on(leg, key, most=most, end=end, next_s=next_s)
    finally:
        if secret:
            leg.keeps_digits_secret = False
            if leg.end is None:
                leg.port.consume_digits(consumed)
            if leg.tape is not None:
                leg.tape.resume("secret")


async def read_on(leg: Leg, first: str, *, most: int, end: str, next_s: float) -> Collected:
    """Read the digits that follow *first*."""
    digits = ""
    key = first
    while key:
        if key in end:
            return Collected(digits, "end")
        digits += key
        if len(digits) >= most:
            return Collected(digits, "full")
        key = await key_within(leg, next_s)
    return Collected(digits, "silence")


async def beep(leg: Leg) -> None:
    """Let the leg hear the beep."""
    await leg.sounded(leg.port.tone("beep"))


async def take_message(leg: Leg, path: Path, *, silence_s: float, limit_s: float, keys: str) -> tuple[float, str]:
    """Record the leg until silence, the limit or one of *keys*; return seconds and how it ended (or the key)."""
    port = leg.port
    loop = asyncio.get_running_loop()
    began = loop.time()
    token = port.record(path, silence_s=silence_s, limit_s=limit_s)
    ended = asyncio.ensure_future(leg.sounded(token))
    try:
        key = await first_key(leg, asyncio.shield(ended), keys)
        return loop.time() - began, key or ended.result()
    finally:
        port.stop_recording()
        ended.cancel()
