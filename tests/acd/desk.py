"""A core with its outputs at hand, for tests."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TypeVar

from pbx.acd import inputs
from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.outputs import Exited, MakeOffer, Output
from pbx.config.queues import Queue

T = TypeVar("T")


class Desk:
    """Feeds a core and keeps everything that came out."""

    def __init__(self, queues: Mapping[str, Queue], agents: Mapping[str, AgentSpec], seed: int = 1) -> None:
        self.core = Core(queues, agents, random.Random(seed))
        self.now = 0.0
        self.said: list[Output] = []
        self._callers = 0

    def feed(self, what: inputs.Input) -> list[Output]:
        self.core.handle(what, self.now)
        new = self.core.outputs()
        self.said += new
        return new

    def run(self, until: float) -> list[Output]:
        """Let time pass."""
        start = len(self.said)
        while (deadline := self.core.deadline) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.feed(inputs.TimePassed())
        self.now = until
        return self.said[start:]

    def login(self, *agents: str) -> None:
        for agent in agents:
            self.feed(inputs.LoggedIn(agent=agent))

    def caller(self, queue: str = "q", **ask: object) -> str:
        """Let somebody in; returns the entry."""
        self._callers += 1
        entry_id = f"e{self._callers}"
        self.feed(inputs.Joined(entry_id=entry_id, queue=queue, **ask))  # type: ignore[arg-type]
        return entry_id

    def all(self, kind: type[T]) -> list[T]:
        return [x for x in self.said if isinstance(x, kind)]

    def offered(self, entry_id: str) -> list[str]:
        """Return who was rung for a caller, in order."""
        return [x.agent for x in self.all(MakeOffer) if x.entry_id == entry_id]

    def offer(self, agent: str) -> str:
        """Return the offer that an agent has."""
        offer = self.core.agents[agent].offer
        assert offer is not None, f"{agent} has no offer"
        return offer.offer_id

    def rings(self, agent: str) -> None:
        self.feed(inputs.OfferRang(offer_id=self.offer(agent)))

    def answers(self, agent: str) -> None:
        """Ring, pick up, join."""
        offer_id = self.offer(agent)
        self.feed(inputs.OfferRang(offer_id=offer_id))
        self.feed(inputs.OfferAnswered(offer_id=offer_id))
        self.feed(inputs.OfferJoined(offer_id=offer_id))

    def declines(self, agent: str) -> None:
        self.feed(inputs.OfferFailed(offer_id=self.offer(agent), outcome="declined", status=603))

    def finishes(self, agent: str) -> None:
        talk = self.core.agents[agent].talk
        assert talk is not None
        self.feed(inputs.CallOver(agent=agent, entry_id=talk.entry_id))

    def exits(self) -> dict[str, str]:
        return {x.entry_id: x.exit for x in self.all(Exited)}

    def state(self, agent: str) -> str:
        return self.core.agents[agent].state.value


def one_queue(strategy: str = "longest-idle", agents: int = 3, **spec: object) -> Desk:
    """A queue "q" with agents a0, a1 … who do not wrap up."""
    values = {"strategy": strategy, "wrap_up_s": 0, **spec}
    return Desk({"q": Queue(**values)}, {f"a{n}": AgentSpec(f"a{n}", {"q": 1}) for n in range(agents)})  # type: ignore[arg-type]
