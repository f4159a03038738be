"""A menu: a prompt, a key, or a number; wrong keys and silences together use up its tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pbx import events as ev
from pbx.apps.outcome import Key, TimedOut
from pbx.call import audio
from pbx.call.contract import Emit
from pbx.call.leg import Leg
from pbx.config.dialplan import Menu

MAX_EXTENSION = 16


@dataclass(frozen=True, slots=True)
class Dialled:
    """The caller typed an extension."""

    number: str


class Choices:
    """Which keys a menu takes now, and which numbers may be dialled in it."""

    def __init__(
        self,
        keys: Callable[[str], bool],
        is_extension: Callable[[str], bool] = lambda digits: False,
        may_become: Callable[[str], bool] = lambda digits: False,
    ) -> None:
        self.takes = keys
        self.is_extension = is_extension
        self.may_become = may_become


async def menu(leg: Leg, name: str, spec: Menu, choices: Choices, emit: Emit) -> Key | Dialled | TimedOut:
    """Ask until a key is chosen, an extension typed, or the tries are used up."""
    emit(ev.MenuEntered(call_id=leg.call_id, leg_id=leg.leg_id, menu=name))

    def tell(key: str, outcome: str) -> None:
        emit(ev.MenuKey(call_id=leg.call_id, leg_id=leg.leg_id, menu=name, key=key, outcome=outcome))

    how = "hangup"
    try:
        prompts = spec.prompt
        for _ in range(spec.tries):
            key = await audio.ask(leg, prompts, audio.ANY_KEY, spec.wait_s, barge_in=spec.barge_in)
            prompts = spec.prompt
            if not key:
                tell("", "silence")
                continue
            typed = await _typed(leg, key, spec, choices)
            if choices.takes(typed):
                how = "key"
                tell(typed, "chosen")
                return Key(typed)
            if choices.is_extension(typed):
                how = "extension"
                tell(typed, "dialled")
                return Dialled(typed)
            tell(typed, "wrong")
            prompts = (*spec.wrong, *spec.prompt)
        how = "exhausted"
        return TimedOut()
    finally:
        emit(ev.MenuLeft(call_id=leg.call_id, leg_id=leg.leg_id, menu=name, how=how))


async def _typed(leg: Leg, first: str, spec: Menu, choices: Choices) -> str:
    """Read on as long as what was typed may become a longer number."""
    digits = first
    while len(digits) < MAX_EXTENSION and choices.may_become(digits):
        key = await audio.key_within(leg, spec.next_s)
        if not key or key == "#":
            break
        digits += key
    return digits
