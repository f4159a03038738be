"""What the stack tells its driver to do, and what it tells the rooms above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pbx.sip.message import Flow, Request, Response

if TYPE_CHECKING:
    from pbx.sip.invite import Session
    from pbx.sip.subscription import Subscription
    from pbx.sip.transaction import ServerTransaction


class Send(NamedTuple):
    """Put these bytes on the wire."""

    data: bytes
    flow: Flow


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """An admitted request outside any dialog that is no INVITE; answer it with ``stack.respond``."""

    request: Request
    transaction: ServerTransaction
    source: str  # who the gate found it to be: endpoint/1001, trunk/carrier


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """The final answer to a request made with ``stack.request``; None when none came."""

    token: object
    response: Response | None


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody admitted calls; ``session.request`` says what."""

    session: Session


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer, above 100, to our INVITE."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Answered:
    """Our INVITE was accepted; acknowledge an offer in it with ``session.acknowledge(sdp)``."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Failed:
    """Our INVITE came to nothing; *response* is None for a time-out or a dead transport."""

    session: Session
    status: int
    response: Response | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller gave up before we answered; the 487 is already sent."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Acked:
    """The caller acknowledged our 2xx; *sdp* is the answer where the offer was ours."""

    session: Session
    sdp: bytes | None


@dataclass(frozen=True, slots=True)
class Reoffer:
    """The peer wants to change the session; *sdp* None asks us for an offer. Answer or refuse it."""

    session: Session
    request: Request
    sdp: bytes | None


@dataclass(frozen=True, slots=True)
class ReofferDone:
    """What became of our own re-INVITE."""

    session: Session
    status: int
    sdp: bytes | None


@dataclass(frozen=True, slots=True)
class InDialog:
    """INFO, REFER, NOTIFY, MESSAGE … inside the dialog; answer it with ``stack.respond``."""

    session: Session
    request: Request
    transaction: ServerTransaction


@dataclass(frozen=True, slots=True)
class Ended:
    """An established session is over."""

    session: Session
    by: str  # peer, us
    status: int  # 200 for a BYE, else why
    request: Request | None


@dataclass(frozen=True, slots=True)
class SubscriptionRefreshed:
    """A subscriber wants the state again; the last time when it is *over*."""

    subscription: Subscription
    over: bool


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
    """A subscriber cannot be told any more."""

    subscription: Subscription


Output = (
    Send
    | RequestReceived
    | ResponseReceived
    | Invited
    | Progress
    | Answered
    | Failed
    | Cancelled
    | Acked
    | Reoffer
    | ReofferDone
    | InDialog
    | Ended
    | SubscriptionRefreshed
    | SubscriptionEnded
)
