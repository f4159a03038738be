"""The header fields that signalling reads: Via, addresses, CSeq (RFC 3261 §20)."""

from __future__ import annotations

import re
from functools import lru_cache

from pbx.errors import ParseError
from pbx.sip.uri import Params, Uri, format_params, parse_uri, split_host_port
from pbx.whole import whole

MAGIC_COOKIE = "z9hG4bK"  # RFC 3261 8.1.1.7

COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

_ODD_CASE = (
    "Call-ID",
    "CSeq",
    "Min-SE",
    "Remote-Party-ID",
    "WWW-Authenticate",
    "MIME-Version",
    "RAck",
    "RSeq",
    "SIP-ETag",
    "SIP-If-Match",
)
# The names that nearly every message writes as the RFC does.
USUAL = {
    name: name
    for name in (
        *COMPACT.values(),
        *_ODD_CASE,
        *("Max-Forwards", "User-Agent", "Server", "Allow", "Require", "Expires", "Route", "Record-Route", "Accept"),
        *("Authorization", "Proxy-Authenticate", "Proxy-Authorization", "P-Asserted-Identity", "Privacy", "Date"),
    )
}
_KNOWN = {name.lower(): name for name in (*COMPACT.values(), *_ODD_CASE)} | COMPACT

# In a display name without quotes also letters of any language, and brackets: phones' users type what they like.
_WORD = re.compile(r"[A-Za-z0-9\-.!%*_+`'~()/&#:=?\[\]{}|$^\u0080-\U0010ffff]+")
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")


@lru_cache(maxsize=1024)
def canonical(name: str) -> str:
    """Return a header's usual spelling: ``i`` and ``call-id`` are ``Call-ID``.

    :raises ParseError: for what is no token.
    """
    lower = name.strip().lower()
    if known := _KNOWN.get(lower):
        return known
    if not _TOKEN.fullmatch(lower):
        raise ParseError(f"bad header name {name[:40]!r}")
    return "-".join(part.capitalize() for part in lower.split("-"))


def split_list(text: str) -> list[str]:
    """Split at commas outside quotes and angle brackets."""
    if "," not in text:
        return [text.strip()]
    parts, start, quoted, angle, escaped = [], 0, False, False, False
    for i, c in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c in "<>":
            angle = c == "<"
        elif c == "," and not angle:
            parts.append(text[start:i].strip())
            start = i + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def split_params(text: str) -> Params:
    """Parse ``;a=b;c`` (quotes respected) into pairs with lower-case names."""
    found: list[tuple[str, str | None]] = []
    pieces = _outside_quotes(text) if '"' in text else text.split(";")
    for place, piece in enumerate(pieces):
        name, equals, value = piece.partition("=")
        if name := name.strip().lower():
            found.append((name, value.strip() if equals else None))
        elif place < len(pieces) - 1:
            raise ParseError(f"an empty parameter in {text[:60]!r}")  # RFC 4475 3.1.2.1; some phones end with ";"
    return tuple(found)


def _outside_quotes(text: str) -> list[str]:
    """Split at semicolons that stand outside quotes.

    :raises ParseError: for quotes that do not end.
    """
    start, quoted, escaped = 0, False, False
    pieces = []
    for i, c in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        elif c == ";":
            pieces.append(text[start:i])
            start = i + 1
    if quoted:
        raise ParseError(f"unbalanced quotes in {text[:60]!r}")
    pieces.append(text[start:])
    return pieces


def param_of(params: Params, name: str) -> str | None:
    for key, value in params:
        if key == name:
            return value or ""
    return None


