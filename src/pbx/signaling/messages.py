"""MESSAGE between endpoints (RFC 3428): passed on to every place where the number is registered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pbx.errors import CallFailed
from pbx.signaling.contract import Destination
from pbx.sip.message import Request, Response, response_to
from pbx.sip.stack import Stack
from pbx.sip.transaction import ServerTransaction

KINDS = ("text/plain", "text/html", "message/cpim", "application/im-iscomposing+xml")  # what phones show
MAX_BODY_BYTES = 1300  # §8: what fits a datagram


class Endpoints(Protocol):
    """Where a number is registered now."""

    def endpoint(self, number: str) -> Sequence[Destination]:
        """Return its bindings.

        :raises CallFailed: where there is none.
        """


class Messages:
    """Hand messages over; nothing is kept for who is away."""

    def __init__(self, stack: Stack, endpoints: Endpoints, domain: str, now: Callable[[], float]) -> None:
        self._stack = stack
        self._endpoints = endpoints
        self._domain = domain
        self._now = now

    def handle(self, request: Request, transaction: ServerTransaction, source: str) -> None:
        """Answer with 200 once a phone has it, with what the phones said otherwise."""
        if request.body and request.content_type not in KINDS:
            response = response_to(request, 415)
            response.headers["Accept"] = [", ".join(KINDS)]
            self._stack.respond(transaction, response, self._now())
            return
        room, _, sender = source.partition("/")
        if room != "endpoint":
            self._stack.respond(transaction, response_to(request, 403), self._now())
            return
        if len(request.body) > MAX_BODY_BYTES:
            self._stack.respond(transaction, response_to(request, 513), self._now())
            return
        try:
            destinations = self._endpoints.endpoint(request.uri.user)
        except CallFailed as error:
            self._stack.respond(
                transaction, response_to(request, 404 if error.status < 400 else error.status), self._now()
            )
            return
        relay = _Relay(self, request, transaction, len(destinations))
        for destination in destinations:
            self._send(request, sender, destination, relay)

    def _send(self, request: Request, sender: str, destination: Destination, relay: _Relay) -> None:
        made = Request("MESSAGE", destination.uri, body=request.body)
        made.headers = {
            "Via": [],
            "Max-Forwards": [str(max(0, request.max_forwards - 1))],
            "From": [f"<sip:{sender}@{self._domain}>;tag={self._stack.ids.tag()}"],
            "To": [f"<sip:{request.uri.user}@{self._domain}>"],
            "Call-ID": [self._stack.ids.call_id()],
            "CSeq": ["1 MESSAGE"],
        }
        if destination.routes:
            made.headers["Route"] = list(destination.routes)
        if (kind := request.get("Content-Type")) is not None:
            made.headers["Content-Type"] = [kind]
        self._stack.request(made, destination.flow, self._now(), relay.on_response)

    def answer(self, transaction: ServerTransaction, request: Request, status: int) -> None:
        self._stack.respond(transaction, response_to(request, status), self._now())


class _Relay:
    """Waits for the phones of one message: the first that takes it decides, else the last that refuses."""

    def __init__(self, messages: Messages, request: Request, transaction: ServerTransaction, waiting: int) -> None:
        self._messages = messages
        self._request = request
        self._transaction = transaction
        self._waiting = waiting
        self._done = False

    def on_response(self, response: Response | None) -> None:
        self._waiting -= 1
        status = response.status if response is not None else 408
        if self._done or (status >= 300 and self._waiting):
            return
        self._done = True
        self._messages.answer(self._transaction, self._request, status if status != 401 else 502)
