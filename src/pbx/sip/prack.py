"""Reliable provisional responses (RFC 3262), as server and as client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbx.errors import ParseError
from pbx.sip.message import Message, Request, Response, response_to
from pbx.sip.repeat import Repeater
from pbx.sip.transaction import ServerTransaction
from pbx.whole import whole

if TYPE_CHECKING:
    from pbx.sip.invite import Session
    from pbx.sip.stack import Stack


@dataclass(frozen=True, slots=True)
class RAck:
    """Which response a PRACK acknowledges."""

    rseq: int
    cseq: int
    method: str


def parse_rack(text: str) -> RAck:
    """Parse a RAck (§7.2).

    :raises ParseError: where it is none.
    """
    parts = text.split()
    rseq, cseq = (whole(parts[0]), whole(parts[1])) if len(parts) == 3 else (None, None)
    if rseq is None or cseq is None:
        raise ParseError(f"bad RAck {text[:40]!r}")
    return RAck(rseq, cseq, parts[2])


def rseq_of(message: Message) -> int | None:
    """Return the RSeq of a response that wants a PRACK, None where it wants none."""
    if message.headers.get("RSeq") is None or "100rel" not in message.tokens("Require"):
        return None
    return whole(message.get("RSeq"))


class ReliableServer:
    """Our provisional responses that wait for their PRACK, one at a time (§3)."""

    __slots__ = ("_repeater", "_rseq", "_session", "_stack", "_waiting", "final")

    def __init__(self, stack: Stack, session: Session) -> None:
        self._stack = stack
        self._session = session
        self._rseq = stack.ids.integer(1, 2**31 - 1)
        self._repeater: Repeater | None = None
        self._waiting: list[Response] = []
        self.final: tuple[bytes, tuple[tuple[str, str], ...]] | None = None  # a 2xx that must wait

    @property
    def waits_with_sdp(self) -> bool:
        """§3: no 2xx while a response with a session description is unacknowledged."""
        return self._repeater is not None and bool(self._repeater.response.body)

    def send(self, response: Response, now: float) -> None:
        """Send *response* now, or once the one before it is acknowledged."""
        if self._repeater is not None:
            self._waiting.append(response)
            return
        self._rseq += 1
        response.headers["Require"] = ["100rel"]
        response.headers["RSeq"] = [str(self._rseq)]
        server = self._session.server
        assert server is not None
        self._repeater = Repeater(self._stack, response, server.flow, now, 64.0, self._given_up)
        server.respond(response, now)

    def stop(self) -> None:
        if self._repeater is not None:
            self._repeater.stop()
            self._repeater = None
        self._waiting.clear()

    def on_prack(self, prack: Request, now: float) -> Response | None:
        """Return the response that is acknowledged, None where the PRACK fits nothing (answer 481)."""
        try:
            rack = parse_rack(prack.get("RAck") or "")
        except ParseError:
            return None
        repeater = self._repeater
        if repeater is None or rack.rseq != self._rseq or rack.method != "INVITE":
            return None
        if rack.cseq != repeater.response.cseq.number:
            return None
        repeater.stop()
        self._repeater = None
        if self._waiting:
            self.send(self._waiting.pop(0), now)
        return repeater.response

    def _given_up(self, now: float) -> None:
        """§3: without a PRACK the call cannot go on."""
        self._session.abandon(now, 504)


@dataclass(slots=True)
class ReliableClient:
    """What reliable responses came, by fork: the next must carry the RSeq that follows (§4)."""

    last: dict[str, int] = field(default_factory=dict)  # remote tag → RSeq

    def is_next(self, tag: str, rseq: int) -> bool:
        known = self.last.get(tag)
        if known is not None and rseq != known + 1:
            return False  # a repetition, or one out of order: it comes again
        self.last[tag] = rseq
        return True


def answer_prack(session: Session, prack: Request, transaction: ServerTransaction, now: float) -> Response | None:
    """Answer a PRACK and return the response that it acknowledged.

    A PRACK with an offer is answered by whoever answers the offer.
    """
    acknowledged = session.reliable.on_prack(prack, now) if session.reliable is not None else None
    if acknowledged is None:
        transaction.respond(response_to(prack, 481), now)
        return None
    if prack.sdp is None or session.request.body == b"":
        transaction.respond(response_to(prack, 200), now)
    return acknowledged
