"""Lamps: SUBSCRIBE and NOTIFY (RFC 6665) with dialog-info, presence and message-summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

from pbx.sip.message import Request, Response, response_to
from pbx.sip.outputs import SubscriptionEnded, SubscriptionRefreshed
from pbx.sip.stack import Stack
from pbx.sip.subscription import MIN_EXPIRES_S, Subscription, bad_event, event_of, expires_of
from pbx.sip.transaction import ServerTransaction

PACKAGES = {
    "dialog": "application/dialog-info+xml",  # RFC 4235
    "presence": "application/pidf+xml",  # RFC 3856, RFC 3863: softphones' contacts
    "message-summary": "application/simple-message-summary",  # RFC 3842
}
MAX_PER_SOURCE = 500  # lamps of one phone; more is a leak or an attack


@dataclass(frozen=True, slots=True)
class DialogState:
    """One call of a watched number, as its lamp shows it."""

    id: str
    state: str  # trying, early, confirmed
    direction: str  # initiator, recipient
    remote: str = ""  # the other side's number
    call_id: str = ""  # with the tags: what a pickup replaces
    local_tag: str = ""
    remote_tag: str = ""


@dataclass(frozen=True, slots=True)
class MessageCount:
    """A mailbox."""

    new: int = 0
    old: int = 0


class Watched(Protocol):
    """Where the state comes from; *changed* of :class:`Subscriptions` says when to ask again."""

    def dialogs(self, number: str, watcher: str) -> Sequence[DialogState] | None:
        """Return the calls of a number (or of a switch that lamps show); None where it may not be watched."""

    def reachable(self, number: str) -> bool:
        """Say whether a number's phone is there at all."""

    def messages(self, number: str, watcher: str) -> MessageCount | None:
        """Return the counts of a number's mailbox; None where there is none, or the watcher may not know."""


class Subscriptions:
    """Every subscriber there is, found by what it watches."""

    def __init__(self, stack: Stack, watched: Watched, domain: str, now: Callable[[], float]) -> None:
        self._stack = stack
        self._watched = watched
        self._domain = domain
        self._now = now
        self._by_resource: dict[tuple[str, str], list[Subscription]] = {}
        self._by_source: dict[str, int] = {}

    def handle(self, request: Request, transaction: ServerTransaction, source: str) -> None:
        """Answer a SUBSCRIBE that opens a dialog."""
        event, _ = event_of(request)
        refusal = self._refusal(request, event, source)
        if refusal is not None:
            self._stack.respond(transaction, refusal, self._now())
            return
        expires_s = expires_of(request)
        assert expires_s is not None
        made = Subscription(self._stack, request, transaction, source)
        self._by_resource.setdefault((event, made.resource), []).append(made)
        self._by_source[source] = self._by_source.get(source, 0) + 1
        made.accept(request, transaction, expires_s, self._now())
        self._tell(made, over="timeout" if expires_s == 0 else "")

    def _refusal(self, request: Request, event: str, source: str) -> Response | None:
        if event not in PACKAGES:
            return bad_event(request, ", ".join(PACKAGES))
        accepted = {value.partition(";")[0].strip() for value in request.tokens("Accept")}
        if accepted and not accepted & {PACKAGES[event], "*/*", "application/*"}:
            return response_to(request, 406)
        if expires_of(request) is None:
            response = response_to(request, 423)
            response.headers["Min-Expires"] = [str(MIN_EXPIRES_S)]
            return response
        if self._by_source.get(source, 0) >= MAX_PER_SOURCE:
            return response_to(request, 403)
        if self._body(event, request.uri.user, source, 0) is None:
            return response_to(request, 404)
        return None

    def changed(self, event: str, number: str, source: str = "") -> None:
        """Tell everybody who watches *number*, or *source* alone; call it after its state changed."""
        for subscription in list(self._by_resource.get((event, number), ())):
            if not source or subscription.source == source:
                self._tell(subscription)

    def watches(self, event: str, source: str) -> bool:
        """Whether *source* has subscribed to anything of a package."""
        return source in self._by_source and any(
            subscription.source == source
            for (package, _), found in self._by_resource.items()
            if package == event
            for subscription in found
        )

    def on_output(self, output: SubscriptionRefreshed | SubscriptionEnded) -> None:
        """Take what the stack says about a subscription."""
        if isinstance(output, SubscriptionEnded):
            self._drop(output.subscription)
        else:
            self._tell(output.subscription, over="timeout" if output.over else "")

    @property
    def count(self) -> int:
        return sum(len(found) for found in self._by_resource.values())

    def stop(self) -> None:
        """End every subscription, so that phones subscribe again when we are back."""
        for found in list(self._by_resource.values()):
            for subscription in list(found):
                self._tell(subscription, over="deactivated")

    def _tell(self, subscription: Subscription, *, over: str = "") -> None:
        event = subscription.event
        body = self._body(event, subscription.resource, subscription.source, subscription.version)
        if body is None:
            over = over or "noresource"
        subscription.version += 1
        if over:
            self._drop(subscription)
        subscription.notify(self._now(), PACKAGES[event] if body else "", body or b"", ended=over)

    def _drop(self, subscription: Subscription) -> None:
        key = (subscription.event, subscription.resource)
        found = self._by_resource.get(key, [])
        if subscription not in found:
            return
        found.remove(subscription)
        if not found:
            del self._by_resource[key]
        left = self._by_source.get(subscription.source, 1) - 1
        if left:
            self._by_source[subscription.source] = left
        else:
            self._by_source.pop(subscription.source, None)

    def _body(self, event: str, number: str, watcher: str, version: int) -> bytes | None:
        entity = f"sip:{number}@{self._domain}"
        if event in ("dialog", "presence"):
            dialogs = self._watched.dialogs(number, watcher)
            if dialogs is None:
                return None
            if event == "dialog":
                return dialog_info(entity, dialogs, version)
            return presence(entity, busy=bool(dialogs), reachable=self._watched.reachable(number))
        messages = self._watched.messages(number, watcher)
        return None if messages is None else message_summary(entity, messages)


