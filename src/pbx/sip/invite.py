"""A session as the calling side: INVITE, forks, CANCEL, ACK (RFC 3261 §9.1, §13.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pbx.errors import LocalProtocolError, ParseError
from pbx.sip.again import anew, authorized
from pbx.sip.called import Called
from pbx.sip.dialog import Dialog, DialogId, dialog_as_client
from pbx.sip.machines import State
from pbx.sip.message import Flow, Request, Response
from pbx.sip.outputs import Answered, Failed, Progress
from pbx.sip.prack import ReliableClient, rseq_of
from pbx.sip.replaces import parse_replaces
from pbx.sip.session import ALLOW, ELSEWHERE, Phase
from pbx.sip.session_timer import agreed_by_response, min_se_of
from pbx.sip.transaction import NOBODY, TIMER_B_S, ClientTransaction

if TYPE_CHECKING:
    from pbx.sip.stack import Stack


class Session(Called):
    """One INVITE session. Verbs raise LocalProtocolError where the phase forbids them."""

    __slots__ = ()

    def me(self) -> Session:
        return self

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
            again = authorized(self.request, response, self._stack.ids, self.credentials, self.tries)
        elif self.phase is Phase.CALLING and response.status == 422 and self.tries < 2:
            again = anew(self.request, self._stack.ids)
            again.headers["Session-Expires"] = again.headers["Min-SE"] = [str(min_se_of(response))]  # 4028 7.4
        if again is not None:
            self.tries += 1
            self.request = again
            self._drop_dialogs()
            self.client = self._stack.start_client(again, self.flow, self, now)
        elif self.phase in (Phase.CALLING, Phase.CANCELLING):
            self._finish(now)
            self._stack.emit(Failed(self, response.status, response))


def replaced_by(text: str, session_of: Callable[[DialogId], Session | None]) -> Session | int:
    """Return the session that a Replaces header names, or the status to refuse with (RFC 3891 §3)."""
    try:
        named = parse_replaces(text)
    except ParseError as error:
        return error.status
    session = session_of((named.call_id, named.to_tag, named.from_tag))
    if session is None or session.phase is Phase.ENDED:
        return 481
    if named.early_only and session.is_up:
        return 486
    if session.phase is Phase.INVITED:
        return 481  # an early dialog that its own caller opened cannot be taken over
    return session


__all__ = ["ALLOW", "ELSEWHERE", "Phase", "Session", "replaced_by"]
