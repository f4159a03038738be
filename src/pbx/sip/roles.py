"""Whom the stack works with: a gate, addresses, those who live in dialogs; and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pbx.sip.dialog import Dialog, DialogId
from pbx.sip.message import Flow, Request, Response
from pbx.sip.transaction import ServerTransaction

Login = tuple[str, str, str]  # realm ("" for any), user, password


@dataclass(frozen=True, slots=True)
class Admitted:
    """The gate knows who sends this."""

    source: str  # endpoint/1001, trunk/carrier


class Gate(Protocol):
    """Decide, before any state is made, whether a request that starts something may come in."""

    def judge(self, request: Request, flow: Flow, now: float) -> Admitted | Response | None:
        """Return who it is, the response to send, or None to say nothing at all."""


class Addresses(Protocol):
    """Which of our addresses a peer should use, and the ways out."""

    def advertised(self, flow: Flow) -> tuple[str, int]: ...
    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None: ...


class DialogUser(Protocol):
    """Who lives in a dialog: a session, a subscription."""

    def dialog_for(self, dialog_id: DialogId) -> Dialog | None: ...
    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None: ...
    def on_ack(self, ack: Request, now: float) -> None: ...
    def lost(self, status: int, now: float) -> None:
        """The peer does not know the dialog any more (481), or does not answer (408)."""


@dataclass(slots=True)
class Counters:
    """What happened to messages that went nowhere else."""

    received: int = 0
    sent: int = 0
    unparsable: int = 0
    stray_responses: int = 0
    stray_acks: int = 0
    retransmitted: int = 0  # by us
    absorbed: int = 0  # the peer's retransmissions
    responses: dict[int, int] = field(default_factory=dict)  # by status, sent or received

    def note(self, status: int) -> None:
        self.responses[status] = self.responses.get(status, 0) + 1
