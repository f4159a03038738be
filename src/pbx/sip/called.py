"""A session as the called side: ring, accept, reject; CANCEL, ACK and what else comes to a dialog (RFC 3261 §13.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pbx.errors import LocalProtocolError
from pbx.sip.dialog import Dialog, dialog_as_server
from pbx.sip.message import Request, response_to
from pbx.sip.outputs import Acked, Cancelled, Ended, Failed, InDialog
from pbx.sip.prack import ReliableServer, answer_prack
from pbx.sip.session import Headers, Held, Phase
from pbx.sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from pbx.sip.stack import Stack


class Called(Held):
    """The half of a session that answers requests."""

    __slots__ = ()

    @classmethod
    def invited(cls, stack: Stack, request: Request, transaction: ServerTransaction, source: str) -> Self:
        """Begin as the called side."""
        session = cls(stack, request, transaction.flow)
        session.source = source
        session.server = transaction
        session.dialog = dialog_as_server(request, transaction.flow, stack.ids.tag())
        transaction.user = session
        stack.add_dialog(session.dialog, session.me())
        return session

    def ring(self, now: float, *, status: int = 180, sdp: bytes | None = None, headers: Headers = ()) -> None:
        """Send a provisional answer (101–199), reliably where the caller asks for it or it carries an answer."""
        transaction, _ = self._expect_invited()
        response = self.response(now, status, sdp, headers)
        if "100rel" in self.request.tokens("Require") or (sdp and "100rel" in self.request.tokens("Supported")):
            self.reliable = self.reliable or ReliableServer(self._stack, self.me())
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
            self._stack.emit(Ended(self.me(), "us", status, None))

    def on_cancel(self, cancel: Request, now: float) -> None:
        """Answer the INVITE with 487: the caller gave up (§9.2)."""
        if self.phase is not Phase.INVITED or self.server is None or self.dialog is None:
            return
        response = response_to(self.request, 487, to_tag=self.dialog.local.tag)
        server = self.server
        self._finish(now)
        server.respond(response, now)
        self._stack.emit(Cancelled(self.me(), cancel))

    def on_ack(self, ack: Request, now: float) -> None:
        """Take the ACK for a 2xx of ours."""
        if self.unacked is None or ack.cseq.number != self.unacked.response.cseq.number:
            return
        self.unacked.stop()
        self.unacked = None
        if self.phase is Phase.ACCEPTED:
            self.phase = Phase.UP
        self._stack.emit(Acked(self.me(), ack.sdp))

    def _expect_invited(self) -> tuple[ServerTransaction, Dialog]:
        if self.phase is not Phase.INVITED or self.server is None or self.dialog is None:
            raise LocalProtocolError(f"the INVITE is already answered ({self.phase.name})")
        return self.server, self.dialog

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
            self._stack.emit(InDialog(self.me(), request, transaction))

    def _on_prack(self, prack: Request, transaction: ServerTransaction, now: float) -> None:
        acknowledged = answer_prack(self.me(), prack, transaction, now)
        if acknowledged is None:
            return
        if prack.sdp is not None:
            if self.request.body:
                self.change.on_request(prack, transaction, now)  # 3262 5: a second offer
            else:
                self._stack.emit(Acked(self.me(), prack.sdp))  # the answer to the offer in our response
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
            self._stack.emit(Cancelled(self.me(), request))
        elif self.phase is not Phase.ENDED:
            calling = self.phase in (Phase.CALLING, Phase.CANCELLING)
            self._finish(now)
            self._stack.emit(Failed(self.me(), 487, None) if calling else Ended(self.me(), "peer", 200, request))
