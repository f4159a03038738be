"""Keys during a conversation: one side's codes do something, every other key goes on to the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from pbx.call.leg import Leg, LegState
from pbx.errors import CallEnded, PbxError

InCall = Mapping[str, Callable[[Leg], Awaitable[None]]]  # keys, and what they do for the leg that pressed them
BETWEEN_S = 1.5  # between two keys of one code
MUSIC = "default"


class Buttons:
    """What one side of a bridge presses. The engine keeps its digits back; what is no code is sent on."""

    def __init__(self, leg: Leg, other: Leg, codes: InCall) -> None:
        self._leg, self._other = leg, other
        self._codes = codes
        self._typed = ""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        leg.on_digit_pressed.append(self._pressed)
        if leg.media is not None:
            leg.media.port.consume_digits(True)

    def _pressed(self, leg: Leg, digit: str) -> None:
        if self._task is not None and not self._task.done():
            return  # the action reads the keys
        if leg.apart_from is self._other:
            self._typed = ""  # in a flow or on hold: these keys are not for the other side
            return
        self._stop_timer()
        self._typed += digit
        if self._typed in self._codes:
            typed, self._typed = self._typed, ""
            self._task = asyncio.get_running_loop().create_task(self._run(typed), name=f"keys {typed}")
        elif any(code.startswith(self._typed) for code in self._codes):
            self._timer = asyncio.get_running_loop().call_later(BETWEEN_S, self._send_on)
        else:
            self._send_on()

    async def _run(self, typed: str) -> None:
        leg = self._leg
        leg.log.info("- keys %s", typed)
        while not leg.digits.empty():
            leg.digits.get_nowait()
        try:
            await self._codes[typed](leg)
        except CallEnded:
            pass
        except PbxError as error:
            leg.log.info("x %s: %s", typed, error)
        except Exception:
            leg.log.exception("the keys %s failed", typed)

    def _send_on(self) -> None:
        self._stop_timer()
        typed, self._typed = self._typed, ""
        if typed and self._other.media is not None and self._other.state is LegState.UP:
            self._other.send_digits(typed)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self) -> None:
        """Let go of the keys; what an action still does is ended first."""
        self._stop_timer()
        if self._pressed in self._leg.on_digit_pressed:
            self._leg.on_digit_pressed.remove(self._pressed)
        if self._leg.media is not None and self._leg.state is not LegState.ENDED:
            self._leg.media.port.consume_digits(False)
        task = self._task
        if task is not None and task is not asyncio.current_task() and not task.done():
            task.cancel()
            await asyncio.wait({task})


@asynccontextmanager
async def aside(leg: Leg, other: Leg, *, music_to: Leg) -> AsyncIterator[None]:
    """Part two legs for the body: one hears music, nothing is recorded; then they hear each other again."""
    tape = leg.tape or other.tape
    if tape is not None:
        tape.pause("aside")
    leg.apart_from, other.apart_from = other, leg
    leg.port.unhear(other.port)
    other.port.unhear(leg.port)
    play_music(music_to)
    try:
        yield
    finally:
        leg.apart_from = other.apart_from = None
        if leg.state is LegState.UP and other.state is LegState.UP:
            music_to.port.stop()
            if leg.peer is other:
                leg.port.hear(other.port)
                other.port.hear(leg.port)
        if tape is not None:
            tape.resume("aside")


def play_music(leg: Leg) -> None:
    clip = leg.clip(MUSIC)
    if clip is not None:
        leg.port.play([clip], loop=True)
