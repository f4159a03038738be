"""SIP messages (RFC 3261 §7). Headers stay text until somebody asks; what was parsed is kept."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pbx.errors import ParseError
from pbx.sip.headers import (
    CSeq,
    NameAddr,
    Via,
    canonical,
    param_of,
    parse_address,
    parse_cseq,
    parse_via,
    split_list,
    split_params,
    unquote,
)
from pbx.sip.uri import Uri, parse_uri
from pbx.whole import whole


class Flow(NamedTuple):
    """A way to reach a peer: for UDP a pair of addresses, for streams one connection (RFC 5626 §2)."""

    transport: str  # udp, tcp, tls
    local: tuple[str, int]
    remote: tuple[str, int]

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"

    def __str__(self) -> str:
        host = f"[{self.remote[0]}]" if ":" in self.remote[0] else self.remote[0]
        return f"{self.transport}:{host}:{self.remote[1]}"


REASONS: Final[dict[int, str]] = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    199: "Early Dialog Terminated", 200: "OK", 202: "Accepted", 204: "No Notification",
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
    412: "Conditional Request Failed", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 429: "Provide Referrer Identity",
    433: "Anonymity Disallowed", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
    493: "Undecipherable", 500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip


_MARKS = re.compile("[-.()]")  # that make a number easier to read
_PHONE = re.compile("[+]?[0-9*#]+")
_LINE_ENDS = re.compile("[\\r\\n]+")
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f]")


def clean(line: str) -> str:
    """Return a header line that is one: line ends become blanks, control characters are left out (§25.1).

    Either could come along with a name or a number that somebody typed, and would be a header that nobody wrote.
    """
    return _CONTROL.sub("", _LINE_ENDS.sub(" ", line))


class Message:
    """What requests and responses share: headers by canonical name, each with its values in order, and a body."""

    __slots__ = ("_cseq", "_from", "_to", "_via", "body", "headers")

    def __init__(self, headers: dict[str, list[str]] | None = None, body: bytes = b"") -> None:
        self.headers: dict[str, list[str]] = headers if headers is not None else {}
        self.body: bytes = body
        self._via: Via | None = None  # what was parsed is kept
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._cseq: CSeq | None = None

    def get(self, name: str) -> str | None:
        """Return the first value of a header, unsplit."""
        values = self.headers.get(name)
        return values[0] if values else None

    def values(self, name: str) -> list[str]:
        """Return every value of a header, comma lists split."""
        found = self.headers.get(name)
        if not found:
            return []
        return [part for value in found for part in split_list(value)]

    def replace(self, name: str, value: str) -> None:
        self.headers[name] = [value]
        self._forget()

    def add(self, name: str, value: str) -> None:
        self.headers.setdefault(name, []).append(value)
        self._forget()

    def _forget(self) -> None:
        self._via = self._from = self._to = self._cseq = None

    def tokens(self, name: str) -> set[str]:
        """Return a header's comma list in lower case: Supported, Require, Allow."""
        return {value.lower() for value in self.values(name)}

    def _need(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise ParseError(f"no {name} header")
        return value

    @property
    def via(self) -> Via:
        """The topmost Via.

        :raises ParseError: where there is none.
        """
        if self._via is None:
            hops = split_list(self._need("Via"))
            if not hops:
                raise ParseError("an empty Via")
            self._via = parse_via(hops[0])
        return self._via

    def set_top_via(self, via: Via) -> None:
        values = self.values("Via")
        self.headers["Via"] = [str(via), *values[1:]]
        self._via = via

    @property
    def from_(self) -> NameAddr:
        if self._from is None:
            self._from = parse_address(self._need("From"))
        return self._from

    @property
    def to(self) -> NameAddr:
        if self._to is None:
            self._to = parse_address(self._need("To"))
        return self._to

    @property
    def call_id(self) -> str:
        return self._need("Call-ID")

    @property
    def cseq(self) -> CSeq:
        if self._cseq is None:
            self._cseq = parse_cseq(self._need("CSeq"))
        return self._cseq

    @property
    def contacts(self) -> list[NameAddr]:
        """The Contact addresses; ``*`` is left out (see :meth:`get`)."""
        return [parse_address(value) for value in self.values("Contact") if value != "*"]

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return (self.get("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def sdp(self) -> bytes | None:
        """The session description, where the body is one or holds one (RFC 5621)."""
        if not self.body:
            return None
        kind = self.content_type
        if kind == "application/sdp" or (not kind and self.body.startswith(b"v=0")):  # 7.4.1: some do not say
            return self.body
        return sdp_part(self.get("Content-Type") or "", self.body) if kind.startswith("multipart/") else None

    def _write(self, first_line: str) -> bytes:
        lines = [first_line if first_line.isprintable() else clean(first_line)]
        for name, values in self.headers.items():
            if name != "Content-Length":
                for value in values:
                    line = f"{name}: {value}"
                    lines.append(line if line.isprintable() else clean(line))
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    __slots__ = ("method", "size", "uri_text")

    def __init__(
        self, method: str, uri: Uri | str, headers: dict[str, list[str]] | None = None, body: bytes = b""
    ) -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri_text = str(uri)
        self.size = 0  # bytes on the wire, of one that was received

    @property
    def uri(self) -> Uri:
        """The Request-URI.

        :raises ParseError: status 416 for a scheme that we do not know.
        """
        return parse_uri(self.uri_text)

    @property
    def dialled(self) -> str:
        """The number that is called: a telephone number without its parameters and marks (RFC 3966 §5.1.1)."""
        uri = self.uri
        number, marked, _ = uri.user.partition(";")
        plain = _MARKS.sub("", number)
        if uri.scheme == "tel" or ((marked or uri.param("user") == "phone") and _PHONE.fullmatch(plain)):
            return plain
        return uri.user

    def check_addresses(self) -> None:
        """Parse what every request is read for.

        :raises ParseError: for the first that is broken.
        """
        _ = self.via, self.from_, self.to, self.max_forwards
        if self.method != "REGISTER" and "Contact" in self.headers:
            _ = self.contacts
        if "Record-Route" in self.headers:
            for value in self.values("Record-Route"):
                parse_address(value)  # what we send inside the dialog has to go by it

    @property
    def max_forwards(self) -> int:
        text = self.get("Max-Forwards")
        if text is None:
            return 70
        number = whole(text)
        if number is None or number > 255:
            raise ParseError(f"bad Max-Forwards {text[:20]!r}")
        return number

    def to_bytes(self) -> bytes:
        return self._write(f"{self.method} {self.uri_text} SIP/2.0")

    def __repr__(self) -> str:
        return f"<{self.method} {self.uri_text}>"


class Response(Message):
    __slots__ = ("reason", "status")

    @property
    def contacts(self) -> list[NameAddr]:
        """The Contact addresses that can be read: an answer is not lost for one that cannot."""
        found = []
        for value in self.values("Contact"):
            try:
                found.append(parse_address(value))
            except ParseError:
                continue
        return found

    def __init__(
        self, status: int, reason: str = "", headers: dict[str, list[str]] | None = None, body: bytes = b""
    ) -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason or REASONS.get(status, "Unknown")

    def to_bytes(self) -> bytes:
        return self._write(f"SIP/2.0 {self.status} {self.reason}")

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}>"


def sdp_part(content_type: str, body: bytes) -> bytes | None:
    """Return the session description inside a multipart body (RFC 2046 §5.1.1), None where there is none."""
    _, _, tail = content_type.partition(";")
    boundary = unquote(param_of(split_params(tail), "boundary") or "")
    if not boundary:
        return None
    for part in body.split(b"--" + boundary.encode("utf-8", "surrogateescape"))[1:]:
        head, _, text = part.replace(b"\r\n", b"\n").partition(b"\n\n")
        if b"application/sdp" in head.lower():
            return text.rstrip(b"\n") + b"\n"
    return None


_COPIED = ("Via", "From", "To", "Call-ID", "CSeq")  # by every response, in this order


def response_to(request: Request, status: int, reason: str = "", *, to_tag: str = "", body: bytes = b"") -> Response:
    """Make a response with the headers that every response copies (§8.2.6.2)."""
    asked = request.headers
    headers: dict[str, list[str]] = {}
    for name in _COPIED:
        if (found := asked.get(name)) is not None:
            headers[name] = found
    if status == 100 and (found := asked.get("Timestamp")) is not None:
        headers["Timestamp"] = found
    if 100 < status < 300 and (found := asked.get("Record-Route")) is not None:
        headers["Record-Route"] = found
    if to_tag and status > 100 and (to := headers.get("To")) and ";tag=" not in to[0].lower():
        headers["To"] = [f"{to[0]};tag={to_tag}", *to[1:]]
    response = Response(status, reason, headers, body)
    response._via = request._via  # the same text: where it goes back to needs no second look
    return response


__all__ = ["REASONS", "Flow", "Message", "Request", "Response", "canonical", "response_to"]