def dialog_info(entity: str, dialogs: Sequence[DialogState], version: int) -> bytes:
    """Write a full dialog-info document (RFC 4235 §4)."""
    lines = [
        '<?xml version="1.0"?>',
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{version}" state="full" '
        f"entity={quoteattr(entity)}>",
    ]
    for one in dialogs:
        named = ""
        if one.call_id:
            named = (
                f" call-id={quoteattr(one.call_id)} local-tag={quoteattr(one.local_tag)} "
                f"remote-tag={quoteattr(one.remote_tag)}"
            )
        lines.append(f"<dialog id={quoteattr(one.id)}{named} direction={quoteattr(one.direction)}>")
        lines.append(f"<state>{escape(one.state)}</state>")
        lines.append(f"<local><identity>{escape(entity)}</identity><target uri={quoteattr(entity)}/></local>")
        if one.remote:
            host = entity.partition("@")[2]
            remote = f"sip:{one.remote}@{host}"
            lines.append(f"<remote><identity>{escape(remote)}</identity><target uri={quoteattr(remote)}/></remote>")
        lines.append("</dialog>")
    lines.append("</dialog-info>")
    return "\r\n".join(lines).encode()


def presence(entity: str, *, busy: bool, reachable: bool) -> bytes:
    """Write whether somebody is there, and on the phone (RFC 3863, RFC 4480)."""
    activity = "<rpid:on-the-phone/>" if busy else ""
    note = "On the phone" if busy else "Available" if reachable else "Offline"
    return "\r\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" '
            f'xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity={quoteattr(entity)}>',
            f'<tuple id="phone"><status><basic>{"open" if reachable else "closed"}</basic></status>'
            f"<contact>{escape(entity)}</contact></tuple>",
            f'<dm:person id="person"><rpid:activities>{activity}</rpid:activities></dm:person>',
            f"<note>{note}</note>",
            "</presence>",
        ]
    ).encode()


def message_summary(entity: str, count: MessageCount) -> bytes:
    """Write a message summary (RFC 3842 §5.2)."""
    waiting = "yes" if count.new else "no"
    return (
        f"Messages-Waiting: {waiting}\r\nMessage-Account: {entity}\r\nVoice-Message: {count.new}/{count.old} (0/0)\r\n"
    ).encode()
