"""The floor: everything the core knows at an instant, shared by the modules that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pbx.acd.agent import Agent, AgentSpec
from pbx.acd.outputs import Output
from pbx.acd.queue import Entry, Offer, Queue
from pbx.acd.strategy import Random
from pbx.acd.timers import Timers
from pbx.acd.wait import Waits
from pbx.config.queues import Queue as QueueSpec


@dataclass(slots=True)
class Floor:
    """Agents, queues, callers, offers; what is to be looked at again; what is to be told."""

    random: Random
    name: str = ""  # in the names of offers: no other run may have the same
    now: float = 0.0
    agents: dict[str, Agent] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    waits: dict[str, Waits] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)  # callbacks by their callback_id
    offers: dict[str, Offer] = field(default_factory=dict)
    timers: Timers = field(default_factory=Timers)
    out: list[Output] = field(default_factory=list)
    changed_entries: dict[str, Entry] = field(default_factory=dict)  # in order: runs are repeatable
    changed_agents: dict[str, Agent] = field(default_factory=dict)
    serial: int = 0

    def configure(self, queues: Mapping[str, QueueSpec], agents: Mapping[str, AgentSpec]) -> None:
        """Build queues and agents; everybody is logged out."""
        for name, spec in queues.items():
            self.queues[name] = Queue(name, spec)
            self.waits[name] = Waits()
        for order, (name, agent_spec) in enumerate(agents.items()):
            agent = self.agents[name] = Agent(agent_spec, order, dict(agent_spec.skills))
            for queue, tier in agent_spec.queues.items():
                self.queues[queue].take_in(agent, tier, order)

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def look_at(self, entry: Entry) -> None:
        """An agent may now be found for this caller."""
        self.changed_entries[entry.id] = entry
