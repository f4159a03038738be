"""SIP and TEL URIs (RFC 3261 §19.1, RFC 3966)."""

from __future__ import annotations

import re
from functools import lru_cache

from pbx.errors import ParseError
from pbx.whole import whole

_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_USER_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+")

_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")

Params = tuple[tuple[str, str | None], ...]


def unescape(text: str) -> str:
    """Undo percent-encoding; the bytes are UTF-8."""
    if "%" not in text:
        return text
    raw = _ESCAPE.sub(lambda m: chr(int(m.group(1), 16)), text)
    try:
        return raw.encode("latin-1").decode()
    except UnicodeError:  # no UTF-8, so Latin-1
        return raw


def escape_user(text: str) -> str:
    """Percent-encode what may not stand in a user part (§25.1)."""
    if _USER_SAFE.issuperset(text):
        return text
    return "".join(
        c if c in _USER_SAFE else "".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogateescape")) for c in text
    )


class Uri:
    """A SIP, SIPS or TEL URI; *host* is lower case, IPv6 without brackets; *params* keep their order.

    A value: nothing is assigned after it is made. It is written out, for a compiled class is made in a tenth of the
    time that a frozen dataclass takes, and each message is read into a dozen of them.
    """

    __slots__ = ("headers", "host", "params", "password", "port", "scheme", "user")

    def __init__(
        self,
        scheme: str,
        user: str,
        host: str,
        port: int | None = None,
        params: Params = (),
        headers: str = "",
        password: str = "",
    ) -> None:
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.params = params
        self.headers = headers
        self.password = password

    def _values(self) -> tuple[object, ...]:
        return (self.scheme, self.user, self.host, self.port, self.params, self.headers, self.password)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Uri) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return f"<Uri {self}>"

    def param(self, name: str) -> str | None:
        """Return the value of a parameter (``""`` for a bare one), or None where it is absent."""
        for key, value in self.params:
            if key == name:
                return value or ""
        return None

    @property
    def transport(self) -> str:
        """The transport asked for: udp, tcp, tls."""
        named = (self.param("transport") or "").lower()
        if self.scheme == "sips":
            return "tls"
        return named or "udp"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, which needs no resolving."""
        return ":" in self.host or self.host.replace(".", "").isdigit()

    @property
    def host_port(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def with_user(self, user: str) -> Uri:
        return Uri(self.scheme, user, self.host, self.port, self.params, self.headers, self.password)

    def at(self, remote: tuple[str, int]) -> Uri:
        """Return it with the address that it is sent to, where it names an address; a name stays."""
        if not self.is_address or (self.host, self.port or 5060) == remote:
            return self
        return Uri(self.scheme, self.user, *remote, self.params, self.headers, self.password)

    def bare(self) -> Uri:
        """Return it without parameters and headers: an address of record (§10.3)."""
        return Uri(self.scheme, self.user, self.host, self.port)

    def __str__(self) -> str:
        if self.scheme == "tel":
            return f"tel:{self.user}{format_params(self.params)}"
        user = escape_user(self.user)
        if self.password:
            user = f"{user}:{self.password}"
        at = "@" if user else ""
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{at}{self.host_port}{format_params(self.params)}{headers}"


def format_params(params: Params) -> str:
    if not params:
        return ""
    return "".join([f";{k}" if v is None else f";{k}={v}" for k, v in params])


@lru_cache(maxsize=4096)
def parse_uri(text: str) -> Uri:
    """Parse a URI.

    :raises ParseError: for what is no SIP, SIPS or TEL URI; other schemes carry status 416 (§8.2.2.1).
    """
    scheme, colon, rest = text.strip().partition(":")
    scheme = scheme.lower()
    if not colon or not rest:
        raise ParseError(f"no URI: {text[:60]!r}")
    if scheme == "tel":
        number, *params = rest.split(";")
        return Uri("tel", number, "", None, _params(params))
    if scheme not in ("sip", "sips"):
        if not _SCHEME.fullmatch(scheme):
            raise ParseError(f"no URI: {text[:60]!r}")
        raise ParseError(f"unsupported URI scheme {scheme[:20]!r}", status=416)
    return _parse_sip(scheme, rest, text)


def _parse_sip(scheme: str, rest: str, text: str) -> Uri:
    userinfo, at, hostpart = rest.rpartition("@")
    if not at:
        hostpart = rest
    elif not userinfo:
        raise ParseError(f"empty user in {text[:60]!r}")
    user, _, password = userinfo.partition(":")
    hostpart, _, headers = hostpart.partition("?")
    hostpart, *params = hostpart.split(";")
    host, port = split_host_port(hostpart.strip())
    if any(c in text for c in " \t\r\n<>"):
        raise ParseError(f"white space or brackets in URI {text[:60]!r}")
    return Uri(scheme, unescape(user), host, port, _params(params), headers, password)


@lru_cache(maxsize=4096)
def split_host_port(text: str) -> tuple[str, int | None]:
    """Split ``host:port``; IPv6 stands in brackets.

    :raises ParseError: for an empty host or a port outside 0–65535.
    """
    match = _HOST.match(text)
    if match is None:
        raise ParseError(f"bad host {text[:60]!r}")
    host, tail = match.group(0).lower(), text[match.end() :].strip()
    if host.startswith("["):
        host = host[1:-1]
    if not tail:
        return host, None
    port = whole(tail[1:]) if tail.startswith(":") else None
    if port is None or port > 65535:
        raise ParseError(f"bad port in {text[:60]!r}")
    return host, port


def _params(parts: list[str]) -> Params:
    found = []
    for part in parts:
        name, equals, value = part.partition("=")
        if name.strip():
            found.append((name.strip().lower(), value.strip() if equals else None))
    return tuple(found)
