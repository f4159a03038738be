"""What scripts use beside the call itself: look-ups, switches, mailboxes, rooms, queues, and whose turn it is.

It outlives a reload: a configuration is swapped, the equipment stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pbx import events as ev
from pbx.apps.agent_keys import Day
from pbx.apps.conference import Rooms
from pbx.apps.desk import Desk
from pbx.apps.forwards import Forwards
from pbx.apps.parking import Lots
from pbx.apps.voicemail import Mailboxes
from pbx.call.contract import Emit


class LookupFailed(Exception):
    """The other system did not answer in time, or not usefully; the message says which."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to another system."""

    lookup: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float


class LookupClient(Protocol):
    """Who asks other systems."""

    async def ask(self, request: Request) -> bytes:
        """Return the body of a good answer.

        :raises LookupFailed: for anything else.
        """


class Switches:
    """Night switches: auto, open or closed; what was turned survives a restart."""

    def __init__(self, saved: Mapping[str, str], save: Callable[[str, str], object], emit: Emit) -> None:
        self._states = dict(saved)
        self._save = save
        self._emit = emit
        self.on_turned: list[Callable[[str, str], None]] = []  # lamps

    def state(self, name: str, first: str = "auto") -> str:
        """Return a switch's state; *first* is the file's, until somebody turns it."""
        return self._states.get(name, first)

    def changed(self, first: Mapping[str, str]) -> list[str]:
        """Say which switches stand otherwise than *first*, the file's words."""
        return [
            f"switch {name}: {self._states[name]} (the file says {state})"
            for name, state in first.items()
            if self._states.get(name, state) != state
        ]

    def turn(self, name: str, to: str, *, by: str, call_id: str = "") -> None:
        """Turn a switch, and remember it."""
        self._states[name] = to
        self._save(name, to)
        self._emit(ev.SwitchTurned(call_id=call_id, switch=name, state=to, by=by))
        for tell in self.on_turned:
            tell(name, to)


class PromptShelf(Protocol):
    """Where prompts that are recorded by phone go."""

    def draft(self, call_id: str) -> Path:
        """Return where a recording may be made."""

    async def keep(self, draft: Path, name: str, language: str) -> None:
        """Make a prompt of a recording.

        :raises MediaError: where there is nothing to hear in it, or for a name that is none.
        """

    def discard(self, draft: Path) -> None:
        """Forget a recording, kept or not."""


class NoShelf:
    """Nothing is kept in virtual time."""

    def draft(self, call_id: str) -> Path:
        return Path(f"{call_id}.wav")

    async def keep(self, draft: Path, name: str, language: str) -> None:
        return

    def discard(self, draft: Path) -> None:
        return


@dataclass(slots=True)
class Equipment:
    """Everything together."""

    emit: Emit
    wall: Callable[[], float]
    recordings: Callable[[str], Path]  # "2026/11/23/CALL.wav" to a file whose directory is there
    lookups: LookupClient
    switches: Switches
    mailboxes: Mailboxes
    rooms: Rooms
    forwards: Forwards
    lots: Lots
    desk: Desk | None = None
    prompts: PromptShelf = field(default_factory=lambda: NoShelf())
    agent_pin: Callable[[str], str] = lambda name: ""
    agent_day: Callable[[str], Day | None] = lambda name: None  # the business day so far
    turns: dict[str, int] = field(default_factory=dict)  # whose turn it is in a round-robin
    last_callers: dict[str, str] = field(default_factory=dict)  # by endpoint, since the start
    earlier_caller: Callable[[str], Awaitable[str]] | None = None  # of an endpoint, from the log of the runs before

    def recording_path(self, call_id: str) -> Path:
        """Return where a call's recording goes: by day, then by call; the second one of a call is numbered."""
        day = datetime.fromtimestamp(self.wall(), UTC)
        path = self.recordings(f"{day:%Y/%m/%d}/{call_id}.wav")
        number = 1
        while path.exists():
            number += 1
            path = path.with_name(f"{call_id}-{number}.wav")
        return path
