"""Who works here, as the configuration says: teams laid under agents, pauses that count as work."""

from __future__ import annotations

from pbx.acd.agent import AgentSpec
from pbx.config.config import Config


def agent_specs(config: Config) -> dict[str, AgentSpec]:
    """Lay teams under their agents: the agent's own word wins, key by key for skills."""
    specs = {}
    for name, agent in config.agents.items():
        team = config.teams.get(agent.team)
        queues = agent.queues if agent.queues is not None else team.queues if team is not None else {}
        skills = {**(team.skills if team is not None else {}), **(agent.skills or {})}
        wrap_up_s, ring_s = agent.wrap_up_s, agent.ring_s
        if team is not None:
            wrap_up_s = team.wrap_up_s if wrap_up_s is None else wrap_up_s
            ring_s = team.ring_s if ring_s is None else ring_s
        known = {queue: tier for queue, tier in queues.items() if queue in config.queues}
        specs[name] = AgentSpec(name, known, skills, wrap_up_s, ring_s, agent.weight)
    return specs


def productive(config: Config) -> frozenset[str]:
    """Return the reasons of pauses that count as work."""
    return frozenset(reason.name for reason in config.pause_reasons.values() if reason.productive)
