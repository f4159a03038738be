"""What happens to agents: log-in, pause, wrap-up, other calls, phones that vanish and come back."""

from __future__ import annotations

from pbx.acd import inputs, offers
from pbx.acd.agent import MAX_EXTENSION_S, TABLE, WRAP_UP_S, Agent, Move, State, WrapUp
from pbx.acd.floor import Floor
from pbx.acd.outputs import AgentMoved
from pbx.acd.queue import Queue

LOGOUT_AFTER_S = 1800.0  # unreachable for so long
OFFERED = (State.RESERVED, State.RINGING)
AWAY = (State.LOGGED_OUT, State.PAUSED, State.UNREACHABLE)


def become(floor: Floor, agent: Agent, move: Move, cause: str, *, fault: bool = True) -> None:
    """Take a step of the table, tell it, and let the queues know. *fault* False keeps the idle time."""
    was = agent.state
    now = agent.move(move)
    agent.since = floor.now
    if now is State.READY and (fault or was not in OFFERED):
        agent.idle_since = floor.now
    reason = (agent.pause or "") if now is State.PAUSED else ""
    direct = now is State.ON_CALL and agent.talk is None
    floor.out.append(AgentMoved(agent.name, was.value, now.value, cause, reason, direct))
    refresh(floor, agent)
    if now in AWAY:
        for member in agent.members.values():
            for entry in member.queue.held_for(agent):
                floor.look_at(entry)  # nobody to wait for any more
    if now is State.LOGGED_OUT:
        for member in agent.members.values():
            watch_staff(floor, member.queue)
    elif was is State.LOGGED_OUT:
        for member in agent.members.values():
            floor.timers.cancel("empty", member.queue.name)


def refresh(floor: Floor, agent: Agent) -> None:
    for member in agent.members.values():
        member.queue.refresh(agent)
    if agent.free:
        floor.changed_agents[agent.name] = agent


def settle(floor: Floor, agent: Agent, cause: str, *, fault: bool = True) -> None:
    """Let an agent who has nothing to do become what the flags say."""
    move = agent.settling()
    if agent.wrap is not None:
        agent.wrap = None
        floor.timers.cancel("wrap-up", agent.name)
    if TABLE[agent.state].get(move, agent.state) is agent.state and agent.state is not State.PAUSED:
        refresh(floor, agent)
        return
    if move is Move.LEAVE:
        agent.pause, agent.missed, agent.rest_until = None, 0, 0.0
    become(floor, agent, move, cause, fault=fault)
    if agent.state is State.UNREACHABLE:
        floor.timers.set(floor.now + LOGOUT_AFTER_S, "unreachable", agent.name)
    else:
        floor.timers.cancel("unreachable", agent.name)


def watch_staff(floor: Floor, queue: Queue) -> None:
    """Start the clock of a queue whose last agent left."""
    if not queue.staff and queue.entries:
        floor.timers.set(floor.now + queue.spec.empty_after_s, "empty", queue.name)


def _idles(floor: Floor, agent: Agent, outcome: str) -> bool:
    """Tell whether a change may take effect at once.

    An unanswered offer is taken away, and the agent settles with that; after an answered one the change waits.
    """
    offer = agent.offer
    if offer is None:
        return agent.talk is None
    if not offer.answered:
        offers.withdraw(floor, offer, outcome, "agent")
    return False


def logged_in(floor: Floor, what: inputs.LoggedIn) -> None:
    agent = floor.agents[what.agent]
    agent.leaving = False
    if agent.state is State.LOGGED_OUT:
        agent.pause = what.paused
        agent.reachable = what.reachable
        if what.wrap_up_s > 0:
            wrap_up(floor, agent, what.wrap_up_s, "login")
        else:
            settle(floor, agent, "login")


def logged_out(floor: Floor, what: inputs.LoggedOut) -> None:
    agent = floor.agents[what.agent]
    agent.leaving = True
    if agent.state is not State.LOGGED_OUT and _idles(floor, agent, "declined"):
        settle(floor, agent, what.cause)


def paused(floor: Floor, what: inputs.Paused) -> None:
    agent = floor.agents[what.agent]
    if agent.state is State.LOGGED_OUT:
        return
    same = agent.pause == what.reason
    agent.pause = what.reason
    if agent.state is State.PAUSED and same:
        return
    if _idles(floor, agent, "declined") and agent.state not in (State.UNREACHABLE, State.ON_CALL):
        settle(floor, agent, what.cause)


