"""NOTIFY outside a subscription: the message lamp of phones that do not ask, and "fetch your settings again"."""

from __future__ import annotations

from collections.abc import Callable

from pbx.errors import CallFailed
from pbx.signaling.messages import Endpoints
from pbx.signaling.subscriptions import PACKAGES, MessageCount, message_summary
from pbx.sip.message import Request
from pbx.sip.stack import Stack


class Notices:
    """Send a NOTIFY to every place where a number is registered; what the phone thinks of it is not waited for."""

    def __init__(self, stack: Stack, endpoints: Endpoints, domain: str, now: Callable[[], float]) -> None:
        self._stack = stack
        self._endpoints = endpoints
        self._domain = domain
        self._now = now

    def messages_waiting(self, number: str, count: MessageCount) -> int:
        """Light a phone's message lamp (RFC 3842), or put it out; return to how many places it went."""
        body = message_summary(f"sip:{number}@{self._domain}", count)
        return self._send(number, "message-summary", PACKAGES["message-summary"], body)

    def check_sync(self, number: str, *, reboot: bool = False) -> int:
        """Ask a phone to fetch its settings; return to how many places it went."""
        return self._send(number, f"check-sync;reboot={'true' if reboot else 'false'}")

    def _send(self, number: str, event: str, content_type: str = "", body: bytes = b"") -> int:
        try:
            destinations = self._endpoints.endpoint(number)
        except CallFailed:
            return 0
        for destination in destinations:
            made = Request("NOTIFY", destination.uri, body=body)
            made.headers = {
                "Via": [],
                "Max-Forwards": ["70"],
                "From": [f"<sip:{number}@{self._domain}>;tag={self._stack.ids.tag()}"],
                "To": [f"<sip:{number}@{self._domain}>"],
                "Call-ID": [self._stack.ids.call_id()],
                "CSeq": ["1 NOTIFY"],
                "Contact": [self._stack.contact(destination.flow)],
                "Event": [event],
                "Subscription-State": ["terminated;reason=noresource"],
            }
            if destination.routes:
                made.headers["Route"] = list(destination.routes)
            if content_type:
                made.headers["Content-Type"] = [content_type]
            self._stack.request(made, destination.flow, self._now(), None)
        return len(destinations)
