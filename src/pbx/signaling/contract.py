"""What the call room sees of signalling: the same over the wire and in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pbx.sip.headers import NameAddr
from pbx.sip.message import Flow, Request
from pbx.sip.replaces import Replaces
from pbx.sip.transaction import ServerTransaction
from pbx.sip.uri import Uri

# What makes a phone answer by itself: Call-Info for Yealink and Grandstream, Alert-Info for Polycom, Cisco and Snom.
AUTO_ANSWER = (
    ("Call-Info", "<sip:auto>;answer-after=0"),
    ("Alert-Info", "<http://auto>;info=alert-autoanswer;delay=0"),
)


def alert_info(ring: str) -> tuple[str, str]:
    """Return the header that makes a phone ring otherwise: a name as phones list them, or a whole value."""
    value = ring if ring.startswith(("<", ";")) else f"<http://127.0.0.1/{ring}>;info={ring}"
    return "Alert-Info", value


@dataclass(frozen=True, slots=True)
class Destination:
    """One INVITE to send: who it is for, where it goes, how we introduce ourselves there."""

    party: str  # endpoint/1001, trunk/carrier, agent/zhang
    uri: Uri  # Request-URI
    flow: Flow
    credentials: tuple[str, str, str] | None = None  # realm ("" for any), user, password
    from_: NameAddr | None = None  # None: the caller as it is
    headers: tuple[tuple[str, str], ...] = ()
    routes: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()  # names in order; empty: the configured ones
    alternatives: tuple[Flow, ...] = ()  # where to go when the first way does not answer, or answers 5xx
    redirects: int = 0  # how many 3xx to follow, to other numbers behind the same way
    max_forwards: int = 70  # the caller's less one: a loop through other servers ends (RFC 3261 §16.6)


@dataclass(frozen=True, slots=True)
class Introduction:
    """What an incoming INVITE says, after the gate found out who sent it."""

    source: str  # endpoint/1001, trunk/carrier
    caller: str  # user part of From
    caller_name: str
    dialled: str  # user part of the Request-URI
    did: str  # user part of To
    sip_call_id: str
    peer: str  # transport:address:port
    sdp: bytes | None
    headers: dict[str, list[str]] = field(default_factory=dict)
    replaces: SignalEvents | None = None  # whose dialog this INVITE takes over (RFC 3891)


class LegSignal(Protocol):
    """One dialog. Verbs never wait; results come to :class:`SignalEvents`. After the end they do nothing."""

    events: SignalEvents

    @property
    def flow(self) -> Flow | None:
        """How the peer is reached; None where nothing travels."""

    @property
    def local_address(self) -> str:
        """The address of ours that this peer reaches: where its media ports are opened."""

    @property
    def advertised_address(self) -> str:
        """The address to name in session descriptions."""

    @property
    def sip_call_id(self) -> str: ...

    @property
    def dialog_id(self) -> tuple[str, str, str] | None:
        """Call-ID, our tag and the peer's, once there is a dialog: what a Replaces names."""

    def is_dialog(self, named: Replaces) -> bool:
        """Whether a Replaces names this dialog."""

    def ring(self, status: int = 180, sdp: bytes | None = None) -> None: ...
    def accept(self, sdp: bytes) -> None: ...
    def reject(self, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None: ...
    def acknowledge(self, sdp: bytes) -> None:
        """Answer the offer that came in a 2xx."""

    def hangup(self, reason: str = "") -> None:
        """CANCEL, BYE or refuse, whichever fits; *reason* is a Reason header's value."""

    def reoffer(self, sdp: bytes | None) -> bool:
        """Offer a change; False where another change is under way."""

    def answer_reoffer(self, sdp: bytes) -> None: ...
    def refuse_reoffer(self, status: int) -> None: ...
    def request(self, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> None:
        """Send INFO, NOTIFY, REFER, MESSAGE … inside the dialog."""

    def respond(self, transaction: ServerTransaction, request: Request, status: int) -> None: ...


class SignalEvents(Protocol):
    """Who hears what happens to a dialog; called on the event loop."""

    def on_progress(self, status: int, sdp: bytes | None) -> None: ...
    def on_answered(self, sdp: bytes | None, *, is_offer: bool) -> None: ...
    def another_offer(self) -> bytes | None:
        """Our INVITE was refused with 488: return another offer to make, None for no other."""

    def on_failed(self, status: int, reason: str, contacts: Sequence[str]) -> None:
        """Our INVITE came to nothing; *contacts* are where a 3xx points."""

    def on_acked(self, sdp: bytes | None) -> None: ...
    def on_reoffer(self, sdp: bytes | None) -> None: ...
    def on_reoffer_done(self, status: int, sdp: bytes | None) -> None: ...
    def on_request(self, request: Request, transaction: ServerTransaction) -> None: ...
    def on_ended(self, by: str, status: int, reason: str) -> None:
        """The dialog is over: by "peer" (BYE, CANCEL) or "us" (lost)."""


class Signaling(Protocol):
    """Where calls go out."""

    def call(self, destination: Destination, caller: NameAddr, sdp: bytes | None, events: SignalEvents) -> LegSignal:
        """Send an INVITE now."""

    def local_for(self, destination: Destination) -> tuple[str, str]:
        """Return (local, advertised) address for media towards a destination."""
