"""The stack: bytes in, outputs out (RFC 3261 §16–18 as seen by a user agent).

One call to :meth:`Stack.receive` or :meth:`Stack.handle_timer` may queue outputs; the driver takes them with
:meth:`Stack.take_outputs` and arms one timer at :attr:`Stack.deadline`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pbx.errors import ParseError, PbxError, RemoteProtocolError
from pbx.sip.asker import Asker
from pbx.sip.dialog import Dialog, DialogId
from pbx.sip.digest import answer_challenge, realm_of
from pbx.sip.headers import MAGIC_COOKIE, Via, parse_address
from pbx.sip.ids import Ids
from pbx.sip.invite import ALLOW, Phase, Session
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Invited, Output, RequestReceived, Send
from pbx.sip.parser import PartialMessage, parse_message, validate_request
from pbx.sip.replaces import parse_replaces
from pbx.sip.session_timer import MIN_SE_S, too_brief
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
    State,
    Transaction,
    class_of,
)
from pbx.whole import whole

LARGE_BYTES = 1300  # more may be fragmented, or lost, on a path whose MTU nobody knows (§18.1.1)
UNDERSTOOD = frozenset({"replaces", "timer", "path", "outbound", "norefersub", "100rel"})


@dataclass(frozen=True, slots=True)
class Admitted:
    """The gate knows who sends this."""

    source: str  # endpoint/1001, trunk/carrier


class Gate(Protocol):
    """Decide, before any state is made, whether a request that starts something may come in."""

    def judge(self, request: Request, flow: Flow, now: float) -> Admitted | Response | None:
        """Return who it is, the response to send, or None to say nothing at all."""


class Addresses(Protocol):
    """Which of our addresses a peer should use, and the ways out."""

    def advertised(self, flow: Flow) -> tuple[str, int]: ...
    def flow_to(self, transport: str, remote: tuple[str, int]) -> Flow | None: ...


class DialogUser(Protocol):
    """Who lives in a dialog: a session, a subscription."""

    def dialog_for(self, dialog_id: DialogId) -> Dialog | None: ...
    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None: ...
    def on_ack(self, ack: Request, now: float) -> None: ...
    def lost(self, status: int, now: float) -> None:
        """The peer does not know the dialog any more (481), or does not answer (408)."""


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

    def __init__(
        self, gate: Gate, addresses: Addresses, ids: Ids, *, user_agent: str = "pbx", session_expires_s: int = 1800
    ) -> None:
        self.ids = ids
        self.timers = Timers()
        self.counters = Counters()
        self.user_agent = user_agent
        self.session_expires_s = session_expires_s
        self.wider: Callable[[Flow], Flow | None] = lambda flow: None  # the stream that is open beside a UDP flow
        self._gate = gate
        self._addresses = addresses
        self._outputs: list[Output] = []
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merged: set[Key] = set()  # From tag, Call-ID, CSeq of what has a transaction (8.2.2.2)
        self._dialogs: dict[DialogId, DialogUser] = {}

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

    def refuse(self, head: bytes, status: int, why: str, flow: Flow) -> None:
        """Answer a message that framing could not cut from its stream, as far as its headers allow."""
        self.counters.unparsable += 1
        try:
            message = parse_message(head)
        except PartialMessage as error:
            message = error.partial
        except ParseError:
            return
        if isinstance(message, Request):
            self._answer_broken(message, status, why, flow)

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
        for dialog_id, user in self._dialogs.items():
            dialog = user.dialog_for(dialog_id)
            if dialog is not None and dialog.flow == flow:
                dialog.direct = True  # a connection that is gone: from now on the Contact says where

    def flow_moved(self, before: Flow, after: Flow) -> None:
        """A phone that proved itself is reached another way: its NAT gave it another port, or it connected anew."""
        for dialog_id, user in self._dialogs.items():
            dialog = user.dialog_for(dialog_id)
            if dialog is not None and dialog.flow == before:
                dialog.follow(after)

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def invite(
        self, request: Request, flow: Flow, now: float, credentials: tuple[str, str, str] | None = None
    ) -> Session:
        """Call somebody. *request* needs To, From with tag, Call-ID, CSeq; Via and Contact are added."""
        request.headers.setdefault("Contact", [self.contact(flow)])
        self.offer_extensions(request)
        request.headers.setdefault("Session-Expires", [str(self.session_expires_s)])
        self.stamp(request, flow)
        return Session.calling(self, request, flow, now, credentials)

    def request(
        self,
        request: Request,
        flow: Flow,
        now: float,
        token: object,
        credentials: tuple[str, str, str] | None = None,
        dialog: Dialog | None = None,
    ) -> None:
        """Send a request that is no INVITE; its final answer comes as ResponseReceived with *token*.

        Inside a *dialog*, 481 and 408 end that dialog's usage (§12.2.1.2).
        """
        self.stamp(request, flow)
        self.start_client(request, flow, Asker(self, token, request, credentials, dialog), now)

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
            transaction.user.on_over(transaction)
        elif isinstance(transaction, ServerTransaction):
            self._servers.pop(transaction.key, None)
            if transaction.merged is not None:
                self._merged.discard(transaction.merged)
            if isinstance(transaction.user, Session) and transaction.user.server is transaction:
                transaction.user.slim()

    def repeat(self, data: bytes, flow: Flow) -> None:
        """Send again what was not answered in time."""
        self.counters.retransmitted += 1
        self.transmit(data, flow)

    def start_client(self, request: Request, flow: Flow, user: ClientUser, now: float) -> ClientTransaction:
        flow = self._way_for(request, flow)
        made = ClientInvite if request.method == "INVITE" else ClientOther
        transaction = made(request, flow, self, user)
        self._clients[transaction.key] = transaction
        transaction.start(now)
        return transaction

    def _way_for(self, request: Request, flow: Flow) -> Flow:
        """Return *flow*, or the stream beside it for what is large; Via says which (§18.1.1)."""
        if flow.transport != "udp" or (len(request.body) < 400 and len(request.headers) < 16):
            return flow  # short of the limit for sure: no need to write it out
        if len(request.to_bytes()) > LARGE_BYTES and (stream := self.wider(flow)) is not None:
            flow = stream
        if request.via.transport.lower() != flow.transport:
            self.stamp(request, flow)
        return flow

    def stamp(self, request: Request, flow: Flow) -> None:
        """Put a fresh Via on a request."""
        host, port = self._addresses.advertised(flow)
        via = Via(flow.transport.upper(), host, port, (("branch", self.ids.branch()), ("rport", None)))
        request.headers["Via"] = [str(via)]
        request._via = via
        request.headers.setdefault("User-Agent", [self.user_agent])

    def contact(self, flow: Flow) -> str:
        host, port = self._addresses.advertised(flow)
        shown = f"[{host}]" if ":" in host else host
        transport = "" if flow.transport == "udp" else f";transport={flow.transport}"
        return f"<sip:{shown}:{port}{transport}>"

    def offer_extensions(self, request: Request) -> None:
        """Say what we can do (§20.5, §20.37); 100rel only where our offer is in the request already."""
        request.headers.setdefault("Allow", [ALLOW])
        known = "replaces, timer" if request.method != "INVITE" or not request.body else "replaces, timer, 100rel"
        request.headers.setdefault("Supported", [known])

    def flow_for(self, dialog: Dialog) -> Flow:
        """Where the dialog's next request goes.

        The flow that the peer used stands, unless it is where its Via or Contact says, so behind no NAT, and the next
        hop is an IP address: then that is followed (§12.2.1.1). A phone behind NAT names an address that nobody
        reaches; a name would need resolving, and the proxy that it stands for is the one that we talk to.
        """
        hop = dialog.next_hop
        if not dialog.direct or not hop.is_address:
            return dialog.flow
        transport, remote = hop.transport, (hop.host, hop.port or (5061 if hop.scheme == "sips" else 5060))
        if dialog.flow.remote == remote and dialog.flow.transport == transport:
            return dialog.flow
        if dialog.flow.transport == "udp" == transport:
            return Flow("udp", dialog.flow.local, remote)
        return self._addresses.flow_to(transport, remote) or dialog.flow

    def add_dialog(self, dialog: Dialog, user: DialogUser) -> None:
        self._dialogs[dialog.id] = user

    def remove_dialog(self, dialog: Dialog) -> None:
        self._dialogs.pop(dialog.id, None)

    def session_of(self, dialog_id: DialogId) -> Session | None:
        """Return the INVITE session that owns a dialog (Call-ID, our tag, the peer's tag)."""
        found = self._dialogs.get(dialog_id)
        return found if isinstance(found, Session) else None

    def user_of(self, dialog: Dialog) -> DialogUser | None:
        return self._dialogs.get(dialog.id)

    def send_bye(
        self, dialog: Dialog, now: float, reason: str = "", credentials: tuple[str, str, str] | None = None
    ) -> None:
        bye = dialog.request("BYE")
        if reason:
            bye.headers["Reason"] = [reason]
        self.request(bye, self.flow_for(dialog), now, None, credentials, dialog)

    def anew(self, request: Request, cseq: int = 0) -> Request:
        """Return *request* as a new one: another branch, the next CSeq unless *cseq* says which."""
        again = Request(request.method, request.uri_text, dict(request.headers), request.body)
        again.headers["CSeq"] = [f"{cseq or request.cseq.number + 1} {request.method}"]
        again.headers["Via"] = [str(request.via.with_params(branch=self.ids.branch()))]
        return again

    def authorized(
        self,
        request: Request,
        response: Response,
        credentials: tuple[str, str, str] | None,
        tries: int,
        cseq: int = 0,
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
            again = self.anew(request, cseq)
            again.headers["Proxy-Authorization" if proxy else "Authorization"] = [value]
            return again
        return None

    def return_flow(self, via: Via, flow: Flow) -> Flow:
        """Where a response goes (§18.2.2, RFC 3581)."""
        if flow.reliable:
            return flow
        if whole(via.param("rport")) is not None:
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
            if cseq.method == "INVITE":
                check_answer(response)
        except ParseError:
            self.counters.unparsable += 1
            return
        self._count(response)
        transaction = self._clients.get((via.branch, cseq.method))
        if transaction is None or len(response.values("Via")) != 1:
            self.counters.stray_responses += 1  # 8.1.3.3: not ours, or already over
            return
        transaction.step(class_of(response.status), now, response)

    # ---- requests --------------------------------------------------------------------------------------------------

    def _on_request(self, request: Request, flow: Flow, now: float) -> None:
        self._note_source(request, flow)
        key = server_key(request, flow.transport)
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
        transaction = made(key, request, self.return_flow(request.via, flow), self)
        self._servers[key] = transaction
        return transaction

    def _on_ack(self, ack: Request, key: Key, now: float) -> None:
        transaction = self._servers.get((*key[:-1], "INVITE"))
        if transaction is not None and transaction.state in (State.COMPLETED, State.CONFIRMED):
            transaction.step(On.ACK, now)
            return
        user = self._dialogs.get((ack.call_id, ack.to.tag, ack.from_.tag))
        if user is None:
            self.counters.stray_acks += 1
            return
        user.on_ack(ack, now)

    def _on_cancel(self, cancel: Request, key: Key, flow: Flow, now: float) -> None:
        target = self._servers.get((*key[:-1], "INVITE"))
        if target is None:
            self._send_plain(self._plain(cancel, 481), flow)  # 9.2; a stranger's CANCEL leaves nothing behind
            return
        transaction = self._new_server(cancel, key, flow)
        session = target.user if isinstance(target.user, Session) else None
        tag = session.dialog.local.tag if session is not None and session.dialog is not None else ""
        transaction.respond(response_to(cancel, 200, to_tag=tag), now)  # 9.2: the same tag as the INVITE's responses
        if session is not None and target is session.server:
            session.on_cancel(cancel, now)
        elif session is not None and target is session.pending:
            session.change.refuse(now, 487)

    def _inside_dialog(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        dialog_id = (request.call_id, request.to.tag, request.from_.tag)
        user = self._dialogs.get(dialog_id)
        dialog = user.dialog_for(dialog_id) if user is not None else None
        if user is None or dialog is None:
            self._send_plain(self._plain(request, 481), flow)  # 12.2.2; without state, for anybody may send this
            return
        transaction = self._new_server(request, key, flow)
        try:
            dialog.accept(request)
        except RemoteProtocolError as error:
            transaction.respond(self._plain(request, error.status), now)
            return
        dialog.follow(flow)
        if refusal := self._refused(request):
            transaction.respond(refusal, now)
            return
        if isinstance(user, Session):
            transaction.user = user
        user.on_request(request, transaction, now)

    def _outside_dialog(self, request: Request, key: Key, flow: Flow, now: float) -> None:
        merged = (flow.transport, request.from_.tag, request.call_id, str(request.cseq.number), request.method)
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
        refusal = self._refused(request) or self._too_far(request)
        if refusal is not None:
            transaction.respond(refusal, now)
        elif request.method == "INVITE":
            self._invited(request, transaction, verdict.source, now)
        elif request.method in ("BYE", "UPDATE", "PRACK", "INFO", "NOTIFY"):
            transaction.respond(self._plain(request, 481), now)  # they live inside dialogs only
        else:
            self.emit(RequestReceived(request, transaction, verdict.source))

    def _invited(self, request: Request, transaction: ServerTransaction, source: str, now: float) -> None:
        replaced: Session | None = None
        if (text := request.get("Replaces")) is not None:
            found = self._replaced(text)
            if isinstance(found, int):
                transaction.respond(self._plain(request, found), now)
                return
            replaced = found
        transaction.respond(response_to(request, 100), now)
        session = Session.invited(self, request, transaction, source)
        session.replaces = replaced
        self.emit(Invited(session))

    def _replaced(self, text: str) -> Session | int:
        """Return the session that a Replaces header names, or the status to refuse with (RFC 3891 §3)."""
        try:
            named = parse_replaces(text)
        except ParseError as error:
            return error.status
        session = self.session_of((named.call_id, named.to_tag, named.from_tag))
        if session is None or session.phase is Phase.ENDED:
            return 481
        if named.early_only and session.is_up:
            return 486
        if session.phase is Phase.INVITED:
            return 481  # an early dialog that its own caller opened cannot be taken over
        return session

    def _refused(self, request: Request) -> Response | None:
        """Refuse what we do not understand: extensions (§8.2.2.3), bodies (§8.2.3), intervals (RFC 4028 §8)."""
        unknown = request.tokens("Require") - UNDERSTOOD
        if unknown:
            response = self._plain(request, 420)
            response.headers["Unsupported"] = [", ".join(sorted(unknown))]
            return response
        if request.method not in ("INVITE", "UPDATE"):
            return None
        if too_brief(request):
            response = self._plain(request, 422)
            response.headers["Min-SE"] = [str(MIN_SE_S)]
            return response
        if "Content-Encoding" in request.headers and request.tokens("Content-Encoding") != {"identity"}:
            response = self._plain(request, 415)
            response.headers["Accept-Encoding"] = ["identity"]
            return response
        if request.body and request.sdp is None and not _optional_body(request):
            response = self._plain(request, 415)
            response.headers["Accept"] = ["application/sdp, multipart/mixed"]
            return response
        if "Accept" in request.headers and not _accepts_sdp(request):
            response = self._plain(request, 406)
            response.headers["Warning"] = ['399 pbx "only application/sdp can be answered"']
            return response
        return None

    def _too_far(self, request: Request) -> Response | None:
        if request.max_forwards == 0 and request.method != "REGISTER":
            return self._plain(request, 483)
        return None

    def _plain(self, request: Request, status: int) -> Response:
        return response_to(request, status, to_tag=self.ids.tag())

    def _send_plain(self, response: Response, flow: Flow) -> None:
        """Send a response without a transaction: nothing is remembered."""
        self._count(response)
        self.transmit(response.to_bytes(), self.return_flow(response.via, flow))

    def _count(self, response: Response) -> None:
        self.counters.responses[response.status] = self.counters.responses.get(response.status, 0) + 1

    def _answer_broken(self, request: Request, status: int, why: str, flow: Flow) -> None:
        """Answer what cannot be understood, where it says enough to be answered; never an ACK."""
        if request.method == "ACK" or not request.headers.get("Via"):
            return
        clean = "".join(c for c in why if " " <= c < "\x7f")[:80]
        response = response_to(request, status, f"Bad Request: {clean}" if status == 400 else "")
        try:
            self._note_source(request, flow)
            response.headers["Via"] = request.headers["Via"]
            flow = self.return_flow(response.via, flow)
        except ParseError:
            pass  # the Via itself is broken: back to where it came from
        self._count(response)
        self.transmit(response.to_bytes(), flow)


def check_answer(response: Response) -> None:
    """Read what a dialog will need of an answer to an INVITE; one that cannot be read counts as never received.

    :raises ParseError: for the first that is broken.
    """
    _ = response.to
    for value in response.values("Record-Route"):
        parse_address(value)


def _optional_body(request: Request) -> bool:
    return "handling=optional" in (request.get("Content-Disposition") or "").lower().replace(" ", "")


def _accepts_sdp(request: Request) -> bool:
    kinds = {value.partition(";")[0].strip() for value in request.tokens("Accept")}
    return bool(kinds & {"application/sdp", "application/*", "*/*"})


def server_key(request: Request, transport: str) -> Key:
    """Find a server transaction (§17.2.3); a branch may be reused by the authenticated INVITE, so CSeq counts too."""
    via = request.via
    if via.branch.startswith(MAGIC_COOKIE) and len(via.branch) > len(MAGIC_COOKIE):
        return (transport, via.branch, via.sent_by, str(request.cseq.number), request.method)
    return (  # RFC 2543 peers
        transport,
        request.call_id,
        request.from_.tag,
        via.sent_by + via.branch,
        str(request.cseq.number),
        request.method,
    )


__all__ = ["ALLOW", "Addresses", "Admitted", "Counters", "DialogUser", "Gate", "Ids", "Stack", "server_key"]
