"""One trunk as it is now: its state, its proxies, and what its configuration and its peers say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from pbx.config.difference import same
from pbx.config.endpoints import Trunk as TrunkSpec
from pbx.signaling.resolver import Hop
from pbx.sip.digest import realm_of
from pbx.sip.message import Flow, Response
from pbx.sip.uri import Uri, parse_uri
from pbx.whole import whole


class State(Enum):
    DOWN = "down"  # refused, or its secret is missing
    REGISTERING = "registering"
    UP = "up"
    UNREACHABLE = "unreachable"  # no proxy answers
    DISABLED = "disabled"


@dataclass(slots=True)
class Proxy:
    """One of a trunk's proxies, and the addresses that its name leads to."""

    uri: Uri
    hops: list[Hop] = field(default_factory=list)
    answers: bool = True


class Line:
    """One trunk as it is now."""

    def __init__(self, name: str, spec: TrunkSpec, secret: str | None, token: str) -> None:
        self.name = name
        self.spec = spec
        self.secret = secret
        self.token = token  # user part of our Contact: calls that come to it are this trunk's
        self.proxies = [Proxy(parse_uri(text)) for text in spec.proxy]
        self.hop_uri = parse_uri(spec.outbound_proxy) if spec.outbound_proxy else None
        self.state = State.DISABLED if not spec.enabled else State.DOWN
        self.cause = ""
        self.realm = spec.register_.realm if spec.register_ is not None else ""
        self.user = spec.register_.user if spec.register_ is not None else spec.user
        self.current = 0  # the proxy that we register with
        self.failures = 0
        self.cseq = 0
        self.call_id = ""
        self.register_at = 0.0
        self.qualify_at = 0.0
        self.resolve_at = 0.0
        self.busy = False  # a REGISTER is in flight
        self.flow: Flow | None = None  # the one that carries our registration
        self.by_hand = False  # switched off by somebody

    @property
    def needs_secret(self) -> bool:
        return self.spec.register_ is not None or self.spec.secret is not None

    @property
    def credentials(self) -> tuple[str, str, str] | None:
        return (self.realm, self.user, self.secret) if self.secret is not None and self.user else None


WAY_THERE = ("proxy", "outbound_proxy", "register_", "user", "secret", "transport", "verify_tls", "enabled")


def differ(one: TrunkSpec, other: TrunkSpec) -> bool:
    """Tell whether two words for a trunk differ in how it is reached."""
    return any(not same(getattr(one, key), getattr(other, key)) for key in WAY_THERE)


def realm_named(response: Response) -> str:
    for name in ("WWW-Authenticate", "Proxy-Authenticate"):
        for challenge in response.headers.get(name, ()):
            if realm := realm_of(challenge):
                return realm
    return ""


def expires_of(response: Response, line: Line) -> int:
    """How long the registrar keeps our binding: its Contact's word, else Expires, else what we asked."""
    for contact in response.contacts:
        if contact.uri.user == line.token and (found := whole(contact.param("expires"))) is not None:
            return found
    found = whole(response.get("Expires"))
    asked = line.spec.register_.expires_s if line.spec.register_ is not None else 300
    return found if found is not None else asked
