"""A session: one INVITE and the dialog that it opens, as caller or called (RFC 3261 §13–15).

The session owns what transactions do not: 2xx and ACK retransmission, CANCEL, BYE, re-INVITE in both directions with
glare (§14.1), forks (§13.2.2.4). Verbs come from above, messages from the stack, results go out as outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from pbx.errors import LocalProtocolError
from pbx.sip.dialog import Dialog, DialogId, dialog_as_client, dialog_as_server
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Acked, Answered, Cancelled, Ended, Failed, InDialog, Progress, Reoffer, ReofferDone
from pbx.sip.transaction import T1_S, T2_S, TIMER_B_S, ClientTransaction, ServerTransaction, State
from pbx.sip.uri import Uri

if TYPE_CHECKING:
    from pbx.sip.stack import Stack

Headers = Sequence[tuple[str, str]]
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY, SUBSCRIBE, MESSAGE, PRACK"


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
        "_final",
        "_final_wait_s",
        "_give_up_at",
        "_reinvite_body",
        "_reinvite_retry",
        "_stack",
        "client",
        "credentials",
        "dialog",
        "due",
        "flow",
        "invite",
        "owner",
        "pending",
        "phase",
        "queued",
        "request",
        "server",
        "source",
        "tries",
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
        self.pending: ServerTransaction | None = None  # the peer's re-INVITE that waits for our answer
        self.invite: ClientTransaction | None = None  # our own re-INVITE in flight
        self.credentials: tuple[str, str, str] | None = None  # realm ("" for any), user, password
        self.phase = Phase.INVITED
        self.tries = 0
        self.due: float | None = None
        self.queued: float | None = None
        self._final: Response | None = None
        self._final_wait_s = T1_S
        self._give_up_at = 0.0
        self._acks: dict[str, tuple[bytes, Flow]] = {}  # remote tag → the ACK to repeat
        self._cancelled_before_1xx: str | None = None
        self._reinvite_body: bytes | None = None
        self._reinvite_retry = False

    # ---- server ----------------------------------------------------------------------------------------------------

    @classmethod
    def invited(cls, stack: Stack, request: Request, transaction: ServerTransaction, source: str) -> Session:
        """Begin as the called side; sends 100 at once.

        :raises RemoteProtocolError: for an INVITE without Contact.
        """
        session = cls(stack, request, transaction.flow)
        session.source = source
        session.server = transaction
        session.dialog = dialog_as_server(request, transaction.flow, stack.ids.tag())
        transaction.user = session
        stack.add_dialog(session.dialog, session)
        return session

    def ring(self, now: float, *, status: int = 180, sdp: bytes | None = None, headers: Headers = ()) -> None:
        """Send a provisional answer (101–199)."""
        transaction, _ = self._expect_invited()
        transaction.respond(self._response(status, sdp, headers), now)

    def accept(self, now: float, sdp: bytes, headers: Headers = ()) -> None:
        """Send the 200 and repeat it until the ACK comes (§13.3.1.4)."""
        transaction, dialog = self._expect_invited()
        response = self._response(200, sdp, headers)
        self.phase = Phase.ACCEPTED
        dialog.early = False
        self._await_ack(response, now)
        transaction.respond(response, now)

    def reject(self, now: float, status: int, *, reason: str = "", headers: Headers = ()) -> None:
        """Send a final failure (300–699)."""
        transaction, dialog = self._expect_invited()
        response = response_to(self.request, status, reason, to_tag=dialog.local.tag)
        for name, value in headers:
            response.add(name, value)
        self._finish()
        transaction.respond(response, now)

    def on_cancel(self, cancel: Request, now: float) -> None:
        """Answer the INVITE with 487: the caller gave up (§9.2)."""
        if self.phase is not Phase.INVITED or self.server is None or self.dialog is None:
            return
        response = response_to(self.request, 487, to_tag=self.dialog.local.tag)
        server = self.server
        self._finish()
        server.respond(response, now)
        self._stack.emit(Cancelled(self, cancel))

    def on_ack(self, ack: Request, now: float) -> None:
        """Take the ACK for a 2xx of ours."""
        if self._final is None:
            return
        if ack.cseq.number != self._final.cseq.number:
            return
        self._final = None
        self._stack.timers.set(self, None)
        if self.phase is Phase.ACCEPTED:
            self.phase = Phase.UP
        self._stack.emit(Acked(self, ack.sdp))

    def _expect_invited(self) -> tuple[ServerTransaction, Dialog]:
        if self.phase is not Phase.INVITED or self.server is None or self.dialog is None:
            raise LocalProtocolError(f"the INVITE is already answered ({self.phase.name})")
        return self.server, self.dialog

    def _response(self, status: int, sdp: bytes | None, headers: Headers, request: Request | None = None) -> Response:
        assert self.dialog is not None
        response = response_to(request or self.request, status, to_tag=self.dialog.local.tag)
        response.headers["Contact"] = [self._stack.contact(self.flow)]
        response.headers["Allow"] = [ALLOW]
        for name, value in headers:
            response.add(name, value)
        if sdp:
            response.headers["Content-Type"] = ["application/sdp"]
            response.body = sdp
        return response

    def _await_ack(self, response: Response, now: float) -> None:
        self._final = response
        self._final_wait_s = T1_S
        self._give_up_at = now + TIMER_B_S
        self._stack.timers.set(self, now + T1_S)  # over streams too: a proxy behind may be UDP (13.3.1.4)

    # ---- client ----------------------------------------------------------------------------------------------------

    @classmethod
    def calling(
        cls, stack: Stack, request: Request, flow: Flow, now: float, credentials: tuple[str, str, str] | None
    ) -> Session:
        """Begin as the calling side: send the INVITE."""
        session = cls(stack, request, flow)
        session.phase = Phase.CALLING
        session.credentials = credentials
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
        self._stack.start_client(cancel, self.client.flow, _IGNORE, now)
        self.client.give_up_after(now, TIMER_B_S)

    def acknowledge(self, now: float, sdp: bytes) -> None:
        """Send the ACK that carries our answer to an offer in the 2xx."""
        if self.dialog is None or self._final is None:
            raise LocalProtocolError("no answer waits for an ACK")
        self._send_ack(self.dialog, self._final, sdp)
        self._final = None

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        """Follow the INVITE's responses; re-INVITEs and BYE come here too."""
        if transaction is self.invite:
            self._reinvite_response(response, transaction, now)
        elif transaction.request.method == "INVITE":
            self._invite_response(response, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self._no_response(transaction, 408, now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self._no_response(transaction, 503, now)

    def on_server_timeout(self, transaction: ServerTransaction, now: float) -> None:
        """Nobody acknowledged our failure response, or it cannot be sent: nothing is left to do."""

    def _no_response(self, transaction: ClientTransaction, status: int, now: float) -> None:
        if transaction is self.invite:
            self.invite = None
            self._lost(status, now)  # 12.2.1.2: a time-out inside a dialog ends it
        elif transaction is self.client and self.phase in (Phase.CALLING, Phase.CANCELLING):
            self._finish()
            self._stack.emit(Failed(self, status, None))

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
            if status > 100 and self.phase is Phase.CALLING:
                self._early(response)
                self._stack.emit(Progress(self, response))

    def _early(self, response: Response) -> None:
        if response.to.tag and self.dialog is None:
            self.dialog = dialog_as_client(self.request, response, self.flow)
            self._stack.add_dialog(self.dialog, self)

    def _invite_accepted(self, response: Response, now: float) -> None:
        tag = response.to.tag
        if known := self._acks.get(tag):
            self._stack.repeat(*known)  # its ACK was lost
            return
        if self.phase is Phase.CALLING:
            self._take_dialog(response)
            self.phase = Phase.UP
            if response.sdp is not None and not self.request.body:
                self._final = response  # an offer: the user acknowledges with the answer
            else:
                assert self.dialog is not None
                self._send_ack(self.dialog, response, None)
            self._stack.emit(Answered(self, response))
            return
        if self._final is not None and self._final.to.tag == tag:
            return  # repeated while the user thinks about the offer
        # 13.2.2.4: a second branch answered, or the answer crossed our CANCEL: acknowledge, then say goodbye.
        stray = dialog_as_client(self.request, response, self.flow)
        self._send_ack(stray, response, None)
        self._stack.send_bye(stray, now, 'SIP;cause=200;text="Call completed elsewhere"')
        if self.phase is Phase.CANCELLING:
            self._finish()
            self._stack.emit(Failed(self, 487, None))

    def _take_dialog(self, response: Response) -> None:
        if self.dialog is not None and self.dialog.remote.tag == response.to.tag:
            fresh = dialog_as_client(self.request, response, self.flow)
            self.dialog.route_set, self.dialog.remote_target = fresh.route_set, fresh.remote_target  # 13.2.2.4
            self.dialog.early = False
            return
        if self.dialog is not None:
            self._stack.remove_dialog(self.dialog)  # another branch won
        self.dialog = dialog_as_client(self.request, response, self.flow)
        self._stack.add_dialog(self.dialog, self)

    def _send_ack(self, dialog: Dialog, response: Response, sdp: bytes | None) -> None:
        ack = dialog.request("ACK", cseq=response.cseq.number)
        if auth := self.request.headers.get("Authorization"):
            ack.headers["Authorization"] = auth
        if sdp:
            ack.headers["Content-Type"] = ["application/sdp"]
            ack.body = sdp
        flow = self._stack.flow_for(dialog)
        self._stack.stamp(ack, flow)
        data = ack.to_bytes()
        self._acks = {dialog.remote.tag: (data, flow), **({} if dialog is not self.dialog else self._acks)}
        self._stack.transmit(data, flow)

    def _invite_failed(self, response: Response, now: float) -> None:
        if response.status in (401, 407) and self.phase is Phase.CALLING:
            again = self._stack.authorized(self.request, response, self.credentials, self.tries)
            if again is not None:
                self.tries += 1
                self.request = again
                if self.dialog is not None:
                    self._stack.remove_dialog(self.dialog)
                    self.dialog = None
                self.client = self._stack.start_client(again, self.flow, self, now)
                return
        if self.phase in (Phase.CALLING, Phase.CANCELLING):
            self._finish()
            self._stack.emit(Failed(self, response.status, response))

    # ---- both ------------------------------------------------------------------------------------------------------

    def bye(self, now: float, reason: str = "") -> None:
        """End an answered session; never waits."""
        if self.phase in (Phase.INVITED, Phase.CALLING, Phase.CANCELLING):
            raise LocalProtocolError("not answered: use reject or cancel")
        if self.phase is Phase.ENDED or self.dialog is None:
            return
        dialog = self.dialog
        if self.pending is not None and self.pending.request is not None:
            self._answer_pending(response_to(self.pending.request, 487), now)
        self._finish()
        self._stack.send_bye(dialog, now, reason, self.credentials)

    def reoffer(self, now: float, sdp: bytes | None) -> None:
        """Send a re-INVITE with an offer; the result comes as ReofferDone."""
        if self.phase not in (Phase.UP, Phase.ACCEPTED) or self.dialog is None:
            raise LocalProtocolError(f"no session to change ({self.phase.name})")
        if self.invite is not None or self.pending is not None or self._final is not None:
            raise LocalProtocolError("another change is under way")
        request = self.dialog.request("INVITE")
        request.headers["Contact"] = [self._stack.contact(self.flow)]
        request.headers["Allow"] = [ALLOW]
        if sdp:
            request.headers["Content-Type"] = ["application/sdp"]
            request.body = sdp
        self._reinvite_body = sdp
        self._reinvite_retry = False
        flow = self._stack.flow_for(self.dialog)
        self._stack.stamp(request, flow)
        self.invite = self._stack.start_client(request, flow, self, now)

    def _reinvite_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        if response.status < 200 or self.dialog is None:
            return
        if response.status < 300:
            known = self._acks.get(self.dialog.remote.tag)
            self.dialog.refresh_target(response)
            self._send_ack(self.dialog, response, None)
            if self._reinvite_body is not None or known is None:
                self._reinvite_body = None
                self._stack.emit(ReofferDone(self, response.status, response.sdp))
            self.invite = None
            return
        self.invite = None
        if response.status == 491:
            # 14.1: the owner of the Call-ID waits longer, so that the two do not meet again.
            low, high = (2.1, 4.0) if self.client is not None else (0.0, 2.0)
            self._reinvite_retry = True
            self._stack.timers.set(self, now + self._stack.ids.uniform(low, high))
            return
        if response.status in (401, 407):
            again = self._stack.authorized(transaction.request, response, self.credentials, self.tries)
            if again is not None:
                self.tries += 1
                self.dialog.local_seq = again.cseq.number
                self.invite = self._stack.start_client(again, transaction.flow, self, now)
                return
        if response.status in (408, 481):
            self._lost(response.status, now)  # 12.2.1.2
            return
        self._stack.emit(ReofferDone(self, response.status, None))

    def answer_reoffer(self, now: float, sdp: bytes) -> None:
        """Accept the peer's re-INVITE with an answer (or an offer, where it had none)."""
        if self.pending is None or self.pending.request is None:
            raise LocalProtocolError("no re-INVITE waits")
        response = self._response(200, sdp, (), self.pending.request)
        self._await_ack(response, now)
        self._answer_pending(response, now)

    def refuse_reoffer(self, now: float, status: int) -> None:
        """Refuse the peer's re-INVITE; the session stays as it was (§14.2)."""
        if self.pending is None or self.pending.request is None:
            raise LocalProtocolError("no re-INVITE waits")
        self._answer_pending(response_to(self.pending.request, status), now)

    def _answer_pending(self, response: Response, now: float) -> None:
        pending, self.pending = self.pending, None
        assert pending is not None
        pending.respond(response, now)

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Take a request inside the dialog whose CSeq is already checked."""
        assert self.dialog is not None
        if request.method == "BYE":
            self._on_bye(request, transaction, now)
        elif request.method == "INVITE":
            self._on_reinvite(request, transaction, now)
        else:
            self._stack.emit(InDialog(self, request, transaction))

    def _on_bye(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        transaction.respond(response_to(request, 200), now)
        if self.pending is not None and self.pending.request is not None:
            self._answer_pending(response_to(self.pending.request, 487), now)
        if self.phase is Phase.INVITED and self.server is not None:
            # 15.1.2: the caller may BYE an early dialog; the INVITE still wants its final answer.
            server = self.server
            assert self.dialog is not None
            response = response_to(self.request, 487, to_tag=self.dialog.local.tag)
            self._finish()
            server.respond(response, now)
            self._stack.emit(Cancelled(self, request))
            return
        if self.phase is Phase.ENDED:
            return
        calling = self.phase in (Phase.CALLING, Phase.CANCELLING)
        self._finish()
        self._stack.emit(Failed(self, 487, None) if calling else Ended(self, "peer", 200, request))

    def _on_reinvite(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        if self.phase is Phase.INVITED or self.pending is not None:
            response = response_to(request, 500)
            response.headers["Retry-After"] = [str(self._stack.ids.integer(0, 10))]  # 14.2
            transaction.respond(response, now)
        elif self.invite is not None or self.phase in (Phase.CALLING, Phase.CANCELLING):
            transaction.respond(response_to(request, 491), now)  # 14.2
        else:
            assert self.dialog is not None
            self.dialog.refresh_target(request)
            transaction.respond(response_to(request, 100), now)
            self.pending = transaction
            self._stack.emit(Reoffer(self, request, request.sdp))

    def fire(self, now: float) -> None:
        """Repeat the 2xx, give it up after 64·T1, or try a re-INVITE again after glare."""
        if self._reinvite_retry:
            self._reinvite_retry = False
            if self.phase is Phase.UP and self.invite is None and self.pending is None:
                self.reoffer(now, self._reinvite_body)
            return
        if self._final is None or self.phase is Phase.ENDED:
            return
        if now >= self._give_up_at:
            self._final = None
            self._lost(408, now)  # 13.3.1.4: no ACK ever came
            return
        self._stack.repeat(self._final.to_bytes(), self._stack.return_flow(self._final, self.flow))
        self._final_wait_s = min(2 * self._final_wait_s, T2_S)
        self._stack.timers.set(self, min(now + self._final_wait_s, self._give_up_at))

    def _lost(self, status: int, now: float) -> None:
        if self.phase is Phase.ENDED or self.dialog is None:
            return
        dialog = self.dialog
        self._finish()
        self._stack.send_bye(dialog, now, "", self.credentials)
        self._stack.emit(Ended(self, "us", status, None))

    def _finish(self) -> None:
        self.phase = Phase.ENDED
        self._stack.timers.set(self, None)
        self._final = None
        if self.dialog is not None:
            self._stack.remove_dialog(self.dialog)

    @property
    def dialog_id(self) -> DialogId | None:
        return self.dialog.id if self.dialog is not None else None

    @property
    def peer(self) -> Uri:
        """The peer's address as the dialog knows it."""
        if self.dialog is not None:
            return self.dialog.remote.uri
        return self.request.to.uri if self.client is not None else self.request.from_.uri


class _Ignore:
    """The user of a request whose answer changes nothing: CANCEL, BYE."""

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None: ...
    def on_timeout(self, transaction: ClientTransaction, now: float) -> None: ...
    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None: ...


_IGNORE = _Ignore()
