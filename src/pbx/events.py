"""Every kind of event that the log keeps: one frozen dataclass a kind.

An emitter fills the fields; the log adds ``seq``, ``at_utc`` and ``at_mono`` (see :class:`Logged`). Records, queue
statistics and agent time are derived from these and counted nowhere else. ``docs/events.md`` has the table of kinds,
who emits them and what is derived. Durations are milliseconds of the monotonic clock; identifiers are text.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, dataclass_transform

KINDS: dict[str, type[Event]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, in the words of the room that saw it."""

    KIND: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    DETAIL: ClassVar[bool] = False  # may be dropped when the disk stalls; calls, queues and agents never are

    call_id: str = ""
    leg_id: str = ""

    OWN: ClassVar[tuple[str, ...]] = ()  # the fields that have no column of their own

    def payload(self) -> dict[str, Any]:
        """Return the fields that are neither empty nor kept in columns of their own."""
        return {name: value for name in self.OWN if (value := getattr(self, name)) not in ("", None, (), {})}


@dataclass(frozen=True, slots=True)
class Logged:
    """An event with its place in the log."""

    seq: int
    at_utc: float  # seconds since the epoch
    at_mono: float  # monotonic seconds, comparable within one run of the server
    event: Event


@dataclass_transform(frozen_default=True, kw_only_default=True)
def kind(name: str, *, detail: bool = False) -> Any:
    """Register a dataclass under its *name*, room first."""

    def register(cls: type[Event]) -> type[Event]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.KIND = name
        made.DETAIL = detail
        made.OWN = tuple(f.name for f in fields(made) if f.name not in ("call_id", "leg_id"))
        KINDS[name] = made
        return made

    return register


def event_from(name: str, call_id: str, leg_id: str, payload: dict[str, Any]) -> Event:
    """Rebuild an event read from the log, ignoring fields that this version no longer has.

    :raises KeyError: for an unknown kind.
    """
    cls = KINDS[name]
    known = cls.OWN
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in payload.items() if k in known}
    return cls(call_id=call_id, leg_id=leg_id, **values)


# ---- server, configuration, operators ------------------------------------------------------------------------------


@kind("server.started")
class ServerStarted(Event):
    version: str = ""
    pid: int = 0
    unclean: bool = False  # the run before this one did not stop in order


@kind("server.stopped")
class ServerStopped(Event):
    cause: str = ""


@kind("config.swapped")
class ConfigSwapped(Event):
    digest: str = ""  # SHA-256 of the files
    by: str = ""
    changes: tuple[str, ...] = ()


@kind("operator.did")
class OperatorDid(Event):
    who: str = ""
    what: str = ""
    target: str = ""


@kind("alert.changed")
class AlertChanged(Event):
    alert: str = ""
    state: str = ""  # raised, cleared
    queue: str = ""  # for which it holds, where it asks for any


@kind("log.dropped")
class LogDropped(Event):
    count: int = 0  # detail events given up while the disk stalled


# ---- registrations, trunks -----------------------------------------------------------------------------------------


@kind("registration.added")
class RegistrationAdded(Event):
    endpoint: str = ""
    contact: str = ""
    source: str = ""  # transport:address:port that the REGISTER came from
    user_agent: str = ""
    expires_s: int = 0


@kind("registration.removed")
class RegistrationRemoved(Event):
    endpoint: str = ""
    contact: str = ""
    cause: str = ""  # expired, unregistered, replaced, unreachable, operator


@kind("auth.failed")
class AuthFailed(Event):
    source: str = ""
    account: str = ""
    method: str = ""


@kind("trunk.state")
class TrunkState(Event):
    trunk: str = ""
    was: str = ""
    now: str = ""  # up, down, unreachable, registering, disabled
    cause: str = ""


# ---- calls and legs ------------------------------------------------------------------------------------------------


@kind("call.started")
class CallStarted(Event):
    linked_id: str = ""  # the same for every call that grew from one
    direction: str = ""  # inbound, outbound, internal
    source: str = ""  # endpoint/1001, trunk/carrier, api
    caller: str = ""
    caller_name: str = ""
    dialled: str = ""
    number: str = ""  # normalised
    did: str = ""


@kind("call.routed")
class CallRouted(Event):
    context: str = ""
    match: str = ""
    number: str = ""
    where: str = ""  # file:line of the route


@kind("call.answered")
class CallAnswered(Event):
    by: str = ""  # the party, or the application, that answered


@kind("call.merged")
class CallMerged(Event):
    merged: str = ""  # the call_id that ended in this one


@kind("call.ended")
class CallEnded(Event):
    cause: str = ""  # answered, busy, no-answer, declined, unreachable, cancelled, refused, failed, lost, restart
    status: int = 0  # the SIP status that tells it
    by: str = ""  # caller, callee, system


@kind("leg.created")
class LegCreated(Event):
    direction: str = ""  # in, out
    party: str = ""  # endpoint/1001, trunk/carrier
    caller: str = ""
    callee: str = ""
    sip_call_id: str = ""
    source: str = ""  # transport:address:port of the peer


@kind("leg.ringing")
class LegRinging(Event):
    status: int = 180


@kind("leg.answered")
class LegAnswered(Event):
    codec: str = ""


