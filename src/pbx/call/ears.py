"""The half of a leg that listens: keys, sounds that end, prompts in its language."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from pbx import events as ev
from pbx.media.contract import Clip, MediaState

if TYPE_CHECKING:
    from pbx.call.calls import Calls
    from pbx.call.leg import Leg


class Ears(ABC):
    """What a :class:`pbx.call.leg.Leg` hears of its media, and what scripts wait for there."""

    __slots__ = ("_digits", "_sounding", "call_id", "calls", "keeps_digits_secret", "language", "leg_id", "log",
                 "on_digit_pressed", "when_done")  # fmt: skip

    def __init__(self, calls: Calls, leg_id: str, call_id: str, log: logging.LoggerAdapter[logging.Logger]) -> None:
        self.calls = calls
        self.leg_id = leg_id
        self.call_id = call_id
        self.log = log
        self.language = ""  # of the prompts that this leg hears; empty: the configured one
        self.keeps_digits_secret = False  # in no log and no record while a card number or a PIN is typed
        self._digits: asyncio.Queue[str] | None = None
        self.on_digit_pressed: list[Callable[[Leg, str], None]] = []
        self.when_done: dict[int, Callable[[str], None]] = {}  # by token: told also after the leg's end
        self._sounding: dict[int, asyncio.Future[str]] = {}  # by the media's token: plays, tones, recordings

    @property
    def digits(self) -> asyncio.Queue[str]:
        """Keys that were pressed and not taken yet."""
        if self._digits is None:
            self._digits = asyncio.Queue()
        return self._digits

    @abstractmethod
    def _must_live(self) -> None: ...

    @abstractmethod
    def _pass_on(self, digit: str, *, by_signalling: bool) -> None:
        """Tell a bridged peer of a key that the engine could not."""

    def asks(self, keys: str) -> None:
        """Tell whoever plays this leg's part in a test that one of *keys* is waited for."""
        if self.calls.on_ask is not None:
            self.calls.on_ask(self, keys)  # type: ignore[arg-type]

    def clip(self, name: str) -> Clip | None:
        """Return the prompt *name* in this leg's language."""
        return self.calls.prompts.find(name, self.language or self.calls.language)

    async def sounded(self, token: int) -> str:
        """Wait until what the media port called *token* is over; return its outcome: ended, stopped, silence, limit."""
        self._must_live()
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._sounding[token] = future
        try:
            return await future
        finally:
            del self._sounding[token]

    # ---- what media tells ------------------------------------------------------------------------------------------

    def on_digit(self, digit: str, duration_ms: int, *, by_signalling: bool = False) -> None:
        if not self.keeps_digits_secret:
            self.calls.emit(ev.LegDigit(call_id=self.call_id, leg_id=self.leg_id, digit=digit, duration_ms=duration_ms))
        self.digits.put_nowait(digit)
        self._pass_on(digit, by_signalling=by_signalling)
        for tell in list(self.on_digit_pressed):
            tell(self, digit)  # type: ignore[arg-type]

    def on_media(self, state: MediaState) -> None:
        self.log.info("media: %s", state.value)
        self.calls.emit(ev.LegMedia(call_id=self.call_id, leg_id=self.leg_id, state=state.value))

    def on_done(self, token: int, outcome: str) -> None:
        future = self._sounding.get(token)
        if future is not None and not future.done():
            future.set_result(outcome)
        if (tell := self.when_done.pop(token, None)) is not None:
            tell(outcome)
