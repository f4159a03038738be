"""Transactions: what the tables of :mod:`pbx.sip.machines` do with messages and timers (RFC 3261 §17).

Only :meth:`Transaction.step` assigns ``state``.
"""

from __future__ import annotations

from typing import Protocol

from pbx.sip.machines import (
    CLIENT_INVITE,
    CLIENT_OTHER,
    SERVER_INVITE,
    SERVER_OTHER,
    Do,
    On,
    State,
    class_of,
)
from pbx.sip.message import Flow, Request, Response
from pbx.sip.timers import Timers

T1_S = 0.5
T2_S = 4.0
T4_S = 5.0
TIMER_B_S = 64 * T1_S  # 17.1.1.2; F, H, J, L and M are as long
TIMER_D_S = 32.0
WIDE_S = 4.0  # how long a stream beside a datagram may say nothing at all

Key = tuple[str, ...]


class Wire(Protocol):
    """What a transaction needs from the stack."""

    timers: Timers

    def transmit(self, data: bytes, flow: Flow) -> None: ...
    def repeat(self, data: bytes, flow: Flow) -> None: ...
    def forget(self, transaction: Transaction) -> None: ...
    def address_anew(self, transaction: ClientTransaction) -> None: ...


class Transaction:
    """What the four machines share; the stack finds one by its *key*."""

    TABLE = CLIENT_OTHER  # each machine has its own
    FIRST = State.TRYING
    __slots__ = ("_last", "_linger_at", "_resend_at", "_stop_at", "_wait_s", "_wire", "due", "flow", "key", "queued",
                 "state")  # fmt: skip

    def __init__(self, key: Key, flow: Flow, wire: Wire) -> None:
        self.key = key
        self.flow = flow
        self.state = self.FIRST
        self.due: float | None = None
        self.queued: float | None = None
        self._wire = wire
        self._last = b""
        self._wait_s = T1_S
        self._resend_at: float | None = None
        self._stop_at: float | None = None
        self._linger_at: float | None = None

    def step(self, event: On, now: float, response: Response | None = None) -> None:
        """Take one step of the table; after the end every step is none."""
        if self.state is State.TERMINATED:
            return
        self.state, actions = self.TABLE[self.state, event]
        for action in actions:
            self._do(action, now, response)
        if self.state is State.TERMINATED:
            self._wire.timers.set(self, None)
            self._wire.forget(self)
        elif actions:
            self._arm()

    def fire(self, now: float) -> None:
        """Turn the timer that is due into an event."""
        if self._linger_at is not None and self._linger_at <= now:
            self._linger_at = None
            self.step(On.LINGER, now)
        elif self._stop_at is not None and self._stop_at <= now:
            self._stop_at = None
            if not self.fall_back(now):
                self.step(On.TIMEOUT, now)
        elif self._resend_at is not None and self._resend_at <= now:
            self._resend_at = None
            self.step(On.RETRANSMIT, now)
        else:
            self._arm()

    def fall_back(self, now: float) -> bool:
        """Begin again another way, where there is one; False where this one was the last."""
        return False

    def give_up_after(self, now: float, wait_s: float) -> None:
        """Bound how long a final response is waited for (§9.1, after CANCEL)."""
        self._stop_at = now + wait_s
        self._arm()

    def _arm(self) -> None:
        due = None
        for at in (self._resend_at, self._stop_at, self._linger_at):
            if at is not None and (due is None or at < due):
                due = at
        if due != self.due:
            self._wire.timers.set(self, due)

    def _do(self, action: Do, now: float, response: Response | None) -> None:
        if action is Do.AGAIN:
            if self._last:
                self._wire.repeat(self._last, self.flow)
        elif action is Do.REPLAY:
            if self._last:
                self._wire.transmit(self._last, self.flow)
        elif action is Do.BACK_OFF:
            self._back_off(now)
        elif action is Do.STOP:
            self._resend_at = self._stop_at = None
        elif action is Do.LINGER:
            self._resend_at = self._stop_at = None
            self._linger_at = now + self._linger_s()
        elif action is Do.GIVE_UP:
            self._stop_at = now + TIMER_B_S
        else:
            self._act(action, now, response)

    def _back_off(self, now: float) -> None:
        if self.flow.reliable:
            return  # 17.1.1.2: no retransmission over reliable transports
        self._resend_at = now + self._wait_s
        self._wait_s = self._next_wait_s()

    def _next_wait_s(self) -> float:
        return min(2 * self._wait_s, T2_S)

    def _linger_s(self) -> float:
        return 0.0 if self.flow.reliable else TIMER_B_S

    def _act(self, action: Do, now: float, response: Response | None) -> None:
        raise NotImplementedError


class ClientUser(Protocol):
    """Who sent the request."""

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None: ...
    def on_timeout(self, transaction: ClientTransaction, now: float) -> None: ...
    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None: ...
    def on_over(self, transaction: ClientTransaction) -> None:
        """Nothing more will come of this transaction."""


class Nobody:
    """The user of a request whose answer changes nothing: CANCEL, BYE, whatever is answered."""

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None: ...
    def on_timeout(self, transaction: ClientTransaction, now: float) -> None: ...
    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None: ...
    def on_over(self, transaction: ClientTransaction) -> None: ...


NOBODY = Nobody()
ANSWERED = Request("NONE", "sip:answered.invalid")  # stands for a request that nobody needs any more


