"""Changing an established session, from either side: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.errors import LocalProtocolError
from pbx.sip.again import authorized
from pbx.sip.message import Request, Response, response_to
from pbx.sip.outputs import Reoffer, ReofferDone
from pbx.sip.session_timer import agreed_by_response
from pbx.sip.transaction import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from pbx.sip.invite import Session
    from pbx.sip.stack import Stack


class Renegotiation:
    """At most one change at a time: ours in flight, or the peer's that waits for our answer."""

    __slots__ = ("_offer", "_retry", "_session", "_silent", "_stack", "due", "ours", "queued", "theirs", "tries")

    def __init__(self, stack: Stack, session: Session) -> None:
        self._stack = stack
        self._session = session
        self.theirs: ServerTransaction | None = None
        self.ours: ClientTransaction | None = None
        self.tries = 0
        self.due: float | None = None
        self.queued: float | None = None
        self._offer: bytes | None = None
        self._retry = ""  # the method to try again after glare
        self._silent = False  # a refresh of the session timer: nobody asked, nobody is told

    @property
    def busy(self) -> bool:
        return self.ours is not None or self.theirs is not None or bool(self._retry)

    # ---- ours ------------------------------------------------------------------------------------------------------

    def offer(self, now: float, sdp: bytes | None, *, method: str = "INVITE", silent: bool = False) -> None:
        """Send a re-INVITE or UPDATE; unless *silent*, the result comes as ReofferDone.

        :raises LocalProtocolError: while another change is under way.
        """
        if self.busy:
            raise LocalProtocolError("another change is under way")
        self._offer, self._silent, self.tries = sdp, silent, 0
        self._send(now, method)

    def _send(self, now: float, method: str) -> None:
        session, stack = self._session, self._stack
        assert session.dialog is not None
        request = session.dialog.request(method)
        request.headers["Contact"] = [stack.contact(session.flow)]
        stack.offer_extensions(request)
        if session.clock is not None:
            refresher = "uac" if session.clock.ours else "uas"
            request.headers["Session-Expires"] = [f"{session.clock.agreed.interval_s};refresher={refresher}"]
        if self._offer:
            request.headers["Content-Type"] = ["application/sdp"]
            request.body = self._offer
        flow = stack.flow_for(session.dialog)
        stack.stamp(request, flow)
        self.ours = stack.start_client(request, flow, session, now)

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        """Follow the answer to our change."""
        session = self._session
        if response.status < 200 or session.dialog is None:
            return
        invite = transaction.request.method == "INVITE"
        if response.status < 300:
            self.ours = None
            session.dialog.refresh_target(response)
            session.take_clock(agreed_by_response(response), now, we_asked=True)
            if invite and self._offer is None and response.sdp is not None:
                session.unanswered = response  # an offer: the user acknowledges with the answer
            elif invite:
                session.send_ack(session.dialog, response, None)
            self._tell(response.status, response.sdp)
            return
        self.ours = None
        if response.status == 491:
            # 14.1: the owner of the Call-ID waits longer, so that the two do not meet again.
            low, high = (2.1, 4.0) if session.client is not None else (0.0, 2.0)
            self._retry = transaction.request.method
            self._stack.timers.set(self, now + self._stack.ids.uniform(low, high))
        elif response.status in (401, 407) and self._authorized(response, transaction, now):
            return
        elif response.status in (408, 481):
            session.lost(response.status, now)  # 12.2.1.2
        elif not invite and self._offer and response.status in (405, 501):
            self._send(now, "INVITE")  # it said UPDATE in Allow, and meant otherwise
        else:
            self._tell(response.status, None)

    def _authorized(self, response: Response, transaction: ClientTransaction, now: float) -> bool:
        session = self._session
        assert session.dialog is not None
        again = authorized(
            transaction.request,
            response,
            self._stack.ids,
            session.credentials,
            self.tries,
            session.dialog.local_seq + 1,
        )
        if again is None:
            return False
        self.tries += 1
        session.dialog.local_seq += 1
        self.ours = self._stack.start_client(again, transaction.flow, session, now)
        return True

    def _tell(self, status: int, sdp: bytes | None) -> None:
        if not self._silent:
            self._stack.emit(ReofferDone(self._session, status, sdp))

    def fire(self, now: float) -> None:
        """Try again after glare, unless the peer's change came first; then a little later."""
        if self.theirs is not None or self._session.unacked is not None:
            self._stack.timers.set(self, now + self._stack.ids.uniform(0.5, 2.0))
            return
        method, self._retry = self._retry, ""
        if method and self._session.is_up:
            self._send(now, method)

    # ---- theirs ----------------------------------------------------------------------------------------------------

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Take the peer's re-INVITE, UPDATE, or PRACK with an offer."""
        session = self._session
        assert session.dialog is not None
        if self.theirs is not None or (session.unacked is not None and request.method == "INVITE"):
            response = response_to(request, 500)
            response.headers["Retry-After"] = [str(self._stack.ids.integer(0, 10))]  # 14.2, 3311 5.2
            transaction.respond(response, now)
            return
        if self.ours is not None and (request.method == "INVITE" or request.sdp is not None):
            transaction.respond(response_to(request, 491), now)  # 14.2
            return
        session.dialog.refresh_target(request)
        if request.method == "UPDATE" and request.sdp is None:
            transaction.respond(session.response(now, 200, None, (), request), now)  # a refresh, or a new target
            return
        if request.method == "INVITE":
            transaction.respond(response_to(request, 100), now)
        self.theirs = transaction
        self._stack.emit(Reoffer(session, request, request.sdp))

    def answer(self, now: float, sdp: bytes) -> None:
        """Accept the peer's change with an answer (or an offer, where it had none)."""
        theirs = self.theirs
        if theirs is None or theirs.request is None:
            raise LocalProtocolError("no change waits for an answer")
        request = theirs.request
        response = self._session.response(now, 200, sdp, (), request)
        self.theirs = None
        if request.method == "INVITE":
            self._session.await_ack(response, now)
        self._session.sent_sdp = sdp
        theirs.respond(response, now)

    def refuse(self, now: float, status: int) -> None:
        """Refuse the peer's change; the session stays as it was (§14.2)."""
        theirs, self.theirs = self.theirs, None
        if theirs is not None and theirs.request is not None:
            theirs.respond(response_to(theirs.request, status), now)

    def end(self, now: float) -> None:
        """The session is over: nothing is retried, and what waits is terminated (§15.1.2)."""
        self._retry = ""
        self._stack.timers.set(self, None)
        if self.ours is not None:
            self.ours.leave(now)
        self.refuse(now, 487)
