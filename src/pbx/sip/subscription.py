"""The notifier's side of a subscription (RFC 6665): one dialog, one event package, NOTIFYs until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbx.sip.dialog import Dialog, DialogId, dialog_as_server
from pbx.sip.message import Request, Response, response_to
from pbx.sip.outputs import SubscriptionEnded, SubscriptionRefreshed
from pbx.sip.transaction import ServerTransaction
from pbx.whole import whole

if TYPE_CHECKING:
    from pbx.sip.stack import Stack

MIN_EXPIRES_S = 60
MAX_EXPIRES_S = 3600


def expires_of(request: Request) -> int | None:
    """Return how long the subscriber asks for, the default of the packages we know where it does not say.

    None is too brief (423).
    """
    asked = whole(request.get("Expires"))
    if asked is None:
        return MAX_EXPIRES_S
    if 0 < asked < MIN_EXPIRES_S:
        return None
    return min(asked, MAX_EXPIRES_S)


class Subscription:
    """One subscriber to one resource."""

    __slots__ = ("_expires_at", "_stack", "dialog", "due", "event", "id", "owner", "queued", "resource", "source",
                 "version")  # fmt: skip

    def __init__(self, stack: Stack, request: Request, transaction: ServerTransaction, source: str) -> None:
        self.dialog: Dialog = dialog_as_server(request, transaction.flow, stack.ids.tag())
        self.event, self.id = event_of(request)
        self.resource = request.uri.user
        self.source = source
        self.owner: object = None
        self.version = 0  # of documents that count themselves, such as dialog-info
        self.due: float | None = None
        self.queued: float | None = None
        self._stack = stack
        self._expires_at = 0.0
        stack.add_dialog(self.dialog, self)

    def dialog_for(self, dialog_id: DialogId) -> Dialog | None:
        return self.dialog

    def accept(self, request: Request, transaction: ServerTransaction, expires_s: int, now: float) -> None:
        """Answer a SUBSCRIBE, the first or a refresh, with 200; the caller sends the NOTIFY that must follow."""
        response = response_to(request, 200, to_tag=self.dialog.local.tag)
        response.headers["Contact"] = [self._stack.contact(self.dialog.flow)]
        response.headers["Expires"] = [str(expires_s)]
        self._expires_at = now + expires_s
        self._stack.timers.set(self, self._expires_at)
        transaction.respond(response, now)

    def notify(self, now: float, content_type: str = "", body: bytes = b"", *, ended: str = "") -> None:
        """Send a NOTIFY; *ended* is the reason of the last one (timeout, deactivated, noresource)."""
        request = self.dialog.request("NOTIFY")
        tail = f";id={self.id}" if self.id else ""
        request.headers["Event"] = [self.event + tail]
        left = max(0, round(self._expires_at - now))
        state = f"terminated;reason={ended}" if ended else f"active;expires={left}"
        request.headers["Subscription-State"] = [state]
        request.headers["Contact"] = [self._stack.contact(self.dialog.flow)]
        if content_type:
            request.headers["Content-Type"] = [content_type]
            request.body = body
        if ended:
            self._close()
        self._stack.request(request, self._stack.flow_for(self.dialog), now, None, None, self.dialog)

    def on_request(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Take a refresh, or the end by Expires: 0 (§4.2.1.4)."""
        if request.method != "SUBSCRIBE" or event_of(request) != (self.event, self.id):
            transaction.respond(response_to(request, 481 if request.method == "SUBSCRIBE" else 405), now)
            return
        expires_s = expires_of(request)
        if expires_s is None:
            response = response_to(request, 423)
            response.headers["Min-Expires"] = [str(MIN_EXPIRES_S)]
            transaction.respond(response, now)
            return
        self.dialog.refresh_target(request)
        self.accept(request, transaction, expires_s, now)
        self._stack.emit(SubscriptionRefreshed(self, over=expires_s == 0))

    def on_ack(self, ack: Request, now: float) -> None: ...

    def lost(self, status: int, now: float) -> None:
        """The subscriber is gone: 481 to a NOTIFY, or silence (§4.2.2)."""
        self._close()
        self._stack.emit(SubscriptionEnded(self))

    def fire(self, now: float) -> None:
        """Nobody refreshed it."""
        self._stack.emit(SubscriptionRefreshed(self, over=True))

    def _close(self) -> None:
        self._stack.timers.set(self, None)
        self._stack.remove_dialog(self.dialog)


def event_of(request: Request) -> tuple[str, str]:
    """Return the event package and its id."""
    name, _, params = (request.get("Event") or "").partition(";")
    found = ""
    for part in params.split(";"):
        key, _, value = part.partition("=")
        if key.strip().lower() == "id":
            found = value.strip()
    return name.strip().lower(), found


def bad_event(request: Request, packages: str) -> Response:
    """Refuse a package that we do not know, naming those that we do (§4.1.3)."""
    response = response_to(request, 489)
    response.headers["Allow-Events"] = [packages]
    return response
