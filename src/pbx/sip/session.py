"""What a session holds, and how it ends: one INVITE and the dialogs that it opens (RFC 3261 §13–15).

The session owns what transactions do not: 2xx and ACK retransmission, CANCEL, BYE, forks (§13.2.2.4). Changes,
reliable provisional responses and session timers are rooms of their own, made when first needed. Verbs come from
above, messages from the stack, results go out as outputs. :mod:`pbx.sip.called` answers, :mod:`pbx.sip.invite` calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from pbx.errors import LocalProtocolError
from pbx.sip.dialog import Dialog, DialogId
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Ended
from pbx.sip.prack import ReliableClient, ReliableServer
from pbx.sip.reinvite import Renegotiation
from pbx.sip.repeat import Repeater
from pbx.sip.session_timer import SessionClock, SessionExpires, agree_as_server
from pbx.sip.transaction import ANSWERED, NOBODY, T2_S, ClientTransaction, ServerTransaction
from pbx.sip.ways import return_flow

if TYPE_CHECKING:
    from pbx.sip.invite import Session
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


class Held:
    """What every INVITE session has, whoever called."""

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

    def me(self) -> Session:
        """Return this session as the whole that it is."""
        raise NotImplementedError

    @property
    def change(self) -> Renegotiation:
        if self._change is None:
            self._change = Renegotiation(self._stack, self.me())
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

    # ---- answers ---------------------------------------------------------------------------------------------------

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
        flow = return_flow(response.via, self.flow)
        self.unacked = Repeater(self._stack, response, flow, now, T2_S, self._no_ack)

    def _no_ack(self, now: float) -> None:
        self.lost(408, now)  # 13.3.1.4

    # ---- changes ----------------------------------------------------------------------------------------------------

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
        self._stack.emit(Ended(self.me(), "us", status, None))

    def slim(self) -> None:
        """Keep of an INVITE whose transaction is over what names it: a call may last for hours."""
        if self.phase in (Phase.UP, Phase.ENDED):
            kept = {name: values for name, values in self.request.headers.items() if name in _LASTING}
            self.request = Request(self.request.method, self.request.uri_text, kept)
            self.server = None
            if self.client is not None:
                self.client.request, self.client.user = ANSWERED, NOBODY

    def on_server_timeout(self, transaction: ServerTransaction, now: float) -> None:
        """Nobody acknowledged our failure response, or it cannot be sent: nothing is left to do."""

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
        if self.client is not None:
            self.client.leave(now)
        if self._change is not None:
            self._change.end(now)
        self._drop_dialogs()

    def _drop_dialogs(self) -> None:
        for dialog in (self._forks or {}).values():
            self._stack.remove_dialog(dialog)
        self._forks = None
        if self.dialog is not None:
            self._stack.remove_dialog(self.dialog)
