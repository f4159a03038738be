"""What the call room needs from above and below, and what it tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pbx.events import Event
from pbx.media.contract import Clip
from pbx.signaling.contract import Destination, Introduction

if TYPE_CHECKING:
    from pbx.call.leg import Leg

Emit = Callable[[Event], object]
Script = Callable[["Leg"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class End:
    """How a leg ended."""

    cause: str  # answered, busy, no-answer, declined, unreachable, cancelled, refused, failed, lost
    status: int
    by: str  # peer, us
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """Who somebody is, as phones show it."""

    number: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The dialplan's "no": answer the INVITE with this."""

    status: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Routed:
    """The dialplan's "yes": the script for a call, and what the record keeps of the decision."""

    script: Script
    number: str = ""
    context: str = ""
    match: str = ""
    where: str = ""
    over_limits: bool = False  # an emergency: no limit of ours refuses it


class Router(Protocol):
    """The dialplan, as the call room sees it."""

    def route(self, introduction: Introduction) -> Routed | Refusal: ...

    def in_call(self, leg: Leg) -> Mapping[str, Callable[[Leg], Awaitable[None]]]:
        """Return the keys that a leg's party may press during a conversation, and what each does."""

    async def converse(self, leg: Leg, other: Leg, *, charged: str = "") -> None:
        """Let two legs talk, recorded where the configuration says so, until one hangs up.

        *charged* is the party whose minutes outside this uses up: they end when those do.
        """

    def minutes_left_s(self, party: str) -> float:
        """Return how long a party's forwards and transfers may yet talk outside today."""


class Targets(Protocol):
    """Turn a target of the language into destinations: ``endpoint/1001``, ``trunk/carrier``, ``agent/zhang``."""

    def resolve(self, target: str, leg: Leg, *, number: str = "", caller: str = "") -> Sequence[Destination]:
        """Return where to ring.

        :raises CallFailed: Unreachable where nobody is registered, Declined where it is forbidden, Busy at a limit.
        """


class PromptSource(Protocol):
    """Where prompts come from: the shipped ones, the company's own, or names alone in virtual time."""

    def find(self, name: str, language: str) -> Clip | None: ...


class NamesAlone:
    """Prompts without sound: every name is one."""

    def find(self, name: str, language: str) -> Clip | None:
        return Clip(name)