class ClientTransaction(Transaction):
    __slots__ = ("narrow", "request", "user")

    def __init__(self, request: Request, flow: Flow, wire: Wire, user: ClientUser) -> None:
        super().__init__((request.via.branch, request.method), flow, wire)
        self.narrow: Flow | None = None  # for what is large: the datagram, should the stream come to nothing
        self.request = request
        self.user = user

    def start(self, now: float) -> None:
        self._last = self.request.to_bytes()
        self._wire.transmit(self._last, self.flow)
        wide = self.narrow is not None and self.TABLE is CLIENT_INVITE
        self._stop_at = now + (WIDE_S if wide else TIMER_B_S)
        self._back_off(now)
        self._arm()

    def fall_back(self, now: float) -> bool:
        """Send as a datagram what no stream took (§18.1.1)."""
        if self.narrow is None or self.state is not self.FIRST:
            return False
        self.flow, self.narrow = self.narrow, None
        self._wire.address_anew(self)
        self._wait_s = T1_S
        self.start(now)
        return True

    def _act(self, action: Do, now: float, response: Response | None) -> None:
        if action is Do.PASS and response is not None:
            self.user.on_response(response, self, now)
            if response.status >= 200:
                self._let_go()
        elif action is Do.ACK and response is not None:
            if self.request is not ANSWERED:
                self._last = ack_for(self.request, response).to_bytes()
            self._wire.transmit(self._last, self.flow)
        elif action is Do.TELL_TIMEOUT:
            self.user.on_timeout(self, now)
        elif action is Do.TELL_ERROR:
            self.user.on_transport_error(self, now)

    def leave(self, now: float) -> None:
        """Wait no longer than a time-out for an answer that nobody needs: after a 1xx an INVITE has no timer."""
        if self.state is State.PROCEEDING and self._stop_at is None:
            self.give_up_after(now, TIMER_B_S)

    def _let_go(self) -> None:
        """Keep no more than it takes to absorb what comes late: transactions of half a minute fill the memory."""
        if self.state is State.ACCEPTED:
            self._last = b""  # each 2xx wants its ACK from the user, who may hear of another branch
            return
        self.request = ANSWERED
        self.user = NOBODY
        if self.TABLE is not CLIENT_INVITE:
            self._last = b""


class ClientInvite(ClientTransaction):
    TABLE = CLIENT_INVITE
    FIRST = State.CALLING
    __slots__ = ()

    def _next_wait_s(self) -> float:
        return 2 * self._wait_s  # timer A has no upper bound but B

    def _linger_s(self) -> float:
        if self.state is State.ACCEPTED:
            return TIMER_B_S  # timer M, on every transport
        return 0.0 if self.flow.reliable else TIMER_D_S


class ClientOther(ClientTransaction):
    TABLE = CLIENT_OTHER
    FIRST = State.TRYING
    __slots__ = ()

    def _next_wait_s(self) -> float:
        return T2_S if self.state is State.PROCEEDING else min(2 * self._wait_s, T2_S)

    def _linger_s(self) -> float:
        return 0.0 if self.flow.reliable else T4_S  # timer K


class ServerUser(Protocol):
    """Who answers the request."""

    def on_server_timeout(self, transaction: ServerTransaction, now: float) -> None: ...


class ServerTransaction(Transaction):
    __slots__ = ("merged", "request", "user")

    def __init__(self, key: Key, request: Request, flow: Flow, wire: Wire) -> None:
        super().__init__(key, flow, wire)
        self.merged: Key | None = None  # what tells this request that came by two ways (8.2.2.2)
        self.request: Request | None = request  # dropped after the final response: the bytes are enough
        self.user: ServerUser | None = None

    def respond(self, response: Response, now: float) -> None:
        """Send a response of the user's."""
        self.step(class_of(response.status), now, response)

    def _act(self, action: Do, now: float, response: Response | None) -> None:
        if action is Do.SEND and response is not None:
            self._last = response.to_bytes()
            self._wire.transmit(self._last, self.flow)
            if response.status >= 200:
                self.request = None
                if self.TABLE is SERVER_OTHER:
                    self.user = None
        elif action in (Do.TELL_TIMEOUT, Do.TELL_ERROR) and self.user is not None:
            self.user.on_server_timeout(self, now)


class ServerInvite(ServerTransaction):
    TABLE = SERVER_INVITE
    FIRST = State.PROCEEDING
    __slots__ = ()

    def _linger_s(self) -> float:
        if self.state is State.ACCEPTED:
            return TIMER_B_S  # timer L
        return 0.0 if self.flow.reliable else T4_S  # timer I


class ServerOther(ServerTransaction):
    TABLE = SERVER_OTHER
    FIRST = State.TRYING
    __slots__ = ()


def ack_for(request: Request, response: Response) -> Request:
    """Make the ACK to a failure: same branch, the response's To (§17.1.1.3)."""
    headers = {
        "Via": [str(request.via)],
        "From": request.headers["From"],
        "To": response.headers.get("To", request.headers["To"]),
        "Call-ID": request.headers["Call-ID"],
        "CSeq": [f"{request.cseq.number} ACK"],
        "Max-Forwards": ["70"],
    }
    if route := request.headers.get("Route"):
        headers["Route"] = route
    return Request("ACK", request.uri_text, headers)