def ready(floor: Floor, what: inputs.Ready) -> None:
    agent = floor.agents[what.agent]
    agent.pause, agent.missed = None, 0
    if agent.rest_until:
        rested(floor, agent)
    if agent.state in (State.PAUSED, State.WRAP_UP):
        settle(floor, agent, what.cause)


def rested(floor: Floor, agent: Agent) -> None:
    agent.rest_until = 0.0
    floor.timers.cancel("rest", agent.name)
    refresh(floor, agent)


def wrap_up(floor: Floor, agent: Agent, length_s: float, cause: str = "call over") -> None:
    """Begin after-call work, where there is any."""
    if length_s <= 0:
        settle(floor, agent, cause)
        return
    agent.wrap = WrapUp(floor.now + length_s)
    floor.timers.set(agent.wrap.until, "wrap-up", agent.name)
    become(floor, agent, Move.WRAP, cause)


def wrap_up_extended(floor: Floor, what: inputs.WrapUpExtended) -> None:
    """Give more time, 300 s in all."""
    agent = floor.agents[what.agent]
    if agent.wrap is None:
        return
    by_s = max(0.0, min(what.by_s, MAX_EXTENSION_S - agent.wrap.extended_s))
    agent.wrap = WrapUp(agent.wrap.until + by_s, agent.wrap.extended_s + by_s)
    floor.timers.set(agent.wrap.until, "wrap-up", agent.name)
    refresh(floor, agent)


def other_calls(floor: Floor, what: inputs.OtherCalls) -> None:
    agent = floor.agents[what.agent]
    agent.others = what.count
    if agent.state is State.READY or agent.state in OFFERED:
        if what.count and _idles(floor, agent, "cancelled"):
            settle(floor, agent, "other call")
    elif agent.state is State.ON_CALL and agent.talk is None and not what.count:
        settle(floor, agent, "other call over")


def reachable(floor: Floor, what: inputs.Reachable) -> None:
    agent = floor.agents[what.agent]
    agent.reachable = what.on
    if what.on:
        if agent.state is State.UNREACHABLE:
            settle(floor, agent, what.cause or "back")
    elif agent.state in OFFERED:
        if agent.offer is not None and not agent.offer.answered:
            offers.withdraw(floor, agent.offer, "failed", "agent")
    elif agent.state in (State.READY, State.PAUSED):
        settle(floor, agent, what.cause or "unreachable")


def member_set(floor: Floor, what: inputs.MemberSet) -> None:
    agent, queue = floor.agents[what.agent], floor.queues[what.queue]
    if what.tier is None:
        queue.take_out(agent)
        watch_staff(floor, queue)
        return
    queue.take_in(agent, what.tier, len(floor.agents) + floor.number())
    if queue.staff:
        floor.timers.cancel("empty", queue.name)
    refresh(floor, agent)


def skill_set(floor: Floor, what: inputs.SkillSet) -> None:
    agent = floor.agents[what.agent]
    skills = {**agent.skills, what.skill: what.level}
    agent.skills = {name: level for name, level in skills.items() if level > 0}
    for member in agent.members.values():
        member.queue.skills_changed()
    refresh(floor, agent)


def call_over(floor: Floor, what: inputs.CallOver) -> None:
    """Free an agent of a queue call: wrap-up, then whatever waits."""
    agent = floor.agents[what.agent]
    talk = agent.talk
    if talk is None or talk.entry_id != what.entry_id:
        return
    agent.talk = None
    talked_s = floor.now - talk.since
    agent.talk_s += talked_s
    if (member := agent.members.get(talk.queue)) is not None:
        member.last_end = floor.now
    floor.waits[talk.queue].called(talked_s + talk.wrap_up_s)
    wrap_up(floor, agent, talk.wrap_up_s)


def wrap_up_of(agent: Agent, queue: Queue) -> float:
    """Return the length in seconds: the agent's word over the queue's over the default."""
    for length_s in (agent.spec.wrap_up_s, queue.spec.wrap_up_s):
        if length_s is not None:
            return length_s
    return WRAP_UP_S


def day_began(floor: Floor, what: inputs.DayBegan) -> None:
    for agent in floor.agents.values():
        agent.talk_s = 0.0
        for member in agent.members.values():
            member.calls = 0
