"""What the API answers, as types: the views are checked against them, the JSON schemas are made from them.

``_utc`` is seconds since the epoch, ``_s`` seconds, ``_ms`` milliseconds; None is "not known" or "none".
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

VERSION = 1  # of the protocol; grows when something that was there changes its meaning
closed = with_config(ConfigDict(extra="forbid"))  # an object with these members and no other


@closed
class LegShape(TypedDict):
    leg_id: str
    direction: Literal["in", "out"]
    party: str  # endpoint/1001, trunk/carrier
    state: Literal["new", "ringing", "up", "ended"]
    held: bool
    codec: str | None
    sip_call_id: str | None
    peer_leg: str | None


@closed
class WaitShape(TypedDict):
    """Where a call waits."""

    entry_id: str
    queue: str
    position: int  # 1 is next
    waited_s: float


@closed
class CallShape(TypedDict):
    call_id: str
    state: Literal["ringing", "answered", "waiting", "talking"]
    source: str
    caller: str
    caller_name: str
    dialled: str
    number: str
    started_utc: float
    duration_s: float
    waiting: WaitShape | None
    legs: list[LegShape]


@closed
class ChannelShape(TypedDict):
    """One leg, with what its media says."""

    leg_id: str
    call_id: str
    direction: str
    party: str
    state: str
    caller: str
    callee: str
    age_s: float
    codec: str | None
    held: bool
    peer_leg: str | None
    packets_in: int
    packets_out: int
    lost: int
    jitter_ms: float | None
    mos: float | None
    remote: str | None  # address:port that the sound comes from


@closed
class EndpointShape(TypedDict):
    endpoint: str
    name: str
    context: str
    state: Literal["registered", "unreachable", "disabled"]
    contacts: int
    legs: int
    agent: str  # who sits there, "" for nobody


@closed
class RegistrationShape(TypedDict):
    endpoint: str
    contact: str
    source: str
    user_agent: str
    expires_s: int
    registered_utc: float


@closed
class TrunkShape(TypedDict):
    trunk: str
    state: Literal["down", "registering", "up", "unreachable", "disabled"]
    cause: str
    proxy: list[str]
    answers: list[bool]  # each proxy
    registers: bool
    context: str
    legs: int
    max_calls: int


@closed
class TodayShape(TypedDict):
    """A queue's business day so far (docs/queues.md)."""

    entered: int
    answered: int
    abandoned: int
    short_abandoned: int
    timeout: int
    key: int
    emptied: int
    moved: int
    callback: int
    lost: int
    waiting: int
    refused: int
    overflowed: int  # of timeout and emptied: went on to another queue
    answered_in_time: int
    service_level: float | None  # 0–1; None: nobody to count yet
    asa_s: float | None
    longest_wait_s: float


@closed
class QueueShape(TypedDict):
    queue: str
    name: str
    strategy: str
    weight: int
    open: bool
    waiting: int
    callbacks: int
    ringing: int  # callers for whom an agent rings
    longest_wait_s: float  # of who waits now
    agents: dict[str, int]  # by state
    service_level_s: float
    today: TodayShape


@closed
class MemberShape(TypedDict):
    agent: str
    name: str
    tier: int
    state: str
    reason: str
    since_s: float
    calls: int  # from this queue since the day began
    last_call_s: float | None  # how long ago it ended


@closed
class CallerShape(TypedDict):
    entry_id: str
    call_id: str
    caller: str
    position: int
    priority: int
    waited_s: float
    needs: list[str]  # skill=level
    offered_to: list[str]
    callback: bool


@closed
class QueueDetailShape(QueueShape):
    members: list[MemberShape]
    callers: list[CallerShape]


@closed
class AgentCallShape(TypedDict):
    queue: str
    entry_id: str
    since_s: float


@closed
class AgentShape(TypedDict):
    agent: str
    name: str
    id: str
    team: str
    seat: str
    state: Literal[
        "logged-out", "ready", "reserved", "ringing", "on-call", "wrap-up", "paused", "unreachable"
    ]  # fmt: skip
    reason: str  # of a pause that is or is to come
    since_s: float
    next: str  # what they will be when the call is over, "" where it is as usual
    wrap_up_left_s: float | None
    queues: dict[str, int]  # tier
    skills: dict[str, int]
    missed: int  # in a row
    call: AgentCallShape | None
    answered_today: int
    missed_today: int
    talk_today_s: float
    handling_s: float | None  # average of today's queue calls: talk, hold, wrap-up
    paused_today_s: float
    logged_in_today_s: float
    occupancy: float | None  # docs/records.md
    utilisation: float | None
    help_s: float | None  # asks for a supervisor for so long
    until: list[str]  # what ends by itself, in words


@closed
class ConferenceMemberShape(TypedDict):
    leg_id: str
    call_id: str
    party: str


@closed
class ConferenceShape(TypedDict):
    conference: str
    members: list[ConferenceMemberShape]


@closed
class ParkedShape(TypedDict):
    place: str
    call_id: str
    caller: str
    by: str  # endpoint/1001: who gets it back
    parked_s: float


@closed
class MailboxShape(TypedDict):
    mailbox: str
    new: int
    old: int
    newest_utc: float | None


@closed
class CodecShape(TypedDict):
    codec: str
    rate_hz: int
    clock_hz: int
    payload_type: int
    preference: int | None  # 1 is first; None: not configured
    legs: int


@closed
class LimitShape(TypedDict):
    limit: str
    used: float | None  # None: is not counted as one figure
    most: float


@closed
class ThreadShape(TypedDict):
    thread: str
    tid: int
    cpu_s: float
    scheduling: str  # "FIFO 10" where the kernel permits it to a media thread, else "normal"
    processors: str  # those that it may run on: 0-1


@closed
class UptimeShape(TypedDict):
    version: str
    started_utc: float
    uptime_s: float
    calls_since_start: int


@closed
class PulseShape(TypedDict):
    """How well the machine keeps up; what the console's `top` shows."""

    at_utc: float
    cpu_s: float
    threads: list[ThreadShape]
    loop_lag_ms: float  # the latest
    loop_lag_worst_ms: float  # of the last minute
    tick_late_worst_ms: float
    tick_late_p999_ms: float
    ticks_skipped: int
    packets: int  # received since the start
    lost: int
    late: int
    calls: int
    log_waiting: int
    memory_bytes: int


class StatusShape(TypedDict):
    """The server itself; more members may come."""

    version: str
    pid: int
    directory: str
    uptime_s: float
    calls: int
    registrations: int
    draining: bool


@closed
class LoggerShape(TypedDict):
    room: str
    level: str


@closed
class DidShape(TypedDict):
    """What an action did, in a line for people."""

    did: str


@closed
class CallbackShape(TypedDict):
    callback_id: str
    queue: str
    number: str
    since_utc: float  # when the caller began to wait
    expires_utc: float
    attempts: int
    position: int  # 1 is next


@closed
class VersionShape(TypedDict):
    number: int
    at_utc: float
    digest: str
    by: str
    changes: list[str]
