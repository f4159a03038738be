"""The user agent: drives the pure stack over transports, and gives every dialog its face."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pbx.errors import LocalProtocolError, ParseError
from pbx.signaling.contract import Destination, Introduction, SignalEvents
from pbx.signaling.limits import Shedder
from pbx.signaling.presentation import UNNAMED, asserted_caller, is_anonymous
from pbx.signaling.subscriptions import PACKAGES, Subscriptions
from pbx.signaling.trace import Trace
from pbx.sip import outputs as out
from pbx.sip.framing import FramingLost
from pbx.sip.headers import NameAddr
from pbx.sip.invite import ALLOW, Phase, Session
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
            self.trace.note(data, flow, received=True)
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
        self.stack.handle_timer(max(self._loop.time(), self._timer_at))
        self.pump()

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def _dispatch(self, output: out.Output) -> None:
        if isinstance(output, out.Send):
            if self.trace is not None:
                self.trace.note(output.data, output.flow, received=False)
            if not self._transports.send(output.data, output.flow):
                self._loop.call_soon(self.flow_closed, output.flow)
        elif isinstance(output, out.Invited):
            self._invited(output.session)
        elif isinstance(output, out.RequestReceived):
            self._requested(output)
        elif isinstance(output, out.ResponseReceived):
            if callable(output.token):
                output.token(output.response)
        elif isinstance(output, out.SubscriptionRefreshed | out.SubscriptionEnded):
            if self.subscriptions is not None:
                self.subscriptions.on_output(output)
        else:
            signal = output.session.owner
            if isinstance(signal, SessionSignal) and signal.session is output.session:
                if isinstance(output, out.Failed) and signal.try_again(output):
                    return
                signal.note_end()
                self._tell(output, signal.events)
                signal.let_go()

    def _tell(self, output: out.Output, events: SignalEvents) -> None:
        match output:
            case out.Progress(_, response):
                events.on_progress(response.status, response.sdp)
            case out.Answered(session, response):
                events.on_answered(response.sdp, is_offer=not session.request.body)
            case out.Failed(_, status, response):
                contacts = response.values("Contact") if response is not None and 300 <= status < 400 else ()
                events.on_failed(status, response.reason if response is not None else "", contacts)
            case out.Cancelled(_, request):
                events.on_ended("peer", 487, request.get("Reason") or "")
            case out.Acked(_, sdp):
                events.on_acked(sdp)
            case out.Reoffer(_, _, sdp):
                events.on_reoffer(sdp)
            case out.ReofferDone(_, status, sdp):
                events.on_reoffer_done(status, sdp)
            case out.InDialog(_, request, transaction):
                events.on_request(request, transaction)
            case out.Ended(_, by, status, request):
                events.on_ended(by, status, (request.get("Reason") or "") if request is not None else "")

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
        signal = SessionSignal(self, self._invite(destination, destination.flow, destination.uri, caller, sdp))
        signal.events = events
        signal.party = destination.party
        signal.session.owner = signal
        self.active[signal.party] += 1
        if destination.party.startswith("trunk/"):
            signal.retry = Retry(destination, caller, sdp, list(destination.alternatives), destination.redirects)
            signal.hurry()
        self.pump()
        return signal

    def _invite(
        self,
        destination: Destination,
        flow: Flow,
        uri: Uri,
        caller: NameAddr,
        sdp: bytes | None,
        before: Request | None = None,
    ) -> Session:
        """Send the INVITE; *before* came to nothing by another way: the call stays the same (§8.1.3.4)."""
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


def _same_party(source: str, signal: SessionSignal) -> bool:
    """Whether the peer of a dialog is who *source* says."""
    session = signal.session
    return source in (session.source, signal.party)


class _Nobody:
    """Events of a dialog that nobody follows any more."""

    def on_progress(self, status: int, sdp: bytes | None) -> None: ...
    def on_answered(self, sdp: bytes | None, *, is_offer: bool) -> None: ...
    def on_failed(self, status: int, reason: str, contacts: Sequence[str]) -> None: ...
    def on_acked(self, sdp: bytes | None) -> None: ...
    def on_reoffer(self, sdp: bytes | None) -> None: ...
    def on_reoffer_done(self, status: int, sdp: bytes | None) -> None: ...
    def on_request(self, request: Request, transaction: ServerTransaction) -> None: ...
    def on_ended(self, by: str, status: int, reason: str) -> None: ...


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
        self.events: SignalEvents = _Nobody()
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
        """Go another way after silence, 408 or 5xx; follow a redirection where that is allowed."""
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
        elif failed.response is None and self._went_by_stream(flow):
            pass  # it broke under a large INVITE: the datagram after all (§18.1.1)
        elif (status == 408 or 500 <= status < 600) and retry.flows:
            flow = retry.flows.pop(0)
            uri = uri if retry.destination.routes else uri.at(flow.remote)
        else:
            return False
        log.info("> %s again after %d (%s)", self.party, status, flow)
        before = self.session.request
        self.session = self._agent._invite(retry.destination, flow, uri, retry.caller, retry.sdp, before)
        self.session.owner = self
        self.hurry()
        return True

    def _went_by_stream(self, flow: Flow) -> bool:
        client = self.session.client
        return client is not None and flow.transport == "udp" and client.flow.transport != "udp"

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
            self.events = _Nobody()

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
