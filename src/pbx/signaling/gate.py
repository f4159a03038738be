"""Who may come in: digest for endpoints, addresses for trunks; nothing is remembered of those who may not."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pbx.config.config import Config
from pbx.signaling.limits import MAX_SOURCES, BackOff
from pbx.signaling.presentation import is_anonymous
from pbx.sip.digest import Credentials, Nonces, Secret, challenges, parse_credentials, verify
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.session import ALLOW
from pbx.sip.stack import Admitted, Ids

log = logging.getLogger("pbx.auth")


@dataclass(frozen=True, slots=True)
class Account:
    """An endpoint that proves itself by digest."""

    number: str
    secret: Secret | None  # None: disabled, or its secret is missing
    algorithms: tuple[str, ...] = ("md5",)


@dataclass(frozen=True, slots=True)
class TrunkMatch:
    """A trunk known by where its requests come from; *port* 0 is any."""

    trunk: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    port: int = 0

    @property
    def closeness(self) -> tuple[int, int]:
        return (self.port != 0, self.network.prefixlen)


def parse_match(trunk: str, text: str) -> TrunkMatch:
    """Read ``address``, ``address:port``, ``network/bits`` or ``[v6]:port``.

    :raises ValueError: for anything else.
    """
    port = 0
    if text.startswith("["):
        host, _, tail = text[1:].partition("]")
        port = int(tail[1:]) if tail.startswith(":") else 0
        text = host
    elif text.count(":") == 1:
        text, _, number = text.partition(":")
        port = int(number)
    return TrunkMatch(trunk, ipaddress.ip_network(text, strict=False), port)


class AccountGate:
    """The stack's gate over the configured accounts and trunks.

    An unknown, a disabled and a mistaken user get the same answer after the same work.
    """

    def __init__(
        self,
        realm: str,
        nonces: Nonces,
        ids: Ids,
        wall: Callable[[], float],
        failed: Callable[[str, str, str], None],
    ) -> None:
        self.realm = realm
        self._nonces = nonces
        self._ids = ids
        self._wall = wall
        self._failed = failed  # (source, account, method)
        self._algorithms: Sequence[str] = ("md5",)
        self._accounts: Mapping[str, Account] = {}
        self._matches: Sequence[TrunkMatch] = ()
        self._tokens: Mapping[str, str] = {}
        self._back_off = BackOff()
        self._trunk_addresses: dict[str, bool] = {}
        self._trunk_remotes: dict[tuple[str, int], str | None] = {}

    def configure(
        self,
        accounts: Mapping[str, Account],
        matches: Sequence[TrunkMatch],
        tokens: Mapping[str, str],
        algorithms: Sequence[str],
    ) -> None:
        """Take new accounts, trunk matches, registration tokens (user part of our Contact → trunk), algorithms."""
        self._algorithms = algorithms
        self._accounts = accounts
        self._matches = sorted(matches, key=lambda m: m.closeness, reverse=True)
        self._tokens = tokens
        self._trunk_addresses.clear()
        self._trunk_remotes.clear()

    def is_trunk_address(self, address: str) -> bool:
        """Whether requests from *address* may be a trunk's."""
        found = self._trunk_addresses.get(address)
        if found is None:
            parsed = ipaddress.ip_address(address)
            found = any(parsed.version == m.network.version and parsed in m.network for m in self._matches)
            if len(self._trunk_addresses) >= MAX_SOURCES:
                self._trunk_addresses.clear()
            self._trunk_addresses[address] = found
        return found

    def judge(self, request: Request, flow: Flow, now: float) -> Admitted | Response | None:
        """Say who sends *request*; see :class:`pbx.sip.stack.Gate`."""
        if request.method == "OPTIONS" and not request.uri.user:
            return self._probed(request)
        account = self._named_account(request)
        if request.method != "REGISTER" and account is None and (trunk := self._trunk_of(request, flow)):
            return Admitted(f"trunk/{trunk}")
        named = (request.to if request.method == "REGISTER" else request.from_).uri.user
        if self._back_off.must_wait(flow.remote[0], named, now):
            return None  # who guesses hears nothing for a while, whether the account exists or not
        given = [c for text in request.headers.get("Authorization", ()) if (c := parse_credentials(text))]
        credentials = next((c for c in given if c.realm == self.realm), None)
        if credentials is None:
            return self._challenge(request, account, stale=False)
        return self._verdict(request, flow, account, credentials, now)

    def _probed(self, request: Request) -> Response:
        """Answer who asks the server itself what it can (§11.2), as far as that does not multiply what they sent."""
        response = response_to(request, 200, to_tag=self._ids.tag())
        bare = dict(response.headers)
        response.headers |= {"Allow": [ALLOW], "Accept": ["application/sdp"], "Supported": ["replaces, timer, 100rel"]}
        if len(response.to_bytes()) > 2 * _size(request):
            response.headers = bare
        return response

    def _named_account(self, request: Request) -> Account | None:
        named = request.to if request.method == "REGISTER" else request.from_
        return self._accounts.get(named.uri.user)

    def _trunk_of(self, request: Request, flow: Flow) -> str | None:
        user = request.uri.user if request.uri.scheme != "tel" else ""
        if trunk := self._tokens.get(user):
            return trunk
        if not self._matches:
            return None
        try:
            return self._trunk_remotes[flow.remote]
        except KeyError:
            if len(self._trunk_remotes) >= MAX_SOURCES:
                self._trunk_remotes.clear()
            found = self._trunk_remotes[flow.remote] = self._trunk_at(*flow.remote)
            return found

    def _trunk_at(self, host: str, port: int) -> str | None:
        address = ipaddress.ip_address(host)
        for match in self._matches:
            if match.port in (0, port) and address.version == match.network.version and address in match.network:
                return match.trunk
        return None

    def _verdict(
        self, request: Request, flow: Flow, account: Account | None, credentials: Credentials, now: float
    ) -> Admitted | Response | None:
        user = credentials.username
        if account is None and request.method != "REGISTER" and is_anonymous(request.from_):
            account = self._accounts.get(user)  # a phone that hides its number proves itself all the same
        secret = account.secret if account is not None and account.number == user else None
        algorithms = account.algorithms if account is not None else self._algorithms
        right = verify(credentials, secret, request.method, algorithms, request.body)
        if not self._nonces.fresh(credentials.nonce, self._wall()):
            return self._challenge(request, account, stale=right)
        if right:
            self._back_off.succeeded(flow.remote[0], user)
            return Admitted(f"endpoint/{user}")
        log.warning("failed login: source=%s account=%r method=%s", flow, user, request.method)
        self._failed(str(flow), user, request.method)
        named = (request.to if request.method == "REGISTER" else request.from_).uri.user
        self._back_off.failed(flow.remote[0], named, now)
        return self._challenge(request, account, stale=False)

    def _challenge(self, request: Request, account: Account | None, *, stale: bool) -> Response | None:
        if request.method in ("ACK", "CANCEL"):
            return None
        response = response_to(request, 401, to_tag=self._ids.tag())
        nonce = self._nonces.make(self._wall())
        algorithms = account.algorithms if account is not None else self._algorithms
        offered = challenges(self.realm, nonce, algorithms, stale=stale)
        response.headers["WWW-Authenticate"] = offered
        limit = 2 * _size(request)  # nobody can use us to multiply what they send to a forged address
        if len(response.to_bytes()) <= limit:
            return response
        response.headers["WWW-Authenticate"] = offered[-1:]
        return response if len(response.to_bytes()) <= limit else None


def _size(request: Request) -> int:
    return request.size or len(request.to_bytes())


def accounts(config: Config, secrets: Mapping[str, str]) -> dict[str, Account]:
    """Return who may register: every endpoint, without a secret where it is disabled or has none."""
    return {
        number: Account(
            number,
            Secret(secrets[number]) if endpoint.enabled and number in secrets else None,
            endpoint.algorithms or config.sip.algorithms,
        )
        for number, endpoint in config.endpoints.items()
    }


def matches(config: Config) -> list[TrunkMatch]:
    """Return by which addresses trunks are known."""
    return [parse_match(name, text) for name, trunk in config.trunks.items() if trunk.enabled for text in trunk.match]