@kind("leg.bridged")
class LegBridged(Event):
    other: str = ""  # leg_id


@kind("leg.unbridged")
class LegUnbridged(Event):
    other: str = ""


@kind("leg.held")
class LegHeld(Event):
    by: str = ""  # peer, us


@kind("leg.resumed")
class LegResumed(Event):
    by: str = ""


@kind("leg.transferred")
class LegTransferred(Event):
    how: str = ""  # blind, attended, consult-returned
    target: str = ""
    by: str = ""
    outcome: str = ""  # started, connected, returned, failed


@kind("leg.digit", detail=True)
class LegDigit(Event):
    digit: str = ""
    duration_ms: int = 0


@kind("leg.media")
class LegMedia(Event):
    state: str = ""  # never-came, stopped, wrong-source, undecryptable, back


@kind("leg.quality")
class LegQuality(Event):
    direction: str = ""  # received, sent
    codec: str = ""
    packets: int = 0
    lost: int = 0
    late: int = 0
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    r_factor: float | None = None  # by the E-model; None: unknown
    mos: float | None = None


@kind("leg.ended")
class LegEnded(Event):
    cause: str = ""
    status: int = 0
    by: str = ""  # peer, us


# ---- dialplan, menus -----------------------------------------------------------------------------------------------


@kind("step.ran", detail=True)
class StepRan(Event):
    step: str = ""  # the trace words, as `pbx test` shows them: "dial endpoint/1002"
    where: str = ""  # file:line:column of the step; empty for what a step came to
    began: bool = False  # a dial or queue step begins: "at N s" counts from here


@kind("menu.entered")
class MenuEntered(Event):
    menu: str = ""


@kind("menu.key")
class MenuKey(Event):
    menu: str = ""
    key: str = ""  # a key; "" is silence
    outcome: str = ""  # chosen, wrong, silence, exhausted


@kind("menu.left")
class MenuLeft(Event):
    menu: str = ""
    how: str = ""  # key, exhausted, hangup


@kind("switch.turned")
class SwitchTurned(Event):
    switch: str = ""
    state: str = ""  # auto, open, closed
    by: str = ""


@kind("call.emergency")
class CallEmergency(Event):
    endpoint: str = ""
    number: str = ""
    notify: tuple[str, ...] = ()


@kind("call.parked")
class CallParked(Event):
    place: str = ""  # 701
    by: str = ""  # endpoint/1001
    state: str = ""  # parked, recalled, fetched, left


@kind("endpoint.set")
class EndpointSet(Event):
    endpoint: str = ""
    what: str = ""  # forward-all, forward-busy, forward-no-answer, dnd
    value: str = ""  # a number, "" for none; on, off
    by: str = ""


@kind("call.served")
class CallServed(Event):
    what: str = ""


@kind("lookup.ended")
class LookupEnded(Event):
    lookup: str = ""
    outcome: str = ""
    took_ms: int = 0


# ---- queues, offers, agents ----------------------------------------------------------------------------------------


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
    agent: str = ""
    code: str = ""


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


# ---- recordings, voicemail, conferences ----------------------------------------------------------------------------


@kind("recording.started")
class RecordingStarted(Event):
    recording_id: str = ""
    path: str = ""  # below recordings.path; made of our own ids
    other: str = ""  # leg_id of the right channel
    queue: str = ""
    agent: str = ""
    caller: str = ""
    dialled: str = ""


@kind("recording.marked")
class RecordingMarked(Event):
    recording_id: str = ""
    mark: str = ""  # paused, resumed
    at_ms: int = 0
    cause: str = ""


@kind("recording.ended")
class RecordingEnded(Event):
    recording_id: str = ""
    duration_ms: int = 0


@kind("recording.written")
class RecordingWritten(Event):
    recording_id: str = ""
    outcome: str = ""  # ended, stopped, failed


@kind("recording.sealed")
class RecordingSealed(Event):
    """The file is whole: its hash, and that of the chain up to it."""

    recording_id: str = ""
    path: str = ""
    size_bytes: int = 0
    sha256: str = ""  # empty: there is no file
    previous: str = ""  # the chain before it
    chain: str = ""
    cause: str = ""  # restart: sealed by the run after the one that made it


@kind("recording.touched")
class RecordingTouched(Event):
    recording_id: str = ""
    who: str = ""
    what: str = ""  # played, exported, deleted, held, released


@kind("caller.forgotten")
class CallerForgotten(Event):
    pseudonym: str = ""
    who: str = ""
    events: int = 0
    recordings: int = 0


@kind("voicemail.changed")
class VoicemailChanged(Event):
    mailbox: str = ""
    message_id: str = ""
    state: str = ""  # left, heard, saved, deleted, expired
    caller: str = ""
    duration_ms: int = 0


@kind("voicemail.sent")
class VoicemailSent(Event):
    mailbox: str = ""
    message_id: str = ""
    to: str = ""  # an address, or a webhook's host
    outcome: str = ""  # sent, failed
    cause: str = ""


@kind("conference.joined")
class ConferenceJoined(Event):
    conference: str = ""
    party: str = ""


@kind("conference.left")
class ConferenceLeft(Event):
    conference: str = ""
    party: str = ""


__all__ = ["KINDS", "Event", "Logged", "event_from"]
