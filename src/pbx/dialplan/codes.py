"""Feature codes: what the profiles say, what a configuration changes of it, and which code somebody dialled.

A code is text with, for some actions, a place for a number: ``*21*{number}#``; where an action takes a number and its
code has no place, the number may follow the code, or is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pbx.config.dialplan import FeatureCodes

PLACE = "{number}"

# What FreePBX's users know, with the forms of GSM.
DEFAULT: dict[str, tuple[str, ...]] = {
    "voicemail": ("*97",),
    "voicemail-other": ("*98",),
    "echo": ("*43",),
    "call-back": ("*69",),
    "forward-all-on": ("*72", "*21*{number}#"),
    "forward-all-off": ("*73", "#21#", "##21#"),
    "forward-busy-on": ("*90", "*67*{number}#"),
    "forward-busy-off": ("*91", "#67#", "##67#"),
    "forward-no-answer-on": ("*52", "*61*{number}#"),
    "forward-no-answer-off": ("*53", "#61#", "##61#"),
    "dnd-on": ("*78",),
    "dnd-off": ("*79",),
    "dnd-toggle": ("*76",),
    "agent-login": ("*45",),
    "agent-pause": ("*46",),
    "queue-count": ("*47",),
    "pickup-group": ("*8",),
    "pickup": ("**",),
    "park": ("70",),
    "night-switch": ("*28",),
    "intercom": ("*80",),
    "agent-ready": ("*42",),
    "wrap-up-more": ("*44",),
    "my-figures": ("*48",),
    "disposition": ("*49",),
    "supervise": ("*55",),
    "filter": ("*37",),
}
# What Chinese fixed lines use; the rest is as above.
CN: dict[str, tuple[str, ...]] = {
    **DEFAULT,
    "forward-all-on": ("*57*{number}#", "*21*{number}#"),
    "forward-all-off": ("#57#", "#21#"),
    "forward-busy-on": ("*40*{number}#",),
    "forward-busy-off": ("#40#",),
    "forward-no-answer-on": ("*41*{number}#",),
    "forward-no-answer-off": ("#41#",),
    "dnd-on": ("*56#",),
    "dnd-off": ("#56#",),
}
# Pressed during a conversation, by an endpoint's own side.
IN_CALL: dict[str, tuple[str, ...]] = {
    "transfer": ("##",),
    "consult": ("*2",),
    "three-way": ("*3",),
    "record": ("*1",),
    # An agent's alone:
    "note-disposition": ("*4",),
    "pause-next": ("*5",),
    "raise-hand": ("*0",),
}
AGENTS_KEYS = ("note-disposition", "pause-next", "raise-hand")
PROFILES: dict[str, dict[str, tuple[str, ...]]] = {"": {}, "default": {**DEFAULT, **IN_CALL}, "cn": {**CN, **IN_CALL}}
ACTIONS = tuple({**DEFAULT, **IN_CALL})
TAKES_NUMBER = frozenset(
    {"voicemail-other", "forward-all-on", "forward-busy-on", "forward-no-answer-on", "pickup", "park", "night-switch",
     "intercom", "wrap-up-more", "disposition", "supervise", "filter"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """One code of an action."""

    action: str
    text: str

    def match(self, dialled: str) -> str | None:
        """Return the number that stands in *dialled*, "" for none; None where this is another code."""
        before, place, after = self.text.partition(PLACE)
        if place:
            if not (dialled.startswith(before) and dialled.endswith(after)):
                return None
            number = dialled[len(before) : len(dialled) - len(after)]
            return number if re.fullmatch(r"\+?[0-9]+", number) else None
        if dialled == self.text:
            return ""
        rest = dialled.removeprefix(self.text)
        takes = self.action in TAKES_NUMBER and rest != dialled
        return rest if takes and re.fullmatch(r"\+?[0-9]+", rest) else None


class Codes:
    """The codes of one configuration."""

    def __init__(self, spec: FeatureCodes | None) -> None:
        chosen: dict[str, tuple[str, ...]] = dict(PROFILES[spec.profile]) if spec is not None else {}
        if spec is not None:
            chosen |= {action: tuple(code for code in codes if code) for action, codes in spec.codes.items()}
        self._chosen = chosen

    @cached_property
    def dialled(self) -> list[Code]:
        """Return the codes that are dialled, the longest first: ``*80`` before ``*8``."""
        found = _codes(self._chosen, (action for action in self._chosen if action not in IN_CALL))
        return sorted(found, key=lambda code: -len(code.text.replace(PLACE, "")))

    @cached_property
    def in_call(self) -> dict[str, str]:
        """Return the keys that are pressed during a conversation, and what each does."""
        return {code.text: code.action for code in _codes(self._chosen, IN_CALL) if code.text}

    def find(self, dialled: str) -> tuple[str, str] | None:
        """Return action and number of what was dialled; None where it is no code."""
        for code in self.dialled:
            number = code.match(dialled)
            if number is not None:
                return code.action, number
        return None

    def of(self, action: str) -> tuple[str, ...]:
        """Return the codes of an action."""
        return self._chosen.get(action, ())


def _codes(chosen: Mapping[str, tuple[str, ...]], actions: Iterable[str]) -> list[Code]:
    return [Code(action, text) for action in actions for text in chosen.get(action, ())]
