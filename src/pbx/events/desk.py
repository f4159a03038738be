"""Queues, offers, agents."""

from __future__ import annotations

from pbx.events.base import Event, kind


@kind("queue.entered")
class QueueEntered(Event):
    entry_id: str = ""
    queue: str = ""
    source: str = "new"  # new, overflow, transfer, consult, callback
    caller: str = ""
    priority: int = 0
    needs: tuple[str, ...] = ()  # skill=level
    position: int = 0  # 1 is next
    first_entered_seq: int = 0  # seq of the call's first entry: total wait


@kind("queue.refused")
class QueueRefused(Event):
    queue: str = ""
    why: str = ""  # full, closed, no-agents


@kind("queue.promised")
class QueuePromised(Event):
    entry_id: str = ""
    queue: str = ""
    position: int = 0
    wait_ms: int | None = None  # None: nothing was said about time


@kind("queue.left")
class QueueLeft(Event):
    entry_id: str = ""
    queue: str = ""
    exit: str = ""  # answered, abandoned, timeout, key, emptied, moved, callback, lost
    agent: str = ""
    key: str = ""
    wait_ms: int = 0
    position: int = 0  # at the exit
    entered_position: int = 0


@kind("queue.served")
class QueueServed(Event):
    """The conversation that began in a queue ended."""

    entry_id: str = ""
    queue: str = ""
    agent: str = ""
    by: str = ""  # caller, agent, transfer, system
    wait_ms: int = 0
    talk_ms: int = 0
    hold_ms: int = 0


@kind("offer.made")
class OfferMade(Event):
    offer_id: str = ""
    entry_id: str = ""
    queue: str = ""
    agent: str = ""
    tier: int = 1


@kind("offer.ended")
class OfferEnded(Event):
    offer_id: str = ""
    entry_id: str = ""
    queue: str = ""
    agent: str = ""
    outcome: str = ""  # answered, missed, declined, failed, cancelled
    status: int = 0
    ring_ms: int = 0


@kind("acd.decided")
class AcdDecided(Event):
    """Why this entry went to these agents, or waited: compact text, one reason a candidate."""

    entry_id: str = ""
    queue: str = ""
    chosen: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()  # "zhang: paused lunch"


@kind("acd.fed")
class AcdFed(Event):
    """What the core was told: fed again, it decides the same."""

    at: float = 0.0  # monotonic seconds of the core
    fed: str = ""  # JSON


@kind("acd.began")
class AcdBegan(Event):
    seed: int = 0  # of what the strategies draw


@kind("queue.judged")
class QueueJudged(Event):
    """How a promised wait turned out."""

    entry_id: str = ""
    queue: str = ""
    error_ms: int = 0  # positive: later than promised


@kind("agent.state")
class AgentState(Event):
    agent: str = ""
    was: str = ""
    now: str = ""  # logged-out, ready, reserved, ringing, on-call, wrap-up, paused, unreachable
    cause: str = ""
    reason: str = ""  # of a pause
    endpoint: str = ""  # the seat
    doing: str = ""  # direct: on a call that no queue gave; productive: in a pause that counts as work


@kind("agent.help")
class AgentHelp(Event):
    """An agent in a call asks for a supervisor."""

    agent: str = ""
    state: str = ""  # raised, answered, withdrawn, over
    by: str = ""


@kind("supervisor.did")
class SupervisorDid(Event):
    who: str = ""
    party: str = ""  # whose conversation: endpoint/2001
    mode: str = ""  # listen, whisper, barge, take-over, left


@kind("agent.membership")
class AgentMembership(Event):
    agent: str = ""
    queue: str = ""
    tier: int | None = None  # None: no longer a member
    by: str = ""


@kind("agent.skill")
class AgentSkill(Event):
    agent: str = ""
    skill: str = ""
    level: int = 0
    by: str = ""


@kind("call.disposition")
class CallDisposition(Event):
    """What a call was about; the last one of an agent counts."""

    entry_id: str = ""  # of the queue call; empty: a call that no queue gave
    agent: str = ""
    code: str = ""
    by: str = ""


@kind("survey.answered")
class SurveyAnswered(Event):
    survey: str = ""
    agent: str = ""
    state: str = ""  # offered, started, scored
    score: str = ""


@kind("callback.changed")
class CallbackChanged(Event):
    callback_id: str = ""
    entry_id: str = ""
    queue: str = ""
    number: str = ""
    state: str = ""  # offered, promised, dialling, waiting (for another try), connected, failed, expired, cancelled
    attempt: int = 0
    cause: str = ""
