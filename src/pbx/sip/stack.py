"""The stack: bytes in, outputs out (RFC 3261 §16–18 as seen by a user agent).

One call to :meth:`Stack.receive` or :meth:`Stack.handle_timer` may queue outputs; the driver takes them with
:meth:`Stack.take_outputs` and arms one timer at :attr:`Stack.deadline`.
"""

from __future__ import annotations

from collections.abc import Callable

from pbx.errors import ParseError, PbxError, RemoteProtocolError
from pbx.sip.asker import Asker
from pbx.sip.dialog import Dialog, DialogId
from pbx.sip.headers import Via
from pbx.sip.ids import Ids
from pbx.sip.invite import ALLOW, Session, replaced_by
from pbx.sip.machines import On, State, class_of
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.outputs import Invited, Output, RequestReceived, Send
from pbx.sip.parser import PartialMessage, parse_message, validate_answer, validate_request
from pbx.sip.refusal import answer_to_broken, refusal_of, too_far
from pbx.sip.roles import Addresses, Admitted, Counters, DialogUser, Gate, Login
from pbx.sip.timers import Timers
from pbx.sip.transaction import (
    ClientInvite,
    ClientOther,
    ClientTransaction,
    ClientUser,
    Key,
    ServerInvite,
    ServerOther,
    ServerTransaction,
    Transaction,
)
from pbx.sip.ways import contact_at, flow_for, note_source, return_flow, server_key, wide_enough


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
                if not transaction.fall_back(now):
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

    def invite(self, request: Request, flow: Flow, now: float, credentials: Login | None = None) -> Session:
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
        credentials: Login | None = None,
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
        narrow, flow = flow, wide_enough(request, flow, self.wider)
        if request.via.transport.lower() != flow.transport:
            self.stamp(request, flow)  # Via says by which way it went (§18.1.1)
        made = ClientInvite if request.method == "INVITE" else ClientOther
        transaction = made(request, flow, self, user)
        transaction.narrow = narrow if narrow is not flow else None
        self._clients[transaction.key] = transaction
        transaction.start(now)
        return transaction

    def address_anew(self, transaction: ClientTransaction) -> None:
        """Give a request that goes another way the Via of that."""
        self._clients.pop(transaction.key, None)
        self.stamp(transaction.request, transaction.flow)
        key = transaction.key = (transaction.request.via.branch, transaction.request.method)
        self._clients[key] = transaction

    def stamp(self, request: Request, flow: Flow) -> None:
        """Put a fresh Via on a request."""
        host, port = self._addresses.advertised(flow)
        via = Via(flow.transport.upper(), host, port, (("branch", self.ids.branch()), ("rport", None)))
        request.headers["Via"] = [str(via)]
        request._via = via
        request.headers.setdefault("User-Agent", [self.user_agent])

    def contact(self, flow: Flow) -> str:
        return contact_at(*self._addresses.advertised(flow), flow.transport)

    def offer_extensions(self, request: Request) -> None:
        """Say what we can do (§20.5, §20.37); 100rel only where our offer is in the request already."""
        request.headers.setdefault("Allow", [ALLOW])
        known = "replaces, timer" if request.method != "INVITE" or not request.body else "replaces, timer, 100rel"
        request.headers.setdefault("Supported", [known])

    def flow_for(self, dialog: Dialog) -> Flow:
        """Where the dialog's next request goes."""
        return flow_for(dialog, self._addresses)

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

    def send_bye(self, dialog: Dialog, now: float, reason: str = "", credentials: Login | None = None) -> None:
        bye = dialog.request("BYE")
        if reason:
            bye.headers["Reason"] = [reason]
        self.request(bye, self.flow_for(dialog), now, None, credentials, dialog)

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
                validate_answer(response)
        except ParseError:
            self.counters.unparsable += 1
            return
        self.counters.note(response.status)
        transaction = self._clients.get((via.branch, cseq.method))
        if transaction is None or len(response.values("Via")) != 1:
            self.counters.stray_responses += 1  # 8.1.3.3: not ours, or already over
            return
        transaction.step(class_of(response.status), now, response)

    # ---- requests --------------------------------------------------------------------------------------------------

    def _on_request(self, request: Request, flow: Flow, now: float) -> None:
        note_source(request, flow)
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

    def _new_server(self, request: Request, key: Key, flow: Flow) -> ServerTransaction:
        made = ServerInvite if request.method == "INVITE" else ServerOther
        transaction = made(key, request, return_flow(request.via, flow), self)
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
        if refusal := refusal_of(request, self.ids):
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
        refusal = refusal_of(request, self.ids) or (self._plain(request, 483) if too_far(request) else None)
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
            found = replaced_by(text, self.session_of)
            if isinstance(found, int):
                transaction.respond(self._plain(request, found), now)
                return
            replaced = found
        transaction.respond(response_to(request, 100), now)
        session = Session.invited(self, request, transaction, source)
        session.replaces = replaced
        self.emit(Invited(session))

    def _plain(self, request: Request, status: int) -> Response:
        return response_to(request, status, to_tag=self.ids.tag())

    def _send_plain(self, response: Response, flow: Flow) -> None:
        """Send a response without a transaction: nothing is remembered."""
        self.counters.note(response.status)
        self.transmit(response.to_bytes(), return_flow(response.via, flow))

    def _answer_broken(self, request: Request, status: int, why: str, flow: Flow) -> None:
        """Answer what cannot be understood, where it says enough to be answered; never an ACK."""
        if request.method == "ACK" or not request.headers.get("Via"):
            return
        response, flow = answer_to_broken(request, status, why, flow)
        self.counters.note(response.status)
        self.transmit(response.to_bytes(), flow)


__all__ = ["ALLOW", "Addresses", "Admitted", "Counters", "DialogUser", "Gate", "Ids", "Stack", "server_key"]
