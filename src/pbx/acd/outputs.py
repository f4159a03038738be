"""What the core wants done, and what it tells; drained after each input."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.acd.skills import Key

Face = tuple[str, int, str, str, float, dict[str, int]]  # a member as a decision saw it: name, tier, state, detail,
# until, skills; the skills by reference, which the core never changes in place


@dataclass(frozen=True, slots=True)
class Entered:
    """The caller waits."""

    entry_id: str
    queue: str
    position: int  # 1 is next


@dataclass(frozen=True, slots=True)
class Refused:
    entry_id: str
    queue: str
    why: str  # full, closed, no-agents


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Ring this agent for this caller."""

    offer_id: str
    entry_id: str
    queue: str
    agent: str
    tier: int
    ring_s: float
    callback_id: str = ""


@dataclass(frozen=True, slots=True)
class CancelOffer:
    """Stop ringing; *why* elsewhere: another agent was faster (Reason: Call completed elsewhere)."""

    offer_id: str
    agent: str
    why: str  # elsewhere, caller-left, no-answer, agent


@dataclass(frozen=True, slots=True)
class OfferOver:
    offer_id: str
    entry_id: str
    queue: str
    agent: str
    outcome: str  # answered, missed, declined, failed, cancelled
    status: int
    ring_ms: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """The agent has this caller: whisper, then join them and say OfferJoined."""

    offer_id: str
    entry_id: str
    agent: str
    callback_id: str = ""


@dataclass(frozen=True, slots=True)
class TooLate:
    """The agent picked up a call that somebody else has, or nobody any more: hang up."""

    offer_id: str
    agent: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The one exit of an entry."""

    entry_id: str
    queue: str
    exit: str  # answered, abandoned, timeout, key, emptied, moved, callback, lost
    agent: str
    key: str
    wait_ms: int
    position: int
    entered_position: int


@dataclass(frozen=True, slots=True)
class AgentMoved:
    agent: str
    was: str
    now: str
    cause: str
    reason: str
    direct: bool = False  # on a call that no queue gave


@dataclass(frozen=True, slots=True)
class AutoPaused:
    """Give the phone a tone and a notice."""

    agent: str
    missed: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What was chosen for an entry and what there was to choose from; see :mod:`pbx.acd.explain`."""

    entry_id: str
    queue: str
    at: float
    waited_s: float
    needs: Key
    chosen: tuple[str, ...]
    strategy: str
    held_for: str
    up_to_tier: int  # 0: any
    barred: tuple[str, ...]  # missed or refused this very call just now
    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the caller where they stand; None is not said."""

    entry_id: str
    position: int | None
    wait_s: float | None
    turn: int  # 0 is the first announcement


@dataclass(frozen=True, slots=True)
class OfferCallback:
    entry_id: str


@dataclass(frozen=True, slots=True)
class Promised:
    """A wait was told to the caller; :class:`PromiseKept` follows."""

    entry_id: str
    queue: str
    position: int
    wait_ms: int | None


@dataclass(frozen=True, slots=True)
class PromiseKept:
    """How a promise turned out: positive is later than promised."""

    entry_id: str
    queue: str
    error_ms: int


@dataclass(frozen=True, slots=True)
class CallbackMoved:
    callback_id: str
    queue: str
    state: str  # promised, dialling, connected, waiting, failed, expired, cancelled
    attempt: int


Output = (
    Entered | Refused | MakeOffer | CancelOffer | OfferOver | Claimed | TooLate | Exited | AgentMoved | AutoPaused
    | Decided | Announce | OfferCallback | Promised | PromiseKept | CallbackMoved
)  # fmt: skip
