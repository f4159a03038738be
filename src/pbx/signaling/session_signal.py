"""One dialog as the call room sees it: its verbs, its other ways out, and what its INVITE says of the caller."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbx.errors import LocalProtocolError
from pbx.signaling.contract import Destination, Introduction, SignalEvents
from pbx.signaling.presentation import asserted_caller, is_anonymous
from pbx.sip import outputs as out
from pbx.sip.headers import NameAddr
from pbx.sip.invite import Phase, Session
from pbx.sip.message import Flow, Request, response_to
from pbx.sip.replaces import Replaces
from pbx.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from pbx.signaling.agent import UserAgent

log = logging.getLogger(__name__)


def introduction_of(session: Session, tokens: Mapping[str, str]) -> Introduction:
    """Read what an INVITE says about its caller."""
    request = session.request
    caller = asserted_caller(request, trusted=session.source.startswith("trunk/"))  # RFC 3325: from trunks only
    dialled = request.dialled
    room, _, account = session.source.partition("/")
    hidden = room == "endpoint" and is_anonymous(caller)  # for those who are called; not for us, nor for the record
    replaced = session.replaces.owner if session.replaces is not None else None
    return Introduction(
        source=session.source,
        caller=account if hidden else caller.uri.user,
        caller_name="" if hidden else caller.name,
        dialled=request.to.uri.user if dialled in tokens else dialled,  # to our registration: the number is in To
        did=request.to.uri.user,
        sip_call_id=request.call_id,
        peer=str(session.flow),
        sdp=request.sdp,
        headers=request.headers,
        replaces=replaced.events if isinstance(replaced, SessionSignal) else None,
    )


def _progress(output: out.Progress, events: SignalEvents) -> None:
    events.on_progress(output.response.status, output.response.sdp)


def _answered(output: out.Answered, events: SignalEvents) -> None:
    if isinstance(output.session.owner, SessionSignal):
        output.session.owner.retry = None  # no other way is needed
    events.on_answered(output.response.sdp, is_offer=not output.session.request.body)


def _failed(output: out.Failed, events: SignalEvents) -> None:
    response = output.response
    contacts = response.values("Contact") if response is not None and 300 <= output.status < 400 else ()
    events.on_failed(output.status, response.reason if response is not None else "", contacts)


def _cancelled(output: out.Cancelled, events: SignalEvents) -> None:
    events.on_ended("peer", 487, output.request.get("Reason") or "")


def _ended(output: out.Ended, events: SignalEvents) -> None:
    reason = output.request.get("Reason") if output.request is not None else None
    events.on_ended(output.by, output.status, reason or "")


# How each output of a session reaches whoever follows it: found by type, for it happens with every message.
TOLD: dict[type, Callable[[Any, SignalEvents], None]] = {
    out.Progress: _progress,
    out.Answered: _answered,
    out.Failed: _failed,
    out.Cancelled: _cancelled,
    out.Acked: lambda output, events: events.on_acked(output.sdp),
    out.Reoffer: lambda output, events: events.on_reoffer(output.sdp),
    out.ReofferDone: lambda output, events: events.on_reoffer_done(output.status, output.sdp),
    out.InDialog: lambda output, events: events.on_request(output.request, output.transaction),
    out.Ended: _ended,
}


class _Nobody:
    """Events of a dialog that nobody follows any more."""

    def on_progress(self, status: int, sdp: bytes | None) -> None: ...
    def on_answered(self, sdp: bytes | None, *, is_offer: bool) -> None: ...
    def another_offer(self) -> bytes | None: ...
    def on_failed(self, status: int, reason: str, contacts: Sequence[str]) -> None: ...
    def on_acked(self, sdp: bytes | None) -> None: ...
    def on_reoffer(self, sdp: bytes | None) -> None: ...
    def on_reoffer_done(self, status: int, sdp: bytes | None) -> None: ...
    def on_request(self, request: Request, transaction: ServerTransaction) -> None: ...
    def on_ended(self, by: str, status: int, reason: str) -> None: ...


NOBODY = _Nobody()
SILENT_S = 4.0  # without any answer, while another way is left


@dataclass(slots=True)
class Retry:
    """What it takes to send an INVITE another way."""

    destination: Destination
    caller: NameAddr
    sdp: bytes | None
    flows: list[Flow]
    redirects: int
    given_up: bool = False


class SessionSignal:
    """One dialog as the call room sees it (:class:`pbx.signaling.contract.LegSignal`)."""

    __slots__ = ("_agent", "_counted", "events", "party", "retry", "session")

    def __init__(self, agent: UserAgent, session: Session) -> None:
        self._agent = agent
        self.session = session
        self.events: SignalEvents = NOBODY
        self.party = session.source  # endpoint/1001, trunk/carrier
        self.retry: Retry | None = None
        self._counted = True

    def note_end(self) -> None:
        """Count this call as over, once."""
        if self._counted and self.session.phase is Phase.ENDED:
            self._counted = False
            self._agent.active[self.party] -= 1
            if not self._agent.active[self.party]:
                del self._agent.active[self.party]

    def hurry(self) -> None:
        """Give up a way that says nothing at all while another is left."""
        if self.retry is not None and self.retry.flows and self.session.client is not None:
            self.session.client.give_up_after(self._agent.now, SILENT_S)

    def try_again(self, failed: out.Failed) -> bool:
        """Go another way after silence, 408 or 5xx; follow a redirection where that is allowed; offer otherwise."""
        retry = self.retry
        if retry is None or self.session.phase is not Phase.ENDED or retry.given_up:
            return False
        status, uri, flow = failed.status, retry.destination.uri, self.session.flow
        if 300 <= status < 400 and failed.response is not None and retry.redirects:
            contacts = failed.response.contacts
            if not contacts or not contacts[0].uri.user:
                return False
            retry.redirects -= 1
            uri = uri.with_user(contacts[0].uri.user)  # behind the same proxy: a Contact alone sends us nowhere
        elif status == 488 and (offer := self.events.another_offer()) is not None:
            retry.sdp = offer
        elif (status == 408 or 500 <= status < 600) and retry.flows:
            flow = retry.flows.pop(0)
            uri = uri if retry.destination.routes else uri.at(flow.remote)
        else:
            return False
        log.info("> %s again after %d (%s)", self.party, status, flow)
        before = self.session.request
        self.session = self._agent.send_invite(retry.destination, flow, uri, retry.caller, retry.sdp, before)
        self.session.owner = self
        self.hurry()
        return True

    @property
    def flow(self) -> Flow:
        return self.session.flow

    @property
    def local_address(self) -> str:
        return self.session.flow.local[0]

    @property
    def advertised_address(self) -> str:
        return self._agent.advertised(self.session.flow)

    @property
    def sip_call_id(self) -> str:
        return self.session.request.call_id

    @property
    def dialog_id(self) -> tuple[str, str, str] | None:
        dialog = self.session.dialog
        return dialog.id if dialog is not None and dialog.remote.tag else None

    def is_dialog(self, named: Replaces) -> bool:
        dialog = self.session.dialog
        return dialog is not None and dialog.id == (named.call_id, named.to_tag, named.from_tag)

    def ring(self, status: int = 180, sdp: bytes | None = None) -> None:
        if self.session.phase is Phase.INVITED:
            self.session.ring(self._agent.now, status=status, sdp=sdp)
            self._agent.pump()

    def accept(self, sdp: bytes) -> None:
        if self.session.phase is Phase.INVITED:
            self.session.accept(self._agent.now, sdp)
            self._agent.pump()

    def reject(self, status: int, reason: str = "", headers: Sequence[tuple[str, str]] = ()) -> None:
        if self.session.phase is Phase.INVITED:
            self.session.reject(self._agent.now, status, reason=reason, headers=headers)
            self.note_end()
            self._agent.pump()

    def acknowledge(self, sdp: bytes) -> None:
        if self.session.phase is not Phase.ENDED:
            self.session.acknowledge(self._agent.now, sdp)
            self._agent.pump()

    def hangup(self, reason: str = "") -> None:
        session, now = self.session, self._agent.now
        if self.retry is not None:
            self.retry.given_up = True
        if session.phase is Phase.INVITED:
            session.reject(now, 480)
        elif session.phase is Phase.CALLING:
            session.cancel(now, reason)
        elif session.phase in (Phase.ACCEPTED, Phase.UP):
            session.bye(now, reason)
        self.note_end()
        self._agent.pump()
        self.let_go()

    def let_go(self) -> None:
        """Forget the leg of a session that is over: its transactions linger for half a minute, the call need not."""
        if self.session.phase is Phase.ENDED:
            self.events = NOBODY

    def reoffer(self, sdp: bytes | None) -> bool:
        try:
            self.session.reoffer(self._agent.now, sdp)
        except LocalProtocolError:
            return False
        self._agent.pump()
        return True

    def answer_reoffer(self, sdp: bytes) -> None:
        if self.session.pending is not None:
            self.session.change.answer(self._agent.now, sdp)
            self._agent.pump()

    def refuse_reoffer(self, status: int) -> None:
        if self.session.pending is not None:
            self.session.change.refuse(self._agent.now, status)
            self._agent.pump()

    def request(self, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> None:
        dialog = self.session.dialog
        if dialog is None or self.session.phase is Phase.ENDED:
            return
        request = dialog.request(method)
        if method != "MESSAGE":
            request.headers["Contact"] = [self._agent.stack.contact(self.session.flow)]
        for name, value in headers:
            request.add(name, value)
        request.body = body
        stack = self._agent.stack
        stack.request(request, stack.flow_for(dialog), self._agent.now, None, self.session.credentials, dialog)
        self._agent.pump()

    def respond(self, transaction: ServerTransaction, request: Request, status: int) -> None:
        self._agent.respond(transaction, response_to(request, status))
