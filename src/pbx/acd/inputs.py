"""What the core is told. Each is a plain frozen value, so that a day of them can be kept and fed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, dataclass_transform

from pbx.acd.agent import AgentSpec
from pbx.acd.skills import Need
from pbx.config.queues import Queue

INPUTS: dict[str, type[Input]] = {}


@dataclass(frozen=True, slots=True)
class Input:
    """Something happened."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _input(cls: type[Any]) -> Any:
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    INPUTS[made.__name__] = made
    return made


def dumped(what: Input) -> dict[str, Any]:
    """Return an input as plain values, defaults left out."""
    values = {f.name: getattr(what, f.name) for f in fields(what) if getattr(what, f.name) != f.default}
    if "needs" in values:
        values["needs"] = [[n.skill, n.level, n.relax] for n in values["needs"]]
    if isinstance(what, Configured):
        values["queues"] = {name: _plain(spec) for name, spec in what.queues.items()}
        values["agents"] = {name: asdict(spec) for name, spec in what.agents.items()}
    return {"input": type(what).__name__, **values}


def loaded(values: dict[str, Any]) -> Input:
    """Rebuild an input.

    :raises KeyError: for an unknown one.
    """
    rest = dict(values)
    cls = INPUTS[rest.pop("input")]
    if "needs" in rest:
        rest["needs"] = tuple(Need(*need) for need in rest["needs"])
    if cls is Configured:
        rest["queues"] = {name: Queue.model_validate(spec) for name, spec in rest["queues"].items()}
        rest["agents"] = {name: AgentSpec(**spec) for name, spec in rest["agents"].items()}
    return cls(**rest)


def _plain(spec: Queue) -> dict[str, Any]:
    """Return what the core reads of a queue; where its callers go afterwards is the dialplan's."""
    return spec.model_dump(mode="json", by_alias=True, exclude={"on", "exit_keys"}, exclude_defaults=True)


# ---- callers -------------------------------------------------------------------------------------------------------


@_input
class Joined(Input):
    """A caller wants into a queue."""

    entry_id: str
    queue: str
    priority: int = 0
    needs: tuple[Need, ...] = ()
    prefer: str = ""  # an agent
    source: str = "new"  # new, overflow, transfer, consult, callback
    closed: bool = False  # outside the queue's hours
    ring_s: float | None = None  # of the step, over the queue's
    max_wait_s: float | None = None
    call_id: str = ""


@_input
class Left(Input):
    """A caller is gone from the queue before an agent joined."""

    entry_id: str
    exit: str = "abandoned"  # abandoned, key, moved, lost
    key: str = ""


@_input
class Prioritised(Input):
    """A supervisor gave a waiting caller another priority."""

    entry_id: str
    priority: int


# ---- offers --------------------------------------------------------------------------------------------------------


@_input
class OfferRang(Input):
    offer_id: str


@_input
class OfferAnswered(Input):
    """The agent picked up: theirs is the caller, if nobody was faster."""

    offer_id: str


@_input
class OfferJoined(Input):
    """Caller and agent hear each other."""

    offer_id: str


@_input
class OfferFailed(Input):
    """The agent's phone said no."""

    offer_id: str
    outcome: str  # declined, failed, missed
    status: int = 0


@_input
class CallOver(Input):
    """The agent's part of a queue call is over."""

    agent: str
    entry_id: str


# ---- callbacks -----------------------------------------------------------------------------------------------------


@_input
class CallbackTaken(Input):
    """A waiting caller hangs up and keeps the place."""

    entry_id: str
    callback_id: str
    expires_s: float
    tries: int
    every_s: float


@_input
class CallbackRestored(Input):
    """A promise of the run before."""

    callback_id: str
    queue: str
    waited_s: float
    expires_s: float
    tries: int
    every_s: float
    attempt: int = 0
    priority: int = 0
    needs: tuple[Need, ...] = ()


@_input
class CallbackTried(Input):
    """The agent is there and the customer was dialled."""

    callback_id: str
    connected: bool


@_input
class CallbackCancelled(Input):
    callback_id: str


# ---- agents --------------------------------------------------------------------------------------------------------


@_input
class LoggedIn(Input):
    agent: str
    paused: str | None = None
    reachable: bool = True
    wrap_up_s: float = 0.0  # left over from the run before


@_input
class LoggedOut(Input):
    """Log out, now or when the call is over."""

    agent: str
    cause: str = "agent"


@_input
class Paused(Input):
    """Pause, now or when the call is over."""

    agent: str
    reason: str = ""
    cause: str = "agent"


@_input
class Ready(Input):
    """End a pause or a wrap-up."""

    agent: str
    cause: str = "agent"


@_input
class WrapUpExtended(Input):
    agent: str
    by_s: float


@_input
class OtherCalls(Input):
    """How many dialogs the agent has that no queue gave."""

    agent: str
    count: int


@_input
class Reachable(Input):
    """The agent's phone came back, or is gone."""

    agent: str
    on: bool
    cause: str = ""


@_input
class MemberSet(Input):
    """Add to a queue, or move to another tier; *tier* None takes out."""

    agent: str
    queue: str
    tier: int | None


@_input
class SkillSet(Input):
    agent: str
    skill: str
    level: int


@_input
class HoursChanged(Input):
    """The queue's calendar opened or closed: callbacks are dialled in open hours."""

    queue: str
    open: bool


@_input
class Configured(Input):
    """The configuration was swapped; what people changed by day is laid over the agents."""

    queues: Mapping[str, Queue]
    agents: Mapping[str, AgentSpec]


@_input
class DayBegan(Input):
    """The business day's counters start from zero."""


@_input
class TimePassed(Input):
    """Do what is due."""


__all__ = [
    "INPUTS", "CallOver", "CallbackCancelled", "CallbackRestored", "CallbackTaken", "CallbackTried", "Configured",
    "DayBegan", "HoursChanged", "Input", "Joined", "Left", "LoggedIn", "LoggedOut", "MemberSet", "OfferAnswered",
    "OfferFailed", "OfferJoined", "OfferRang", "OtherCalls", "Paused", "Prioritised", "Reachable", "Ready",
    "SkillSet", "TimePassed", "WrapUpExtended", "dumped", "loaded",
]  # fmt: skip
