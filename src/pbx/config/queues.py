"""Queues, agents, teams and what belongs to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pbx.config.base import Spec, one_or_many
from pbx.config.endpoints import SecretSpec
from pbx.config.steps import Branches, Names, Record, Step, Steps

Level = Annotated[int, Field(ge=0, le=9)]
Strategy = Literal[
    "ring-all", "ring-progressively", "longest-idle", "round-robin", "round-robin-ordered", "least-recent",
    "fewest-calls", "least-talk-time", "random", "weighted-random", "linear", "top-down", "sequential", "best-skill",
]  # fmt: skip


class Announce(Spec):
    position: bool = False
    wait: bool = False
    first_s: float = Field(20, ge=0)
    every_s: float = Field(45, gt=0)
    position_limit: int = Field(10, ge=1)
    prompts: Names = ()  # played in turn between position and wait
    agent_id: bool = False  # tell the caller who answers


class PriorityRule(Spec):
    """``when`` … ``add``, or ``per-wait-s`` … ``add``."""

    when: str = ""
    per_wait_s: float | None = Field(None, gt=0)
    add: int


class RelaxRule(Spec):
    after_s: float = Field(gt=0)
    by: int = Field(0, ge=0, le=9)
    drop: bool = False


class Callback(Spec):
    offer_after_s: float = Field(120, ge=0)
    key: str = "1"
    trunk: str = ""
    tries: int = Field(3, ge=1, le=10)
    every_min: float = Field(10, gt=0)
    prompt: Names = ()


class TierRule(Spec):
    """Ask a tier only after this much waiting."""

    after_s: float = Field(gt=0)
    up_to: int = Field(ge=1)


class Queue(Spec):
    strategy: Strategy = "longest-idle"
    name: str = ""
    weight: int = Field(1, ge=0)
    ring_s: float = Field(15, gt=0)
    retry_s: float = Field(0, ge=0)
    same_agent_after_s: float = Field(10, ge=0)
    ring_step_s: float = Field(5, gt=0)  # ring-progressively: one agent more after this long
    wrap_up_s: float | None = Field(None, ge=0)
    max_callers: int = Field(1000, ge=0)
    max_wait_s: float = Field(600, gt=0)
    max_expected_wait_s: float | None = Field(None, gt=0)
    empty_after_s: float = Field(60, ge=0)  # the last agent left while callers wait
    service_level_s: float = Field(20, gt=0)
    short_abandon_s: float = Field(5, ge=0)
    music: str = "default"
    record: Record | None = None
    notice: Names = ()
    hours: str = ""
    announce: Announce | None = None
    priority: tuple[PriorityRule, ...] = ()
    prefer_agent: str = ""
    prefer_s: float = Field(10, ge=0)
    relax: tuple[RelaxRule, ...] = ()
    tiers: tuple[TierRule, ...] = ()
    callback: Callback | None = None
    survey: str = ""
    whisper: Names = ()  # to the agent, before the caller is joined
    exit_keys: dict[str, Steps] = {}
    auto_pause_after: int = Field(2, ge=0)  # consecutive missed offers; 0 never
    autofill: bool = True
    on: Branches | None = None
    ring: str = ""  # how agents' phones ring for it: "Bellcore-dr2", or a whole Alert-Info value
    group: str = ""  # for first-call resolution


class Agent(Spec):
    name: str = ""
    id: str = ""
    pin: SecretSpec | None = None
    endpoint: str = ""
    contact: str = ""  # an agent reached over a trunk: trunk/NAME
    number: str = ""
    team: str = ""
    queues: dict[str, Annotated[int, Field(ge=1)]] | None = None
    skills: dict[str, Level] | None = None
    wrap_up_s: float | None = Field(None, ge=0)
    ring_s: float | None = Field(None, gt=0)
    record: Record | None = None
    login: Literal["", "always"] = ""
    weight: int = Field(1, ge=1)  # weighted-random
    rights: tuple[str, ...] = ()  # supervise, …
    announce_id: bool = False


class Team(Spec):
    name: str = ""
    queues: dict[str, Annotated[int, Field(ge=1)]] = {}
    skills: dict[str, Level] = {}
    wrap_up_s: float | None = Field(None, ge=0)
    ring_s: float | None = Field(None, gt=0)
    record: Record | None = None
    supervisors: Names = ()


class PauseReason(Spec):
    name: str
    productive: bool = False


class Survey(Spec):
    prompt: Names
    keys: str = "1-5"
    wait_s: float = Field(6, gt=0)
    thanks: Names = ()


class Disposition(Spec):
    name: str
    key: str = Field("", pattern=r"^[0-9]*$")  # what is typed at a phone; empty: the name of its table


__all__ = [
    "Agent",
    "Announce",
    "Callback",
    "Disposition",
    "Level",
    "PauseReason",
    "PriorityRule",
    "Queue",
    "RelaxRule",
    "Step",
    "Strategy",
    "Survey",
    "Team",
    "TierRule",
    "one_or_many",
]  # fmt: skip
