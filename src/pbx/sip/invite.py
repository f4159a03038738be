"""A session: one INVITE and the dialogs that it opens, as caller or called (RFC 3261 §13–15).

The session owns what transactions do not: 2xx and ACK retransmission, CANCEL, BYE, forks (§13.2.2.4). Changes,
reliable provisional responses and session timers are rooms of their own, made when first needed. Verbs come from
above, messages from the stack, results go out as outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from pbx.errors import LocalProtocolError
from pbx.sip.dialog import Dialog, DialogId, dialog_as_client, dialog_as_server
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Acked, Answered, Cancelled, Ended, Failed, InDialog, Progress
from pbx.sip.prack import ReliableClient, ReliableServer, answer_prack, rseq_of
from pbx.sip.reinvite import Renegotiation
from pbx.sip.repeat import Repeater
from pbx.sip.session_timer import SessionClock, SessionExpires, agree_as_server, agreed_by_response, min_se_of
from pbx.sip.transaction import NOBODY, T2_S, TIMER_B_S, ClientTransaction, ServerTransaction, State

if TYPE_CHECKING:
    from pbx.sip.stack import Stack

Headers = Sequence[tuple[str, str]]
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, SUBSCRIBE, MESSAGE, PRACK"
ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'  # RFC 3326


_LASTING = frozenset({"From", "To", "Call-ID", "CSeq", "Authorization", "Proxy-Authorization"})


class Phase(Enum):
    INVITED = auto()  # server: not answered yet
    CALLING = auto()  # client: no final answer yet
    CANCELLING = auto()  # client: we gave up, the answer is still to come
    ACCEPTED = auto()  # server: 2xx sent, ACK awaited
    UP = auto()
    ENDED = auto()


class Session:
    """One INVITE session. Verbs raise LocalProtocolError where the phase forbids them."""

    __slots__ = (
        "_acks",
        "_cancelled_before_1xx",
        "_change",
        "_forks",
        "_reliable_client",
        "_stack",
        "client",
        "clock",
        "credentials",
        "dialog",
        "flow",
        "owner",
        "phase",
        "reliable",
        "replaces",
        "request",
        "sent_sdp",
        "server",
        "source",
        "tries",
        "unacked",
        "unanswered",
    )  # fmt: skip

    def __init__(self, stack: Stack, request: Request, flow: Flow) -> None:
        self._stack = stack
        self.request = request  # the INVITE as received, or as last sent
        self.flow = flow
        self.source = ""  # who the gate found the caller to be
        self.owner: object = None  # for the room above
        self.dialog: Dialog | None = None
        self.server: ServerTransaction | None = None
        self.client: ClientTransaction | None = None
        self.credentials: tuple[str, str, str] | None = None  # realm ("" for any), user, password
        self.phase = Phase.INVITED
        self.tries = 0
        self.replaces: Session | None = None  # the session that this INVITE takes over (RFC 3891)
        self.unacked: Repeater | None = None  # our 2xx, until its ACK
        self.unanswered: Response | None = None  # a 2xx with an offer, until `acknowledge`
        self.reliable: ReliableServer | None = None
        self.clock: SessionClock | None = None
        self.sent_sdp: bytes | None = None  # our last description, for refreshes
        self._change: Renegotiation | None = None
        self._forks: dict[str, Dialog] | None = None  # early dialogs beside `dialog`
        self._reliable_client: ReliableClient | None = None
        self._acks: dict[tuple[str, int], tuple[bytes, Flow]] | None = None  # (remote tag, CSeq) → the ACK to repeat
        self._cancelled_before_1xx: str | None = None

    @property
    def change(self) -> Renegotiation:
        if self._change is None:
            self._change = Renegotiation(self._stack, self)
        return self._change

    @property
    def pending(self) -> ServerTransaction | None:
        """The peer's change that waits for our answer."""
        return self._change.theirs if self._change is not None else None

    @property
    def is_up(self) -> bool:
        return self.phase in (Phase.UP, Phase.ACCEPTED)

    def dialog_for(self, dialog_id: DialogId) -> Dialog | None:
        """Return the dialog with this id: the session's own, or that of another fork."""
        if self._forks is not None and (found := self._forks.get(dialog_id[2])) is not None:
            return found
        return self.dialog

    # ---- server ----------------------------------------------------------------------------------------------------

    @classmethod
    def invited(cls, stack: Stack, request: Request, transaction: ServerTransaction, source: str) -> Session:
        """Begin as the called side."""
        session = cls(stack, request, transaction.flow)
        session.source = source
        session.server = transaction
        session.dialog = dialog_as_server(request, transaction.flow, stack.ids.tag())
        transaction.user = session
        stack.add_dialog(session.dialog, session)
        return session

    def ring(self, now: float, *, status: int = 180, sdp: bytes | None = None, headers: Headers = ()) -> None:
        """Send a provisional answer (101–199), reliably where the caller asks for it or it carries an answer."""
        transaction, _ = self._expect_invited()
        response = self.response(now, status, sdp, headers)
        if "100rel" in self.request.tokens("Require") or (sdp and "100rel" in self.request.tokens("Supported")):
            self.reliable = self.reliable or ReliableServer(self._stack, self)
            self.reliable.send(response, now)
        else:
            transaction.respond(response, now)

    def accept(self, now: float, sdp: bytes, headers: Headers = ()) -> None:
        """Send the 200 and repeat it until the ACK comes (§13.3.1.4)."""
        transaction, dialog = self._expect_invited()
        if self.reliable is not None and self.reliable.waits_with_sdp:
            self.reliable.final = (sdp, tuple(headers))
            return
        response = self.response(now, 200, sdp, headers)
        self.phase = Phase.ACCEPTED
        dialog.early = False
        self.sent_sdp = sdp
        self.await_ack(response, now)
        transaction.respond(response, now)

    def reject(self, now: float, status: int, *, reason: str = "", headers: Headers = ()) -> None:
        """Send a final failure (300–699)."""
        transaction, dialog = self._expect_invited()
        response = response_to(self.request, status, reason, to_tag=dialog.local.tag)
        for name, value in headers:
            response.add(name, value)
        self._finish(now)
        transaction.respond(response, now)

    def abandon(self, now: float, status: int) -> None:
        """Refuse a call that cannot go on, and tell the room above."""
        if self.phase is Phase.INVITED:
            self.reject(now, status)
            self._stack.emit(Ended(self, "us", status, None))

    def on_cancel(self, cancel: Request, now: float) -> None:
        """Answer the INVITE with 487: the caller gave up (§9.2)."""
        if self.phase is not Phase.INVITED or self.server is None or self.dialog is None:
            return
        response = response_to(self.request, 487, to_tag=self.dialog.local.tag)
        server = self.server
        self._finish(now)
        server.respond(response, now)
        self._stack.emit(Cancelled(self, cancel))

    def on_ack(self, ack: Request, now: float) -> None:
        """Take the ACK for a 2xx of ours."""
        if self.unacked is None or ack.cseq.number != self.unacked.response.cseq.number:
            return
        self.unacked.stop()
        self.unacked = None
        if self.phase is Phase.ACCEPTED:
            self.phase = Phase.UP
        self._stack.emit(Acked(self, ack.sdp))

    def _expect_invited(self) -> tuple[ServerTransaction, Dialog]:
        if self.phase is not Phase.INVITED or self.server is None or self.dialog is None:
            raise LocalProtocolError(f"the INVITE is already answered ({self.phase.name})")
        return self.server, self.dialog

    def response(
        self, now: float, status: int, sdp: bytes | None, headers: Headers = (), request: Request | None = None
    ) -> Response:
        """Make an answer to the INVITE, or to another *request* of the dialog, with all that it must carry."""
        assert self.dialog is not None
        asked = request or self.request
        response = response_to(asked, status, to_tag=self.dialog.local.tag)
        response.headers["Contact"] = [self._stack.contact(self.flow)]
        response.headers["Allow"] = [ALLOW]
        for name, value in headers:
            response.add(name, value)
        if sdp:
            response.headers["Content-Type"] = ["application/sdp"]
            response.body = sdp
        if 200 <= status < 300 and (agreed := agree_as_server(asked, self._stack.session_expires_s)) is not None:
            response.headers["Session-Expires"] = [str(agreed)]
            if agreed.refresher == "uac":
                response.headers["Require"] = ["timer"]  # 4028 9: so that the caller knows that it must
            self.take_clock(agreed, now, we_asked=False)
        return response

    def await_ack(self, response: Response, now: float) -> None:
        flow = self._stack.return_flow(response.via, self.flow)
        self.unacked = Repeater(self._stack, response, flow, now, T2_S, self._no_ack)

    def _no_ack(self, now: float) -> None:
        self.lost(408, now)  # 13.3.1.4

    # ---- client ----------------------------------------------------------------------------------------------------

    @classmethod
    def calling(
        cls, stack: Stack, request: Request, flow: Flow, now: float, credentials: tuple[str, str, str] | None
    ) -> Session:
        """Begin as the calling side: send the INVITE."""
        session = cls(stack, request, flow)
        session.phase = Phase.CALLING
        session.credentials = credentials
        session.sent_sdp = request.body or None
        session.client = stack.start_client(request, flow, session, now)
        return session

    def cancel(self, now: float, reason: str = "") -> None:
        """Give up before the answer; the CANCEL waits for a provisional response (§9.1)."""
        if self.phase is not Phase.CALLING or self.client is None:
            return
        self.phase = Phase.CANCELLING
        if self.client.state is State.CALLING:
            self._cancelled_before_1xx = reason
            return
        self._send_cancel(now, reason)

    def _send_cancel(self, now: float, reason: str) -> None:
        assert self.client is not None
        invite = self.client.request
        cancel = Request("CANCEL", invite.uri_text)
        cancel.headers = {
            "Via": [str(invite.via)],
            "Max-Forwards": ["70"],
            "From": invite.headers["From"],
            "To": invite.headers["To"],
            "Call-ID": invite.headers["Call-ID"],
            "CSeq": [f"{invite.cseq.number} CANCEL"],
        }
        if route := invite.headers.get("Route"):
            cancel.headers["Route"] = route
        if reason:
            cancel.headers["Reason"] = [reason]
        self._stack.start_client(cancel, self.client.flow, NOBODY, now)
        self.client.give_up_after(now, TIMER_B_S)

    def acknowledge(self, now: float, sdp: bytes) -> None:
        """Send the ACK that carries our answer to an offer in the 2xx."""
        if self.dialog is None or self.unanswered is None:
            raise LocalProtocolError("no answer waits for an ACK")
        self.sent_sdp = sdp
        self.send_ack(self.dialog, self.unanswered, sdp)
        self.unanswered = None

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        """Follow the responses to our INVITE, re-INVITE and UPDATE."""
        if transaction is self.client:
            self._invite_response(response, now)
        elif 200 <= response.status < 300 and self._ack_again(response):
            return
        elif self._change is not None and transaction is self._change.ours:
            self._change.on_response(response, transaction, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self._no_response(transaction, 408, now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self._no_response(transaction, 503, now)

    def on_over(self, transaction: ClientTransaction) -> None:
        """No 2xx can come again for this INVITE: its ACKs are not needed any more (RFC 6026, timer M)."""
        number = transaction.request.cseq.number
        self._acks = {key: ack for key, ack in (self._acks or {}).items() if key[1] != number} or None
        self.slim()

    def slim(self) -> None:
        """Keep of an INVITE whose transaction is over what names it: a call may last for hours."""
        if self.phase in (Phase.UP, Phase.ENDED):
            kept = {name: values for name, values in self.request.headers.items() if name in _LASTING}
            self.request = Request(self.request.method, self.request.uri_text, kept)

    def on_server_timeout(self, transaction: ServerTransaction, now: float) -> None:
        """Nobody acknowledged our failure response, or it cannot be sent: nothing is left to do."""

    def _no_response(self, transaction: ClientTransaction, status: int, now: float) -> None:
        if transaction is self.client:
            if self.phase in (Phase.CALLING, Phase.CANCELLING):
                self._finish(now)
                self._stack.emit(Failed(self, status, None))
        elif self._change is not None and transaction is self._change.ours:
            self._change.ours = None
            self.lost(status, now)  # 12.2.1.2: a time-out inside a dialog ends it

    def _invite_response(self, response: Response, now: float) -> None:
        status = response.status
        if status >= 300:
            self._invite_failed(response, now)
        elif status >= 200:
            self._invite_accepted(response, now)
        else:
            if self.phase is Phase.CANCELLING and self._cancelled_before_1xx is not None:
                reason, self._cancelled_before_1xx = self._cancelled_before_1xx, None
                self._send_cancel(now, reason)
            if status > 100 and self.phase is Phase.CALLING and self._early(response, now):
                self._stack.emit(Progress(self, response))

    def _early(self, response: Response, now: float) -> bool:
        """Open or find the early dialog of a provisional response; False for one that was seen before."""
        tag = response.to.tag
        dialog = self.dialog
        if tag and dialog is None:
            dialog = self.dialog = dialog_as_client(self.request, response, self.flow)
            self._stack.add_dialog(dialog, self)
        elif tag and dialog is not None and dialog.remote.tag != tag:
            self._forks = self._forks if self._forks is not None else {}
            dialog = self._forks.get(tag)
            if dialog is None:
                dialog = self._forks[tag] = dialog_as_client(self.request, response, self.flow)
                self._stack.add_dialog(dialog, self)
        rseq = rseq_of(response)
        if rseq is None or dialog is None or not tag:
            return True
        self._reliable_client = self._reliable_client or ReliableClient()
        if not self._reliable_client.is_next(tag, rseq):
            return False
        prack = dialog.request("PRACK")
        prack.headers["RAck"] = [f"{rseq} {response.cseq.number} INVITE"]
        self._stack.request(prack, self._stack.flow_for(dialog), now, None, self.credentials, dialog=dialog)
        return True

    def _ack_again(self, response: Response) -> bool:
        known = (self._acks or {}).get((response.to.tag, response.cseq.number))
        if known is not None:
            data, flow = known
            self._stack.repeat(data, flow)  # its ACK was lost
        return known is not None

    def _invite_accepted(self, response: Response, now: float) -> None:
        if self._ack_again(response):
            return
        if self.phase is Phase.CALLING:
            dialog = self._take_dialog(response)
            self.phase = Phase.UP
            if response.sdp is not None and not self.request.body:
                self.unanswered = response  # an offer: the user acknowledges with the answer
            else:
                self.send_ack(dialog, response, None)
            self.take_clock(agreed_by_response(response), now, we_asked=True)
            self._stack.emit(Answered(self, response))
            return
        if self.unanswered is not None and self.unanswered.to.tag == response.to.tag:
            return  # repeated while the user thinks about the offer
        # 13.2.2.4: a second branch answered, or the answer crossed our CANCEL: acknowledge, then say goodbye.
        stray = dialog_as_client(self.request, response, self.flow)
        self.send_ack(stray, response, None)
        self._stack.send_bye(stray, now, ELSEWHERE, self.credentials)
        if self.phase is Phase.CANCELLING:
            self._finish(now)
            self._stack.emit(Failed(self, 487, None))

    def _take_dialog(self, response: Response) -> Dialog:
        """Settle on the fork that answered; the other early dialogs are over (§13.2.2.4)."""
        fresh = dialog_as_client(self.request, response, self.flow)
        known = self.dialog_for(fresh.id)
        if known is not None and known.remote.tag == fresh.remote.tag:
            fresh.local_seq, fresh.remote_seq = max(fresh.local_seq, known.local_seq), known.remote_seq
            fresh.flow = known.flow
        self._drop_dialogs()
        self.dialog = fresh
        self._stack.add_dialog(fresh, self)
        return fresh

    def send_ack(self, dialog: Dialog, response: Response, sdp: bytes | None) -> None:
        ack = dialog.request("ACK", cseq=response.cseq.number)
        for name in ("Authorization", "Proxy-Authorization"):  # 22.1: the ACK carries what the INVITE did
            if auth := self.request.headers.get(name):
                ack.headers[name] = auth
        if sdp:
            ack.headers["Content-Type"] = ["application/sdp"]
            ack.body = sdp
        flow = self._stack.flow_for(dialog)
        self._stack.stamp(ack, flow)
        data = ack.to_bytes()
        self._acks = self._acks or {}
        self._acks[dialog.remote.tag, response.cseq.number] = (data, flow)
        self._stack.transmit(data, flow)

    def _invite_failed(self, response: Response, now: float) -> None:
        again: Request | None = None
        if self.phase is Phase.CALLING and response.status in (401, 407):
            again = self._stack.authorized(self.request, response, self.credentials, self.tries)
        elif self.phase is Phase.CALLING and response.status == 422 and self.tries < 2:
            again = self._stack.anew(self.request)
            again.headers["Session-Expires"] = again.headers["Min-SE"] = [str(min_se_of(response))]  # 4028 7.4
        if again is not None:
            self.tries += 1
            self.request = again
            self._drop_dialogs()
            self.client = self._stack.start_client(again, self.flow, self, now)
        elif self.phase in (Phase.CALLING, Phase.CANCELLING):
            self._finish(now)
            self._stack.emit(Failed(self, response.status, response))

    # ---- both ------------------------------------------------------------------------------------------------------

    def bye(self, now: float, reason: str = "") -> None:
        """End an answered session; never waits."""
        if self.phase in (Phase.INVITED, Phase.CALLING, Phase.CANCELLING):
            raise LocalProtocolError("not answered: use reject or cancel")
        if self.phase is Phase.ENDED or self.dialog is None:
            return
        dialog = self.dialog
        self._finish(now)
        self._stack.send_bye(dialog, now, reason, self.credentials)

    def reoffer(self, now: float, sdp: bytes | None) -> None:
        """Send a re-INVITE with an offer; the result comes as ReofferDone.

        :raises LocalProtocolError: while nothing is established, or another change is under way.
        """
        if not self.is_up or self.dialog is None or self.unacked is not None or self.unanswered is not None:
            raise LocalProtocolError(f"no session to change ({self.phase.name})")
        self.sent_sdp = sdp or self.sent_sdp
        self.change.offer(now, sdp)

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Take a request inside the dialog whose CSeq is already checked."""
        method = request.method
        if method == "BYE":
            self._on_bye(request, transaction, now)
        elif method == "PRACK":
            self._on_prack(request, transaction, now)
        elif method == "INVITE" and self.phase in (Phase.CALLING, Phase.CANCELLING):
            transaction.respond(response_to(request, 491), now)  # 14.2: our own INVITE is not answered
        elif method == "INVITE" and self.phase is Phase.INVITED:
            response = response_to(request, 500)
            response.headers["Retry-After"] = [str(self._stack.ids.integer(0, 10))]  # 14.2
            transaction.respond(response, now)
        elif method in ("INVITE", "UPDATE"):
            self.change.on_request(request, transaction, now)
        else:
            self._stack.emit(InDialog(self, request, transaction))

    def _on_prack(self, prack: Request, transaction: ServerTransaction, now: float) -> None:
        acknowledged = answer_prack(self, prack, transaction, now)
        if acknowledged is None:
            return
        if prack.sdp is not None:
            if self.request.body:
                self.change.on_request(prack, transaction, now)  # 3262 5: a second offer
            else:
                self._stack.emit(Acked(self, prack.sdp))  # the answer to the offer in our response
        assert self.reliable is not None
        final, self.reliable.final = self.reliable.final, None
        if final is not None and self.phase is Phase.INVITED:
            self.accept(now, *final)

    def _on_bye(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        transaction.respond(response_to(request, 200), now)
        if self.phase is Phase.INVITED and self.server is not None and self.dialog is not None:
            # 15.1.2: the caller may BYE an early dialog; the INVITE still wants its final answer.
            server = self.server
            response = response_to(self.request, 487, to_tag=self.dialog.local.tag)
            self._finish(now)
            server.respond(response, now)
            self._stack.emit(Cancelled(self, request))
        elif self.phase is not Phase.ENDED:
            calling = self.phase in (Phase.CALLING, Phase.CANCELLING)
            self._finish(now)
            self._stack.emit(Failed(self, 487, None) if calling else Ended(self, "peer", 200, request))

    # ---- session timer ---------------------------------------------------------------------------------------------

    def take_clock(self, agreed: SessionExpires | None, now: float, *, we_asked: bool) -> None:
        """Follow what both sides agreed about refreshing; None stops it."""
        if agreed is None:
            if self.clock is not None:
                self.clock.stop()
            return
        if self.clock is None:
            self.clock = SessionClock(self._stack.timers, self._refresh, self._unrefreshed)
        self.clock.start(agreed, now, ours=(agreed.refresher == "uac") == we_asked)

    def _refresh(self, now: float) -> None:
        if self.is_up and not self.change.busy and self.sent_sdp is not None:
            self.change.offer(now, self.sent_sdp, silent=True)

    def _unrefreshed(self, now: float) -> None:
        self.lost(408, now)  # 4028 10

    # ---- ends ------------------------------------------------------------------------------------------------------

    def lost(self, status: int, now: float) -> None:
        """Give up a session whose peer does not answer any more; it gets a BYE in case it lives."""
        if self.phase is Phase.ENDED or self.dialog is None:
            return
        dialog = self.dialog
        self._finish(now)
        self._stack.send_bye(dialog, now, "", self.credentials)
        self._stack.emit(Ended(self, "us", status, None))

    def _finish(self, now: float) -> None:
        self.phase = Phase.ENDED
        self.unanswered = None
        if self.unacked is not None:
            self.unacked.stop()
            self.unacked = None
        if self.clock is not None:
            self.clock.stop()
        if self.reliable is not None:
            self.reliable.stop()
        if self._change is not None:
            self._change.end(now)
        self._drop_dialogs()

    def _drop_dialogs(self) -> None:
        for dialog in (self._forks or {}).values():
            self._stack.remove_dialog(dialog)
        self._forks = None
        if self.dialog is not None:
            self._stack.remove_dialog(self.dialog)
