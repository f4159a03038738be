"""A new configuration for a core at work: nobody who waits, rings or talks notices more than the new rules."""

from __future__ import annotations

from pbx.acd import inputs, line, roster
from pbx.acd.agent import Agent, State
from pbx.acd.floor import Floor
from pbx.acd.queue import Queue
from pbx.acd.wait import Waits

AGENT_TIMERS = ("wrap-up", "rest", "unreachable")


def configured(floor: Floor, what: inputs.Configured) -> None:
    """Follow new queues and agents.

    A queue that is no longer named keeps its callers and its members until the last caller left; a removed agent ends
    the call first. Memberships and skills are exactly what the input says: what people set by day is laid in already.
    """
    _queues(floor, what)
    for order, (name, spec) in enumerate(what.agents.items()):
        agent = floor.agents.get(name)
        if agent is None:
            agent = Agent(spec, order, dict(spec.skills))
        agent.spec, agent.order = spec, order
        floor.agents[name] = agent
        if agent.skills != spec.skills:
            agent.skills = {skill: level for skill, level in spec.skills.items() if level > 0}
            for member in agent.members.values():
                member.queue.skills_changed()
        _memberships(floor, agent, spec.queues, what)
    for name in [name for name in floor.agents if name not in what.agents]:
        _let_go(floor, floor.agents[name])
    for entry in list(floor.entries.values()):
        line.waited(floor, entry)  # what is relaxed, and which tiers are asked, may have changed
    for agent in floor.agents.values():
        roster.refresh(floor, agent)


def _queues(floor: Floor, what: inputs.Configured) -> None:
    for name, spec in what.queues.items():
        queue = floor.queues.get(name)
        if queue is None:
            floor.queues[name] = Queue(name, spec)
            floor.waits[name] = Waits()
        else:
            queue.follow(spec)
    for name in [name for name in floor.queues if name not in what.queues]:
        queue = floor.queues[name]
        if not queue.entries:
            for agent in list(queue.members):
                queue.take_out(agent)
            floor.timers.cancel("empty", name)
            del floor.queues[name]


def _memberships(floor: Floor, agent: Agent, wanted: dict[str, int], what: inputs.Configured) -> None:
    for name in [name for name in agent.members if name not in wanted and name in what.queues]:
        queue = floor.queues[name]
        queue.take_out(agent)
        roster.watch_staff(floor, queue)
    for name, tier in wanted.items():
        member = agent.members.get(name)
        if member is None or member.tier != tier:
            queue = floor.queues[name]
            queue.take_in(agent, tier, agent.order)
            if queue.staff:
                floor.timers.cancel("empty", name)


def _let_go(floor: Floor, agent: Agent) -> None:
    """Take an agent off the floor, after the call that they are in."""
    roster.logged_out(floor, inputs.LoggedOut(agent=agent.name, cause="removed"))
    if agent.state is not State.LOGGED_OUT:
        return  # leaves when the call is over, and goes with the next configuration
    for member in list(agent.members.values()):
        member.queue.take_out(agent)
        roster.watch_staff(floor, member.queue)
    for timer in AGENT_TIMERS:
        floor.timers.cancel(timer, agent.name)
    floor.changed_agents.pop(agent.name, None)
    del floor.agents[agent.name]
