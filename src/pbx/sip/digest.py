"""Digest authentication without server state (RFC 7616, RFC 8760).

A nonce is a time stamp sealed with a key, so a challenge costs nothing to remember, survives a restart where the key
does, and cannot be forged. Reuse of a nonce within its life is allowed: phones re-register with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pbx.errors import ParseError
from pbx.sip.headers import param_of, split_params, unquote

NONCE_LIFE_S = 300.0
ALGORITHMS: dict[str, Callable[[bytes], str]] = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an Authorization header says; names in lower case, quotes undone."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "md5"
    qop: str = ""
    cnonce: str = ""
    nc: str = ""
    opaque: str = ""


def parse_credentials(text: str) -> Credentials | None:
    """Read an Authorization value; None where it is no Digest or lacks what a Digest needs."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    values = _values(rest)
    if not all(values.get(name) for name in ("username", "realm", "nonce", "uri", "response")):
        return None
    return Credentials(
        username=values["username"],
        realm=values["realm"],
        nonce=values["nonce"],
        uri=values["uri"],
        response=values["response"].lower(),
        algorithm=values.get("algorithm", "md5").lower(),
        qop=values.get("qop", "").lower(),
        cnonce=values.get("cnonce", ""),
        nc=values.get("nc", ""),
        opaque=values.get("opaque", ""),
    )


_VALUE = re.compile(r'[ \t]*([A-Za-z0-9\-]+)=(?:"([^"\\]*)"|([^",;\s\\]*))[ \t]*(?:,|$)')


def _values(text: str) -> dict[str, str]:
    """Read ``a="b", c=d`` with quotes undone; empty for what cannot be read."""
    values: dict[str, str] = {}
    at, end = 0, len(text)
    while at < end and (match := _VALUE.match(text, at)) is not None:
        name, quoted, plain = match.groups()
        values[name.lower()] = plain if quoted is None else quoted
        at = match.end()
    if at >= end:
        return values
    try:  # escapes, semicolons, spaces in odd places
        return {name: unquote(value or "") for name, value in split_params(_commas(text))}
    except ParseError:
        return {}


def _commas(text: str) -> str:
    """Turn the commas outside quotes into semicolons."""
    out, quoted, escaped = [], False, False
    for c in text:
        if escaped:
            escaped = False
        elif quoted:
            escaped = c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c == ",":
            c = ";"
        out.append(c)
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Secret:
    """A password, or the HA1 hashes of it by algorithm, so that none need be kept in clear."""

    password: str = ""
    ha1: tuple[tuple[str, str], ...] = ()

    def hash_for(self, username: str, realm: str, algorithm: str) -> str | None:
        if found := param_of(self.ha1, algorithm):
            return found
        if not self.password:
            return None
        digest = ALGORITHMS[algorithm]
        return digest(f"{username}:{realm}:{self.password}".encode("utf-8", "surrogateescape"))


def digest_response(ha1: str, credentials: Credentials, method: str, body: bytes = b"") -> str:
    """Return the response that proves knowledge of *ha1* (RFC 7616 §3.4.1).

    :raises KeyError: for an unknown algorithm.
    """
    digest = ALGORITHMS[credentials.algorithm]
    a2 = f"{method}:{credentials.uri}"
    if credentials.qop == "auth-int":
        a2 = f"{a2}:{digest(body)}"
    ha2 = digest(a2.encode("utf-8", "surrogateescape"))
    if not credentials.qop:
        return digest(f"{ha1}:{credentials.nonce}:{ha2}".encode("utf-8", "surrogateescape"))
    c = credentials
    return digest(f"{ha1}:{c.nonce}:{c.nc}:{c.cnonce}:{c.qop}:{ha2}".encode("utf-8", "surrogateescape"))


