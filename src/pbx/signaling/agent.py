"""The user agent: drives the pure stack over transports, and gives every dialog its face."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pbx.errors import ParseError
from pbx.signaling.contract import Destination, Introduction, SignalEvents
from pbx.signaling.limits import Shedder
from pbx.signaling.presentation import UNNAMED
from pbx.signaling.session_signal import TOLD, Retry, SessionSignal, introduction_of
from pbx.signaling.subscriptions import PACKAGES, Subscriptions
from pbx.signaling.trace import Trace
from pbx.sip import outputs as out
from pbx.sip.framing import FramingLost
from pbx.sip.headers import NameAddr
from pbx.sip.invite import ALLOW, Session
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.replaces import Replaces, parse_target_dialog
from pbx.sip.stack import Gate, Ids, Stack
from pbx.sip.transaction import ServerTransaction
from pbx.sip.uri import Uri

log = logging.getLogger(__name__)


GRAIN_S = 0.01  # how late a timer may be


class Transports(Protocol):
    """What the agent needs of the sockets."""

    def send(self, data: bytes, flow: Flow) -> bool: ...
    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None: ...
    def advertised(self, flow: Flow) -> tuple[str, int]: ...
    def wider(self, flow: Flow) -> Flow | None: ...


class UserAgent:
    """One stack on the event loop."""

    def __init__(self, transports: Transports, gate: Gate, ids: Ids, *, user_agent: str = "pbx") -> None:
        self.stack = Stack(gate, transports, ids, user_agent=user_agent)
        self.stack.wider = transports.wider
        self._transports = transports
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._pumping = False
        self._loop = asyncio.get_running_loop()
        self.on_invite: Callable[[SessionSignal, Introduction], SignalEvents] | None = None
        self.on_register: Callable[[Request, ServerTransaction, str], None] | None = None
        self.on_message: Callable[[Request, ServerTransaction, str], None] | None = None
        self.subscriptions: Subscriptions | None = None
        self.shedder: Shedder | None = None
        self.trace: Trace | None = None
        self.tokens: Mapping[str, str] = {}  # user part of our Contacts → the trunk that registered it
        self.active: Counter[str] = Counter()  # calls by party

    # ---- driving ---------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow) -> None:
        """Take a datagram, or a message from a stream."""
        now = self._loop.time()
        if self.shedder is not None and (answer := self.shedder.turn_away(data, flow, now)) is not None:
            if answer:
                self._transports.send(answer, flow)
            return
        if self.trace is not None:
            self.trace.note(data, flow, True)
        try:
            self.stack.receive(data, flow, now)
        except Exception:  # a bug of ours: this message is lost, and nothing else
            log.exception("while reading a message from %s", flow)
        self.pump()

    def broken(self, error: FramingLost, flow: Flow) -> None:
        """Answer the message that a stream broke at; the connection closes behind the answer."""
        self.stack.refuse(error.head, error.status, str(error), flow)
        self.pump()

    def flow_closed(self, flow: Flow) -> None:
        self.stack.flow_failed(flow, self._loop.time())
        self.pump()

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        self.stack.respond(transaction, response, self.now)
        self.pump()

    @property
    def now(self) -> float:
        return self._loop.time()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def pump(self) -> None:
        """Carry out what the stack wants done, and arm the one timer."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while outputs := self.stack.take_outputs():
                for output in outputs:
                    try:
                        self._dispatch(output)
                    except Exception:
                        log.exception("while handling %s", type(output).__name__)
        finally:
            self._pumping = False
        self._arm()

    def _arm(self) -> None:
        deadline = self.stack.deadline
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer_at <= deadline + GRAIN_S:
                return
            self._timer.cancel()
        # Timers that come close together fire together: a wake-up costs more than what most of them do.
        self._timer_at = max(deadline, self._loop.time() + GRAIN_S)
        self._timer = self._loop.call_at(self._timer_at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        try:
            self.stack.handle_timer(max(self._loop.time(), self._timer_at))
        except Exception:  # a bug of ours: the other timers fire all the same
            log.exception("while a timer fired")
        self.pump()

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def _dispatch(self, output: out.Output) -> None:
        if isinstance(output, out.Send):
            data, flow = output
            if self.trace is not None:
                self.trace.note(data, flow, False)
            if not self._transports.send(data, flow):
                self._loop.call_soon(self.flow_closed, flow)
            return
        told = TOLD.get(type(output))
        if told is not None:
            self._tell(output, told)
        elif isinstance(output, out.Invited):
            self._invited(output.session)
        elif isinstance(output, out.RequestReceived):
            self._requested(output)
        elif isinstance(output, out.ResponseReceived):
            if callable(output.token):
                output.token(output.response)
        elif self.subscriptions is not None and isinstance(output, out.SubscriptionRefreshed | out.SubscriptionEnded):
            self.subscriptions.on_output(output)

    def _tell(self, output: Any, told: Callable[[Any, SignalEvents], None]) -> None:
        """Let the room above hear what became of its session."""
        signal = output.session.owner
        if isinstance(signal, SessionSignal) and signal.session is output.session:
            if type(output) is out.Failed and signal.try_again(output):
                return
            if type(output) is out.Answered:
                signal.retry = None  # what it would take to call again
            signal.note_end()
            told(output, signal.events)
            signal.let_go()

    def _invited(self, session: Session) -> None:
        signal = SessionSignal(self, session)
        session.owner = signal
        if self.on_invite is None:
            session.reject(self.now, 503)
            return
        self.active[signal.party] += 1
        signal.events = self.on_invite(signal, introduction_of(session, self.tokens))

    def _requested(self, output: out.RequestReceived) -> None:
        request = output.request
        method = request.method
        if method == "REGISTER" and self.on_register is not None:
            self.on_register(request, output.transaction, output.source)
        elif method == "MESSAGE" and self.on_message is not None:
            self.on_message(request, output.transaction, output.source)
        elif method == "SUBSCRIBE" and self.subscriptions is not None:
            self.subscriptions.handle(request, output.transaction, output.source)
        elif method == "REFER":
            self._referred(output)
        elif method == "OPTIONS":
            response = response_to(request, 200, to_tag=self.stack.ids.tag())
            response.headers["Allow"] = [ALLOW]
            response.headers["Accept"] = ["application/sdp"]
            response.headers["Supported"] = ["replaces, timer, 100rel"]
            response.headers["Allow-Events"] = [", ".join(PACKAGES)]
            self.stack.respond(output.transaction, response, self.now)
        else:
            response = response_to(request, 405, to_tag=self.stack.ids.tag())
            response.headers["Allow"] = [ALLOW]
            self.stack.respond(output.transaction, response, self.now)

    def _referred(self, output: out.RequestReceived) -> None:
        """Take a REFER outside a dialog: one that names a dialog of its sender's (RFC 4538), or none at all."""
        request = output.request
        session: Session | None = None
        try:
            if (text := request.get("Target-Dialog")) is not None:
                named = parse_target_dialog(text)
                session = self.stack.session_of((named.call_id, named.to_tag, named.from_tag))
        except ParseError as error:
            self.stack.respond(output.transaction, response_to(request, error.status), self.now)
            return
        owner = session.owner if session is not None else None
        if not isinstance(owner, SessionSignal) or not _same_party(output.source, owner):
            # Whoever may call may dial: nothing is called on behalf of a stranger to the dialog.
            self.stack.respond(output.transaction, response_to(request, 403), self.now)
            return
        owner.events.on_request(request, output.transaction)

    def signal_of(self, dialog: Replaces) -> SessionSignal | None:
        """Find the dialog that a Replaces names."""
        session = self.stack.session_of((dialog.call_id, dialog.to_tag, dialog.from_tag))
        owner = session.owner if session is not None else None
        return owner if isinstance(owner, SessionSignal) else None

    # ---- calling ---------------------------------------------------------------------------------------------------

    def call(
        self, destination: Destination, caller: NameAddr, sdp: bytes | None, events: SignalEvents
    ) -> SessionSignal:
        """Send an INVITE to a destination; see :class:`pbx.signaling.contract.Signaling`."""
        signal = SessionSignal(self, self.send_invite(destination, destination.flow, destination.uri, caller, sdp))
        signal.events = events
        signal.party = destination.party
        signal.session.owner = signal
        self.active[signal.party] += 1
        signal.retry = Retry(destination, caller, sdp, list(destination.alternatives), destination.redirects)
        signal.hurry()
        self.pump()
        return signal

    def send_invite(
        self,
        destination: Destination,
        flow: Flow,
        uri: Uri,
        caller: NameAddr,
        sdp: bytes | None,
        before: Request | None = None,
    ) -> Session:
        """Send the INVITE over *flow*; *before* came to nothing by another way: the call stays the same (§8.1.3.4)."""
        host, _ = self._transports.advertised(flow)
        introduced = destination.from_ or caller
        if introduced.uri.host == "invalid":  # who calls is known by number alone
            introduced = NameAddr(Uri("sip", introduced.uri.user, host), introduced.name)
        request = Request("INVITE", uri)
        request.headers = {
            "Via": [],
            "Max-Forwards": [str(destination.max_forwards)],
            "From": [str(introduced.with_tag(self.stack.ids.tag()))],
            "To": [f"<{uri.bare()}>"],
            "Call-ID": [self.stack.ids.call_id()],
            "CSeq": [f"{self.stack.ids.integer(1, 9999)} INVITE"],
        }
        if before is not None:
            request.headers["From"] = before.headers["From"]
            request.headers["Call-ID"] = before.headers["Call-ID"]
            request.headers["CSeq"] = [f"{before.cseq.number + 1} INVITE"]
        if destination.routes:
            request.headers["Route"] = list(destination.routes)
        if destination.party.startswith("endpoint/") and introduced.uri.user and introduced is not UNNAMED:
            request.headers["P-Asserted-Identity"] = [str(introduced)]  # RFC 3325: phones of ours trust us
        for name, value in destination.headers:
            request.add(name, value)
        if sdp:
            request.headers["Content-Type"] = ["application/sdp"]
            request.body = sdp
        return self.stack.invite(request, flow, self.now, destination.credentials)

    def local_for(self, destination: Destination) -> tuple[str, str]:
        """Return (local, advertised) address for media towards a destination."""
        return destination.flow.local[0], self._transports.advertised(destination.flow)[0]

    def advertised(self, flow: Flow) -> str:
        return self._transports.advertised(flow)[0]


def _same_party(source: str, signal: SessionSignal) -> bool:
    """Whether the peer of a dialog is who *source* says."""
    session = signal.session
    return source in (session.source, signal.party)
