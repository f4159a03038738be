"""The stack: bytes in, outputs out (RFC 3261 §16–18 as seen by a user agent).

One call to :meth:`Stack.receive` or :meth:`Stack.handle_timer` may queue outputs; the driver takes them with
:meth:`Stack.take_outputs` and arms one timer at :attr:`Stack.deadline`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Protocol

from pbx.errors import ParseError, PbxError, RemoteProtocolError
from pbx.sip.dialog import Dialog, DialogId
from pbx.sip.digest import answer_challenge, realm_of
from pbx.sip.headers import MAGIC_COOKIE, Via
from pbx.sip.invite import ALLOW, Session
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Invited, Output, RequestReceived, ResponseReceived, Send
from pbx.sip.parser import PartialMessage, parse_message, validate_request
from pbx.sip.timers import Timers
from pbx.sip.transaction import (
    ClientInvite,
    ClientOther,
    ClientTransaction,
    ClientUser,
    Key,
    On,
    ServerInvite,
    ServerOther,
    ServerTransaction,
    Transaction,
    class_of,
)

UNDERSTOOD = frozenset({"replaces", "timer", "path", "outbound", "norefersub", "100rel"})


class Ids:
    """Everything random that the stack says, from one source that tests may seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed) if seed is not None else random.SystemRandom()

    def token(self, bits: int = 64) -> str:
        return f"{self._random.getrandbits(bits):0{bits // 4}x}"

    def tag(self) -> str:
        return self.token(64)

    def branch(self) -> str:
        return MAGIC_COOKIE + self.token(64)

    def call_id(self) -> str:
        return self.token(128)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


@dataclass(frozen=True, slots=True)
class Admitted:
    """The gate knows who sends this."""

    source: str  # endpoint/1001, trunk/carrier


class Gate(Protocol):
    """Decide, before any state is made, whether a request that starts something may come in."""

    def judge(self, request: Request, flow: Flow, now: float) -> Admitted | Response | None:
        """Return who it is, the response to send, or None to say nothing at all."""


class Addresses(Protocol):
    """Which of our addresses a peer should use."""

    def advertised(self, flow: Flow) -> tuple[str, int]: ...


@dataclass(slots=True)
class Counters:
    """What happened to messages that went nowhere else."""

    received: int = 0
    sent: int = 0
    unparsable: int = 0
    stray_responses: int = 0
    stray_acks: int = 0
    retransmitted: int = 0  # by us
    absorbed: int = 0  # the peer's retransmissions
    responses: dict[int, int] = field(default_factory=dict)  # by status, sent or received