def unquote(text: str) -> str:
    """Undo a quoted string; anything else comes back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def quote(text: str) -> str:
    """Return a quoted string; control characters, which could start a header, are dropped (§25.1)."""
    clean = "".join(c for c in text if c >= " " and c != "\x7f")
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


class NameAddr:
    """An address with a display name and header parameters: From, To, Contact, Route, Refer-To … A value."""

    __slots__ = ("name", "params", "uri")

    def __init__(self, uri: Uri, name: str = "", params: Params = ()) -> None:
        self.uri = uri
        self.name = name
        self.params = params

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NameAddr):
            return False
        return self.name == other.name and self.uri == other.uri and self.params == other.params

    def __hash__(self) -> int:
        return hash((self.uri, self.name, self.params))

    def __repr__(self) -> str:
        return f"<NameAddr {self}>"

    @property
    def tag(self) -> str:
        return param_of(self.params, "tag") or ""

    def param(self, name: str) -> str | None:
        return param_of(self.params, name)

    def with_tag(self, tag: str) -> NameAddr:
        rest = [p for p in self.params if p[0] != "tag"]
        return NameAddr(self.uri, self.name, (*rest, ("tag", tag)))

    def __str__(self) -> str:
        name = f"{quote(self.name)} " if self.name else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"


def parse_address(text: str) -> NameAddr:
    """Parse name-addr or addr-spec with parameters (§20.10).

    :raises ParseError: for unbalanced quotes or brackets, or a bad URI.
    """
    at = text.rfind(">;")
    if at < 0 or '"' in text[at:]:
        return _parse_address(text)
    # A peer's address comes again and again, each time with another tag: only the tag is read anew.
    address = _parse_address(text[: at + 1])
    return NameAddr(address.uri, address.name, (*address.params, *split_params(text[at + 2 :].strip())))


@lru_cache(maxsize=4096)
def _parse_address(text: str) -> NameAddr:
    text = text.strip()
    name = ""
    if text.startswith('"'):
        match = re.match(r'"((?:[^"\\]|\\.)*)"', text, re.DOTALL)
        if match is None:
            raise ParseError(f"unbalanced quotes in {text[:60]!r}")
        name = unquote(match.group(0))
        text = text[match.end() :].lstrip()
        if not text.startswith("<"):
            raise ParseError(f"no address behind the name in {text[:60]!r}")
    bracket = text.find("<")
    if bracket < 0:
        # RFC 3261 20: without brackets every parameter belongs to the header, not to the URI.
        spec, semicolon, params = text.partition(";")
        if "," in spec or "?" in spec:
            raise ParseError(f"an address with a comma or question mark needs brackets: {text[:60]!r}")
        return NameAddr(parse_uri(spec.rstrip()), name, split_params(params) if semicolon else ())
    if bracket > 0:
        name = text[:bracket].strip()
        if not all(_WORD.fullmatch(part) for part in name.split()):
            raise ParseError(f"the display name needs quotes: {text[:60]!r}")
    end = text.find(">", bracket)
    if end < 0:
        raise ParseError(f"unbalanced brackets in {text[:60]!r}")
    tail = text[end + 1 :].strip()
    if tail and not tail.startswith(";"):
        raise ParseError(f"text behind the address: {text[:60]!r}")
    return NameAddr(parse_uri(text[bracket + 1 : end]), name, split_params(tail[1:]) if tail else ())


def user_in(text: str) -> str:
    """Return the user part of an address, "" where it cannot be read."""
    try:
        return parse_address(text).uri.user
    except ParseError:
        return ""


class Via:
    """One hop of a request (§20.42). A value."""

    __slots__ = ("host", "params", "port", "transport")

    def __init__(self, transport: str, host: str, port: int | None, params: Params) -> None:
        self.transport = transport  # UDP, TCP, TLS
        self.host = host
        self.port = port
        self.params = params

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Via) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"<Via {self}>"

    @property
    def branch(self) -> str:
        return param_of(self.params, "branch") or ""

    @property
    def sent_by(self) -> str:
        """Host and port, compared to match a response to its transaction (§17.1.3)."""
        return f"{self.host}:{self.port}" if self.port is not None else self.host

    def param(self, name: str) -> str | None:
        return param_of(self.params, name)

    def with_params(self, **values: str) -> Via:
        kept = [p for p in self.params if p[0] not in values]
        return Via(self.transport, self.host, self.port, (*kept, *values.items()))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {host}{port}{format_params(self.params)}"


# Any version: a request of another one is refused by its first line, and the 505 has to find its way back.
_VIA = re.compile(r"SIP\s*/\s*\d+\.\d+\s*/\s*([A-Za-z0-9\-]+)\s+([^;]+)(;.*)?", re.IGNORECASE | re.DOTALL)


def parse_via(text: str) -> Via:
    """Parse one Via value.

    :raises ParseError: where it is none.
    """
    if text.startswith("SIP/2.0/UDP ") and '"' not in text:  # what nearly all of them look like
        sent_by, _, tail = text[12:].partition(";")
        host, port = split_host_port(sent_by.strip())
        return Via("UDP", host, port, split_params(tail))
    match = _VIA.fullmatch(text.strip())
    if match is None:
        raise ParseError(f"bad Via {text[:60]!r}")
    host, port = split_host_port(match.group(2).strip())
    return Via(match.group(1).upper(), host, port, split_params((match.group(3) or ";")[1:]))


class CSeq:
    """A request's place in its dialog (§20.16). A value."""

    __slots__ = ("method", "number")

    def __init__(self, number: int, method: str) -> None:
        self.number = number
        self.method = method

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CSeq) and self.number == other.number and self.method == other.method

    def __hash__(self) -> int:
        return hash((self.number, self.method))

    def __repr__(self) -> str:
        return f"<CSeq {self.number} {self.method}>"


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq (§20.16): a number below 2**31 and a method.

    :raises ParseError: where it is none.
    """
    written, _, method = text.strip().partition(" ")
    number, method = whole(written), method.strip()
    if number is None or not method or number >= 2**31:
        raise ParseError(f"bad CSeq {text[:60]!r}")
    return CSeq(number, method)
