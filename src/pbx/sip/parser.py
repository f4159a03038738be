"""Bytes to messages, strict where RFC 4475 asks for it and tolerant where phones need it."""

from __future__ import annotations

import re

from pbx.errors import ParseError
from pbx.sip.headers import USUAL, canonical, parse_address
from pbx.sip.message import Message, Request, Response
from pbx.sip.uri import parse_uri
from pbx.whole import whole

MAX_HEADERS = 200
MAX_MESSAGE_BYTES = 65_535

_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6]\d\d) ?(.*)", re.IGNORECASE | re.DOTALL)
_REQUEST_LINE = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+) (\S+) SIP/2\.0", re.IGNORECASE)
_VERSIONED = re.compile(r"(\S+) (\S+) SIP/\d+\.\d+", re.IGNORECASE)

_STATUSES = {str(status): status for status in range(100, 700)}
_METHODS = frozenset(("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH",
                      "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"))  # fmt: skip

ONCE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")  # RFC 4475 3.3.8


def parse_message(data: bytes) -> Request | Response:
    """Parse one message from a datagram, or one that framing cut from a stream.

    :raises ParseError: with the status to answer; the error's ``partial`` holds what could be read of a request.
    """
    head, body = split_head(data)
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")  # gateways of old; half characters would break whatever writes them down
    if "\n " in text or "\n\t" in text:
        text = re.sub(r"\r?\n[ \t]+", " ", text)  # 7.3.1: folded lines
    lines = text.split("\r\n") if "\r\n" in text else text.split("\n")
    message, broken = _first_line(lines[0])
    if isinstance(message, Request):
        message.size = len(data)
    try:
        _headers(message, lines)
        _body(message, body)
    except ParseError as error:
        broken = broken or error
    if broken is not None:
        raise PartialMessage(str(broken), message, broken.status)
    return message


class PartialMessage(ParseError):
    """A message that is broken, but whose readable headers may still address an answer."""

    def __init__(self, text: str, partial: Request | Response, status: int) -> None:
        super().__init__(text, status=status)
        self.partial = partial


def split_head(data: bytes) -> tuple[bytes, bytes]:
    end = data.find(b"\r\n\r\n")
    if end >= 0:
        return data[:end], data[end + 4 :]
    end = data.find(b"\n\n")
    if end >= 0:
        return data[:end], data[end + 2 :]
    return data.rstrip(b"\r\n"), b""


def _first_line(line: str) -> tuple[Request | Response, ParseError | None]:
    """Read the first line; of a broken request line what may still be answered comes with its error."""
    if line.startswith("SIP/2.0 ") and (status := _STATUSES.get(line[8:11])) is not None:
        return Response(status, line[11:].strip()), None
    method, _, rest = line.partition(" ")
    if method in _METHODS and rest.endswith(" SIP/2.0") and rest.split() == [uri := rest[:-8], "SIP/2.0"]:
        return Request(method, uri), None
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        return Request(match.group(1), match.group(2)), None
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise ParseError(f"bad status line {line[:60]!r}")
        return Response(int(match.group(1)), match.group(2).strip()), None
    versioned = _VERSIONED.fullmatch(line)
    if versioned is not None:
        return Request(versioned.group(1), versioned.group(2)), ParseError("unknown SIP version", status=505)
    return Request(method or "?", rest.strip() or "?"), ParseError(f"bad request line {line[:60]!r}")


def _headers(message: Message, lines: list[str]) -> None:
    headers = message.headers
    if len(lines) > MAX_HEADERS:
        raise ParseError("too many headers", status=513)
    broken: ParseError | None = None
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            if line.strip():
                broken = broken or ParseError(f"no header: {line[:60]!r}")
            continue
        usual = USUAL.get(name)
        if usual is None:
            try:
                usual = canonical(name)
            except ParseError as error:
                broken = broken or error
                continue
        name = usual
        value = value.strip()
        if name in headers:
            if name in ONCE:
                broken = broken or ParseError(f"{name} stands twice")
            headers[name].append(value)
        else:
            headers[name] = [value]
    if broken is not None:
        raise broken


def _body(message: Message, body: bytes) -> None:
    text = message.get("Content-Length")
    if text is None:
        message.body = body
        return
    length = whole(text)
    if length is None:
        raise ParseError(f"bad Content-Length {text[:20]!r}")
    if length > len(body):
        raise ParseError("the body is shorter than Content-Length says")  # 18.3
    message.body = body[:length]


def validate_request(request: Request) -> None:
    """Check what every request must have (§8.1.1) and that it agrees with itself.

    :raises ParseError: with the status to answer; 416 is for the Request-URI alone.
    """
    headers = request.headers
    for name in ("From", "To", "Call-ID", "CSeq", "Via"):
        if not headers.get(name):
            raise ParseError(f"no {name} header")
    if request.cseq.method != request.method:
        raise ParseError("CSeq and request line name different methods")  # 8.1.1.5
    parse_uri(request.uri_text)
    try:
        request.check_addresses()
    except ParseError as error:
        if error.status == 416:
            raise ParseError(str(error)) from None  # RFC 4475 3.3.5: a foreign scheme in From, To or Contact
        raise


def validate_answer(response: Response) -> None:
    """Read what a dialog will need of an answer to an INVITE; one that cannot be read counts as never received.

    :raises ParseError: for the first that is broken.
    """
    _ = response.to
    for value in response.values("Record-Route"):
        parse_address(value)
