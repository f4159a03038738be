"""An agent: one state machine, one table, one claim.

The state says what the agent does now. What they will be when that is over follows from the flags beside it: whether
they want to log out, whether the phone is reachable, whether they are paused, whether another call keeps them busy.
Wrap-up is a state of the agent and belongs to no queue.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pbx.errors import LocalProtocolError

if TYPE_CHECKING:
    from pbx.acd.queue import Member, Offer


class State(Enum):
    LOGGED_OUT = "logged-out"
    READY = "ready"
    RESERVED = "reserved"  # chosen for a caller; the phone does not ring yet
    RINGING = "ringing"
    ON_CALL = "on-call"
    WRAP_UP = "wrap-up"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"


class Move(Enum):
    """What happens to an agent."""

    RESERVE = "reserve"
    RING = "ring"
    TALK = "talk"  # joined with a caller of a queue
    OTHER_CALL = "other-call"  # any dialog that no queue gave
    WRAP = "wrap"
    REST = "rest"  # nothing to do: ready for the next
    PAUSE = "pause"
    LOSE = "lose"  # the phone is gone
    LEAVE = "leave"


_S, _M = State, Move
_SETTLE = {_M.REST: _S.READY, _M.PAUSE: _S.PAUSED, _M.LOSE: _S.UNREACHABLE, _M.LEAVE: _S.LOGGED_OUT,
           _M.OTHER_CALL: _S.ON_CALL}  # fmt: skip

# What is not here cannot happen: nobody is reserved but out of ready, nobody wraps up but after a call.
TABLE: dict[State, dict[Move, State]] = {
    _S.LOGGED_OUT: {_M.WRAP: _S.WRAP_UP, **{k: v for k, v in _SETTLE.items() if k is not _M.LEAVE}},  # restored
    _S.READY: {_M.RESERVE: _S.RESERVED, **{k: v for k, v in _SETTLE.items() if k is not _M.REST}},
    _S.RESERVED: {_M.RING: _S.RINGING, _M.TALK: _S.ON_CALL, **_SETTLE},
    _S.RINGING: {_M.TALK: _S.ON_CALL, **_SETTLE},
    _S.ON_CALL: {_M.WRAP: _S.WRAP_UP, **{k: v for k, v in _SETTLE.items() if k is not _M.OTHER_CALL}},
    _S.WRAP_UP: dict(_SETTLE),
    _S.PAUSED: dict(_SETTLE),  # PAUSE again: for another reason
    _S.UNREACHABLE: {k: v for k, v in _SETTLE.items() if k is not _M.LOSE},
}

WRAP_UP_S = 15.0
MAX_EXTENSION_S = 300.0


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """What the configuration says of an agent, the team laid in. *None* leaves the word to the queue."""

    name: str
    queues: dict[str, int] = field(default_factory=dict)  # queue: tier
    skills: dict[str, int] = field(default_factory=dict)
    wrap_up_s: float | None = None
    ring_s: float | None = None
    weight: int = 1  # weighted-random


@dataclass(slots=True)
class Talk:
    """The queue call that an agent is on."""

    entry_id: str
    queue: str
    since: float
    wrap_up_s: float


@dataclass(slots=True)
class WrapUp:
    until: float
    extended_s: float = 0.0


@dataclass(slots=True, eq=False)
class Agent:
    """One agent as the core knows them."""

    spec: AgentSpec
    order: int  # place in the configuration
    skills: dict[str, int]  # replaced, never changed in place: decisions keep a reference
    members: dict[str, Member] = field(default_factory=dict)  # by queue
    state: State = State.LOGGED_OUT
    since: float = 0.0
    idle_since: float = 0.0  # over all queues
    pause: str | None = None  # the reason; kept while on a call, taken when it is over
    reachable: bool = True
    leaving: bool = True  # logged out as soon as what they do is over
    others: int = 0  # dialogs that no queue gave
    rest_until: float = 0.0
    missed: int = 0  # offers in a row
    talk_s: float = 0.0  # since the day began
    offer: Offer | None = None  # the one claim
    talk: Talk | None = None
    wrap: WrapUp | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def free(self) -> bool:
        """May be offered a call at this instant, as far as it is theirs to say."""
        return self.state is State.READY and not self.rest_until

    def move(self, move: Move) -> State:
        """Take a step of the table; nothing else assigns ``state``.

        :raises LocalProtocolError: where the table has none.
        """
        target = TABLE[self.state].get(move)
        if target is None:
            raise LocalProtocolError(f"agent {self.name}: {move.value} in {self.state.value}")
        self.state = target
        return target

    def settling(self) -> Move:
        """Return what an agent becomes who has nothing to do."""
        if self.leaving:
            return Move.LEAVE
        if self.others:
            return Move.OTHER_CALL
        if not self.reachable:
            return Move.LOSE
        if self.pause is not None:
            return Move.PAUSE
        return Move.REST
