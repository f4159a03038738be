"""Where an account can be reached: its bindings (RFC 3261 §10.3), as values without I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx.errors import ParseError, RemoteProtocolError
from pbx.sip.headers import NameAddr
from pbx.sip.message import Flow, Request
from pbx.sip.uri import Uri, parse_uri
from pbx.whole import whole

MIN_EXPIRES_S = 60
MAX_EXPIRES_S = 3600
DEFAULT_EXPIRES_S = 300
NAT_EXPIRES_S = 120  # a phone that its NAT gave another port is reached again after its next REGISTER


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of an account; *expires_at* is wall clock, so that it survives a restart."""

    contact: Uri
    flow: Flow
    call_id: str
    cseq: int
    expires_at: float
    user_agent: str = ""
    instance: str = ""  # +sip.instance (RFC 5626)
    reg_id: int = 0
    path: tuple[str, ...] = ()  # RFC 3327
    q: float = 1.0
    registered_at: float = 0.0

    @property
    def key(self) -> str:
        """What a later REGISTER replaces: the instance where there is one, else the contact (RFC 5626 §6)."""
        if self.instance and self.reg_id:
            return f"{self.instance}#{self.reg_id}"
        return str(self.contact)


@dataclass(slots=True)
class Change:
    """What one REGISTER did."""

    bindings: list[Binding]
    added: list[Binding] = field(default_factory=list)
    refreshed: list[Binding] = field(default_factory=list)
    removed: list[tuple[Binding, str]] = field(default_factory=list)  # with the cause
    moved: list[tuple[Flow, Flow]] = field(default_factory=list)  # a phone that is reached another way than before


class Location:
    """The bindings of all accounts."""

    def __init__(self, *, min_s: int = MIN_EXPIRES_S, max_s: int = MAX_EXPIRES_S) -> None:
        self._by_account: dict[str, list[Binding]] = {}
        self.min_s, self.max_s = min_s, max_s

    def bindings(self, account: str, wall_s: float) -> list[Binding]:
        """Return the live bindings, best first (q, then newest)."""
        found = [b for b in self._by_account.get(account, ()) if b.expires_at > wall_s]
        return sorted(found, key=lambda b: (-b.q, -b.registered_at))

    def accounts(self) -> Iterable[str]:
        return self._by_account.keys()

    def restore(self, account: str, binding: Binding) -> None:
        self._by_account.setdefault(account, []).append(binding)

    def register(self, account: str, request: Request, flow: Flow, wall_s: float, max_contacts: int) -> Change:
        """Apply a REGISTER (§10.3 steps 6–8). All of it or nothing.

        :raises RemoteProtocolError: 400 for a bad ``*`` or an old CSeq, 423 for too short an expiry.
        """
        current = [b for b in self._by_account.get(account, ()) if b.expires_at > wall_s]
        change = Change(current)
        if "*" in request.values("Contact"):
            self._remove_all(request, current, change)
        else:
            for contact in request.contacts:
                self._bind(contact, request, flow, wall_s, current, change)
        while len(current) > max_contacts:
            oldest = min(current, key=lambda b: b.registered_at)
            current.remove(oldest)
            change.removed.append((oldest, "replaced"))
        change.bindings = sorted(current, key=lambda b: (-b.q, -b.registered_at))
        self._store(account, current)
        return change

    def expire(self, wall_s: float) -> list[tuple[str, Binding]]:
        """Drop what is over and return it."""
        gone = []
        for account, bindings in list(self._by_account.items()):
            dead = [b for b in bindings if b.expires_at <= wall_s]
            if dead:
                gone += [(account, b) for b in dead]
                self._store(account, [b for b in bindings if b.expires_at > wall_s])
        return gone

    def remove_flow(self, flow: Flow) -> list[tuple[str, Binding]]:
        """Drop every binding that lived on a connection that closed."""
        gone = []
        for account, bindings in list(self._by_account.items()):
            dead = [b for b in bindings if b.flow == flow]
            if dead:
                gone += [(account, b) for b in dead]
                self._store(account, [b for b in bindings if b.flow != flow])
        return gone

    def remove_account(self, account: str) -> list[Binding]:
        return self._by_account.pop(account, [])

    def _store(self, account: str, bindings: list[Binding]) -> None:
        if bindings:
            self._by_account[account] = bindings
        else:
            self._by_account.pop(account, None)

    def _remove_all(self, request: Request, current: list[Binding], change: Change) -> None:
        if (request.get("Expires") or "").strip() != "0" or len(request.values("Contact")) != 1:
            raise RemoteProtocolError("Contact: * goes with Expires: 0 only")
        for binding in list(current):
            self._check_order(binding, request)
            current.remove(binding)
            change.removed.append((binding, "unregistered"))

    def _bind(
        self, contact: NameAddr, request: Request, flow: Flow, wall_s: float, current: list[Binding], change: Change
    ) -> None:
        if contact.uri.scheme not in ("sip", "sips"):
            raise RemoteProtocolError("nobody is called at that kind of address")
        expires_s = self._expiry(contact, request)
        if not flow.reliable and request.via.host != flow.remote[0]:
            expires_s = min(expires_s, NAT_EXPIRES_S)
        made = _binding(contact, request, flow, wall_s, expires_s)
        old = next((b for b in current if b.key == made.key or b.contact == made.contact), None)
        if old is not None:
            self._check_order(old, request)
            current.remove(old)
        if expires_s == 0:
            if old is not None:
                change.removed.append((old, "unregistered"))
            return
        current.append(made)
        if old is not None and old.flow == made.flow:
            change.refreshed.append(made)
            return
        change.added.append(made)
        if old is not None:
            change.moved.append((old.flow, made.flow))

    def _expiry(self, contact: NameAddr, request: Request) -> int:
        text = contact.param("expires")
        if not text:
            text = request.get("Expires")
        asked = whole(text)
        if asked is None:
            return min(DEFAULT_EXPIRES_S, self.max_s)  # 10.3: malformed values mean the default
        if 0 < asked < self.min_s:
            raise RemoteProtocolError("registration too brief", status=423)
        return min(asked, self.max_s)

    @staticmethod
    def _check_order(old: Binding, request: Request) -> None:
        if old.call_id == request.call_id and request.cseq.number <= old.cseq:
            raise RemoteProtocolError("CSeq did not grow", status=500)  # 10.3 step 7