class Nonces:
    """Seal and open nonces with a *key*; times are wall clock, so that they stay valid over a restart."""

    def __init__(self, key: bytes, life_s: float = NONCE_LIFE_S) -> None:
        self._key = key
        self._life_s = life_s

    def make(self, wall_s: float) -> str:
        stamp = int(wall_s).to_bytes(5, "big")
        return base64.b64encode(stamp + self._seal(stamp)).decode()

    def age(self, nonce: str, wall_s: float) -> float | None:
        """Return the nonce's age in seconds, None where it is not ours."""
        try:
            raw = base64.b64decode(nonce, validate=True)
        except ValueError:
            return None
        stamp, seal = raw[:5], raw[5:]
        if len(raw) != 17 or not hmac.compare_digest(seal, self._seal(stamp)):
            return None
        return wall_s - int.from_bytes(stamp, "big")

    def fresh(self, nonce: str, wall_s: float) -> bool:
        age = self.age(nonce, wall_s)
        return age is not None and -5 <= age <= self._life_s

    def _seal(self, stamp: bytes) -> bytes:
        return hmac.digest(self._key, stamp, "sha256")[:12]


def challenges(realm: str, nonce: str, algorithms: Sequence[str], *, stale: bool) -> list[str]:
    """Return the WWW-Authenticate values to send, best first (RFC 8760 §2.4)."""
    extra = ", stale=true" if stale else ""
    return [
        f'Digest realm="{realm}", nonce="{nonce}", algorithm={name.upper()}, qop="auth"{extra}' for name in algorithms
    ]


DUMMY = Secret(password="no such account, but the same work")


def verify(
    credentials: Credentials, secret: Secret | None, method: str, algorithms: Sequence[str], body: bytes = b""
) -> bool:
    """Check a response; an unknown account (*secret* None) costs the same time as a wrong password."""
    algorithm = credentials.algorithm if credentials.algorithm in algorithms else algorithms[0]
    known = secret if secret is not None else DUMMY
    ha1 = known.hash_for(credentials.username, credentials.realm, algorithm)
    if ha1 is None or algorithm != credentials.algorithm or credentials.qop not in ("", "auth", "auth-int"):
        ha1 = DUMMY.hash_for(credentials.username, credentials.realm, algorithms[0]) or ""
        secret = None
    expected = digest_response(ha1, _with_algorithm(credentials, algorithm), method, body)
    return hmac.compare_digest(expected.encode(), credentials.response.encode("utf-8", "surrogateescape")) and (
        secret is not None
    )


def _with_algorithm(credentials: Credentials, algorithm: str) -> Credentials:
    if credentials.algorithm == algorithm:
        return credentials
    c = credentials
    return Credentials(c.username, c.realm, c.nonce, c.uri, c.response, algorithm, c.qop, c.cnonce, c.nc, c.opaque)


def answer_challenge(
    challenge: str, *, username: str, password: str, method: str, uri: str, cnonce: str, nc: int = 1
) -> str | None:
    """Return the Authorization value for a *challenge*; None where we cannot speak its algorithm."""
    scheme, _, rest = challenge.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    values = _values(rest)
    algorithm = values.get("algorithm", "md5").lower()
    if algorithm not in ALGORITHMS:
        return None
    offered = [q.strip().lower() for q in values.get("qop", "").split(",")]
    qop = "auth" if "auth" in offered else ""
    realm, nonce = values.get("realm", ""), values.get("nonce", "")
    mine = Credentials(
        username, realm, nonce, uri, "", algorithm, qop, cnonce if qop else "", f"{nc:08x}" if qop else ""
    )
    ha1 = ALGORITHMS[algorithm](f"{username}:{realm}:{password}".encode("utf-8", "surrogateescape"))
    response = digest_response(ha1, mine, method)
    text = f'Digest username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}"'
    if "algorithm" in values:
        text += f", algorithm={values['algorithm']}"
    if qop:
        text += f', qop={qop}, cnonce="{cnonce}", nc={mine.nc}'
    if "opaque" in values:
        text += f', opaque="{values["opaque"]}"'
    return text


def realm_of(challenge: str) -> str:
    """Return the realm that a challenge names."""
    _, _, rest = challenge.strip().partition(" ")
    try:
        return unquote(param_of(split_params(_commas(rest)), "realm") or "")
    except ParseError:
        return ""