class Stack:
    """One user agent's core."""

    def __init__(self, gate: Gate, addresses: Addresses, ids: Ids, *, user_agent: str = "pbx") -> None:
        self.ids = ids
        self.timers = Timers()
        self.counters = Counters()
        self.user_agent = user_agent
        self._gate = gate
        self._addresses = addresses
        self._outputs: list[Output] = []
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merged: set[Key] = set()  # From tag, Call-ID, CSeq of what has a transaction (8.2.2.2)
        self._dialogs: dict[DialogId, Session] = {}

    # ---- driver ----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one message from the wire. Never raises for what a peer sent."""
        self.counters.received += 1
        try:
            message = parse_message(data)
            if isinstance(message, Response):
                self._on_response(message, flow, now)
                return
            validate_request(message)
        except PartialMessage as error:
            self.counters.unparsable += 1
            if isinstance(error.partial, Request):
                self._answer_broken(error.partial, error.status, str(error), flow)
            return
        except ParseError as error:
            self.counters.unparsable += 1
            try:
                if isinstance(message := parse_message(data), Request):
                    self._answer_broken(message, error.status, str(error), flow)
            except ParseError:
                pass
            return
        try:
            self._on_request(message, flow, now)
        except PbxError as error:
            self._answer_broken(message, error.status, str(error), flow)

    def handle_timer(self, now: float) -> None:
        """Fire what is due at *now* (monotonic seconds)."""
        self.timers.fire(now)

    @property
    def deadline(self) -> float | None:
        return self.timers.deadline

    def take_outputs(self) -> list[Output]:
        """Return what is to be done, in order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def flow_failed(self, flow: Flow, now: float) -> None:
        """A connection broke or a packet could not be sent: end what waited on it (§17.1.4, §18.4)."""
        for table in (self._clients, self._servers):
            for transaction in [t for t in table.values() if t.flow == flow]:
                transaction.step(On.ERROR, now)

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def invite(
        self, request: Request, flow: Flow, now: float, credentials: tuple[str, str, str] | None = None
    ) -> Session:
        """Call somebody. *request* needs To, From with tag, Call-ID, CSeq; Via and Contact are added."""
        request.headers.setdefault("Contact", [self.contact(flow)])
        request.headers.setdefault("Allow", [ALLOW])
        self.stamp(request, flow)
        return Session.calling(self, request, flow, now, credentials)

    def request(
        self,
        request: Request,
        flow: Flow,
        now: float,
        token: object,
        credentials: tuple[str, str, str] | None = None,
    ) -> None:
        """Send a request that is no INVITE; its final answer comes as ResponseReceived with *token*."""
        self.stamp(request, flow)
        self.start_client(request, flow, _Asker(self, token, request, credentials), now)

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Answer a request that came as RequestReceived or InDialog."""
        transaction.respond(response, now)

    # ---- used by sessions and transactions -------------------------------------------------------------------------

    def emit(self, output: Output) -> None:
        self._outputs.append(output)

    def transmit(self, data: bytes, flow: Flow) -> None:
        self.counters.sent += 1
        self._outputs.append(Send(data, flow))

    def forget(self, transaction: Transaction) -> None:
        if isinstance(transaction, ClientTransaction):
            self._clients.pop(transaction.key, None)
        elif isinstance(transaction, ServerTransaction):
            self._servers.pop(transaction.key, None)
            if transaction.merged is not None:
                self._merged.discard(transaction.merged)

    def repeat(self, data: bytes, flow: Flow) -> None:
        """Send again what was not answered in time."""
        self.counters.retransmitted += 1
        self.transmit(data, flow)

    def start_client(self, request: Request, flow: Flow, user: ClientUser, now: float) -> ClientTransaction:
        made = ClientInvite if request.method == "INVITE" else ClientOther
        transaction = made(request, flow, self, user)
        self._clients[transaction.key] = transaction
        transaction.start(now)
        return transaction

    def stamp(self, request: Request, flow: Flow) -> None:
        """Put a fresh Via on a request."""
        host, port = self._addresses.advertised(flow)
        via = Via(flow.transport.upper(), host, port, (("branch", self.ids.branch()), ("rport", None)))
        request.headers["Via"] = [str(via)]
        request._parsed["via"] = via
        request.headers.setdefault("User-Agent", [self.user_agent])

    def contact(self, flow: Flow) -> str:
        host, port = self._addresses.advertised(flow)
        shown = f"[{host}]" if ":" in host else host
        transport = "" if flow.transport == "udp" else f";transport={flow.transport}"
        return f"<sip:{shown}:{port}{transport}>"

    def flow_for(self, dialog: Dialog) -> Flow:
        """Where the dialog's next request goes.

        The flow that the peer used stands, unless route or target name another address that is one (no name) and the
        peer is not behind NAT; a phone behind NAT names a private address that is not its source.
        """
        return dialog.flow

    def add_dialog(self, dialog: Dialog, session: Session) -> None:
        self._dialogs[dialog.id] = session

    def remove_dialog(self, dialog: Dialog) -> None:
        self._dialogs.pop(dialog.id, None)

    def session_of(self, dialog_id: DialogId) -> Session | None:
        return self._dialogs.get(dialog_id)

    def send_bye(
        self, dialog: Dialog, now: float, reason: str = "", credentials: tuple[str, str, str] | None = None
    ) -> None:
        bye = dialog.request("BYE")
        if reason:
            bye.headers["Reason"] = [reason]
        self.request(bye, self.flow_for(dialog), now, None, credentials)

    def authorized(
        self, request: Request, response: Response, credentials: tuple[str, str, str] | None, tries: int
    ) -> Request | None:
        """Return *request* again with an answer to the challenge, None where we have or want none."""
        if credentials is None or tries >= 2:
            return None
        realm, user, password = credentials
        proxy = response.status == 407
        for challenge in response.headers.get("Proxy-Authenticate" if proxy else "WWW-Authenticate", []):
            if realm and realm_of(challenge) != realm:
                continue  # never prove our secret to a foreign realm
            if tries and "stale=true" not in challenge.lower().replace(" ", ""):
                continue
            value = answer_challenge(
                challenge,
                username=user,
                password=password,
                method=request.method,
                uri=request.uri_text,
                cnonce=self.ids.token(64),
            )
            if value is None:
                continue
            again = Request(request.method, request.uri_text, dict(request.headers), request.body)
            again.headers["CSeq"] = [f"{request.cseq.number + 1} {request.method}"]
            again.headers["Proxy-Authorization" if proxy else "Authorization"] = [value]
            via = request.via.with_params(branch=self.ids.branch())
            again.headers["Via"] = [str(via)]
            return again
        return None

    def return_flow(self, response: Response, flow: Flow) -> Flow:
        """Where a response goes (§18.2.2, RFC 3581)."""
        if flow.reliable:
            return flow
        via = response.via
        if (rport := via.param("rport")) is not None and rport.isdigit():
            return flow
        return Flow(flow.transport, flow.local, (flow.remote[0], via.port or 5060))

    @property
    def sizes(self) -> dict[str, int]:
        """How much is held: for leak tests and ``pbx show limits``."""
        return {
            "clients": len(self._clients),
            "servers": len(self._servers),
            "dialogs": len(self._dialogs),
            "timers": len(self.timers),
            "merged": len(self._merged),
        }

    # ---- responses -------------------------------------------------------------------------------------------------

    def _on_response(self, response: Response, flow: Flow, now: float) -> None:
        try:
            via, cseq = response.via, response.cseq
        except ParseError:
            self.counters.unparsable += 1
            return
        self.counters.responses[response.status] = self.counters.responses.get(response.status, 0) + 1
        transaction = self._clients.get((via.branch, cseq.method))
        if transaction is None or len(response.values("Via")) != 1:
            self.counters.stray_responses += 1  # 8.1.3.3: not ours, or already over
            return
        transaction.step(class_of(response.status), now, response)

    # ---- requests --------------------------------------------------------------------------------------------------

    def _on_request(self, request: Request, flow: Flow, now: float) -> None:
        self._note_source(request, flow)
        key = server_key(request)
        if request.method == "ACK":
            self._on_ack(request, key, now)
            return
        transaction = self._servers.get(key)
        if transaction is not None:
            self.counters.absorbed += 1
            transaction.step(On.REQUEST, now)
            return
        if request.method == "CANCEL":
            self._on_cancel(request, key, flow, now)
        elif request.to.tag:
            self._inside_dialog(request, key, flow, now)
        else:
            self._outside_dialog(request, key, flow, now)

    @staticmethod
    def _note_source(request: Request, flow: Flow) -> None:
        """Fill received and rport (§18.2.1, RFC 3581 §4)."""
        via = request.via
        values = {}
        if via.param("rport") is not None:
            values = {"received": flow.remote[0], "rport": str(flow.remote[1])}
        elif via.host != flow.remote[0]:
            values = {"received": flow.remote[0]}
        if values:
            request.set_top_via(via.with_params(**values))

    def _new_server(self, request: Request, key: Key, flow: Flow) -> ServerTransaction:
        made = ServerInvite if request.method == "INVITE" else ServerOther
        probe = response_to(request, 100)
        transaction = made(key, request, self.return_flow(probe, flow), self)
        self._servers[key] = transaction
        return transaction

    def _on_ack(self, ack: Request, key: Key, now: float) -> None:
        transaction = self._servers.get((*key[:-1], "INVITE"))
        if transaction is not None and transaction.request is None:
            transaction.step(On.ACK, now)
            return
        session = self._dialogs.get((ack.call_id, ack.to.tag, ack.from_.tag))
        if session is None:
            self.counters.stray_acks += 1
            return
        session.on_ack(ack, now)

    def _on_cancel(self, cancel: Request, key: Key, flow: Flow, now: float) -> None:
        target = self._servers.get((*key[:-1], "INVITE"))
        transaction = self._new_server(cancel, key, flow)
        if target is None:
            transaction.respond(self._plain(cancel, 481), now)
            return
        session = target.user if isinstance(target.user, Session) else None
        tag = session.dialog.local.tag if session is not None and session.dialog is not None else ""
        transaction.respond(response_to(cancel, 200, to_tag=tag), now)  # 9.2: the same tag as the INVITE's responses
        if session is not None and target is session.server:
            session.on_cancel(cancel, now)
        elif session is not None and target is session.pending:
            session.refuse_reoffer(now, 487)

    def _inside_dialog(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        session = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        transaction = self._new_server(request, key, flow)
        if session is None or session.dialog is None:
            transaction.respond(self._plain(request, 481), now)  # 12.2.2
            return
        try:
            session.dialog.accept(request)
        except RemoteProtocolError as error:
            transaction.respond(self._plain(request, error.status), now)
            return
        if refusal := self._required(request):
            transaction.respond(refusal, now)
            return
        transaction.user = session
        session.on_request(request, transaction, now)

    def _outside_dialog(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        merged = (request.from_.tag, request.call_id, str(request.cseq.number), request.method)
        if merged in self._merged:
            self._send_plain(self._plain(request, 482), flow)  # 8.2.2.2: it reached us twice, by two ways
            return
        verdict = self._gate.judge(request, flow, now)
        if verdict is None:
            return
        if isinstance(verdict, Response):
            self._send_plain(verdict, flow)
            return
        transaction = self._new_server(request, key, flow)
        transaction.merged = merged
        self._merged.add(merged)
        refusal = self._required(request) or self._too_far(request)
        if refusal is not None:
            transaction.respond(refusal, now)
        elif request.method == "INVITE":
            transaction.respond(response_to(request, 100), now)
            try:
                session = Session.invited(self, request, transaction, verdict.source)
            except RemoteProtocolError as error:
                transaction.respond(self._plain(request, error.status), now)
                return
            self.emit(Invited(session))
        elif request.method in ("BYE", "UPDATE", "PRACK", "INFO", "NOTIFY"):
            transaction.respond(self._plain(request, 481), now)  # they live inside dialogs only
        else:
            self.emit(RequestReceived(request, transaction, verdict.source))

    def _required(self, request: Request) -> Response | None:
        unknown = request.tokens("Require") - UNDERSTOOD
        if not unknown:
            return None
        response = self._plain(request, 420)
        response.headers["Unsupported"] = [", ".join(sorted(unknown))]
        return response

    def _too_far(self, request: Request) -> Response | None:
        if request.max_forwards == 0 and request.method != "REGISTER":
            return self._plain(request, 483)
        return None

    def _plain(self, request: Request, status: int) -> Response:
        return response_to(request, status, to_tag=self.ids.tag())

    def _send_plain(self, response: Response, flow: Flow) -> None:
        """Send a response without a transaction: nothing is remembered."""
        self.counters.responses[response.status] = self.counters.responses.get(response.status, 0) + 1
        self.transmit(response.to_bytes(), self.return_flow(response, flow))

    def _answer_broken(self, request: Request, status: int, why: str, flow: Flow) -> None:
        """Answer what cannot be understood, where it says enough to be answered; never an ACK."""
        if request.method == "ACK" or not all(request.headers.get(n) for n in ("Via", "From", "To", "Call-ID", "CSeq")):
            return
        try:
            self._note_source(request, flow)
            clean = "".join(c for c in why if " " <= c < "\x7f")[:80]
            self._send_plain(response_to(request, status, f"Bad Request: {clean}" if status == 400 else ""), flow)
        except ParseError:
            return


class _Asker:
    """The user of a lone request: follows challenges, reports the end once."""

    def __init__(self, stack: Stack, token: object, request: Request, credentials: tuple[str, str, str] | None) -> None:
        self._stack = stack
        self._token = token
        self._request = request
        self._credentials = credentials
        self._tries = 0

    def on_response(self, response: Response, transaction: ClientTransaction, now: float) -> None:
        if response.status < 200:
            return
        if response.status in (401, 407):
            again = self._stack.authorized(self._request, response, self._credentials, self._tries)
            if again is not None:
                self._tries += 1
                self._request = again
                self._stack.start_client(again, transaction.flow, self, now)
                return
        self._done(response)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self._done(None)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self._done(None)

    def _done(self, response: Response | None) -> None:
        if self._token is not None:
            self._stack.emit(ResponseReceived(self._token, response))


def server_key(request: Request) -> Key:
    """Find a server transaction (§17.2.3); a branch may be reused by the authenticated INVITE, so CSeq counts too."""
    via = request.via
    if via.branch.startswith(MAGIC_COOKIE) and len(via.branch) > len(MAGIC_COOKIE):
        return (via.branch, via.sent_by, str(request.cseq.number), request.method)
    return (  # RFC 2543 peers
        request.call_id,
        request.from_.tag,
        via.sent_by + via.branch,
        str(request.cseq.number),
        request.method,
    )