def _binding(contact: NameAddr, request: Request, flow: Flow, wall_s: float, expires_s: int) -> Binding:
    try:
        q = min(1.0, max(0.0, float(contact.param("q") or 1.0)))
    except ValueError:
        q = 1.0
    if not contact.uri.host and contact.uri.scheme != "tel":
        raise ParseError("a Contact without a host")
    return Binding(
        contact=parse_uri(str(contact.uri)),
        flow=_way_to(contact.uri, request, flow),
        call_id=request.call_id,
        cseq=request.cseq.number,
        expires_at=wall_s + expires_s,
        user_agent=(request.get("User-Agent") or "")[:80],
        instance=(contact.param("+sip.instance") or "").strip('"'),
        reg_id=(whole(contact.param("reg-id")) or 0) if "outbound" in request.tokens("Supported") else 0,  # 5626 6
        path=tuple(request.values("Path")),
        q=q,
        registered_at=wall_s,
    )


def _way_to(contact: Uri, request: Request, flow: Flow) -> Flow:
    """Return where a binding's requests go: to the port that its Contact names where no NAT lies between.

    A Via that names the very address and port that the request came from was not translated, so the Contact means what
    it says. Otherwise the way back through the NAT is where the request came from (RFC 3581 §4). Another host's address
    in a Contact is never followed: nobody has us send to a third party.
    """
    via, (host, port) = request.via, flow.remote
    if flow.reliable or (via.host, via.port or 5060) != (host, port) or contact.host != host:
        return flow
    wanted = contact.port or 5060
    return flow if wanted == port or contact.transport != "udp" else flow._replace(remote=(host, wanted))
