"""Who we say is calling: RFC 3325, RFC 3323, RFC 5806, RFC 7044, and Remote-Party-ID where it comes in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pbx.config.endpoints import Trunk
from pbx.errors import ParseError
from pbx.sip.headers import NameAddr, parse_address
from pbx.sip.message import Request
from pbx.sip.uri import Uri

ANONYMOUS = "anonymous"
PASSED_ON = ("Diversion", "History-Info")  # how the call came here is told to who gets it next


UNNAMED = NameAddr(Uri("sip", ANONYMOUS, "anonymous.invalid"), "Anonymous")  # RFC 3323 4.1.1.3


@dataclass(frozen=True, slots=True)
class Presented:
    """The From of a call that goes out, and the headers beside it."""

    from_: NameAddr
    headers: tuple[tuple[str, str], ...]


def asserted_caller(request: Request, *, trusted: bool) -> NameAddr:
    """Return who calls: asserted by a trusted peer, else From.

    :raises ParseError: for a broken From.
    """
    if trusted:
        for name in ("P-Asserted-Identity", "Remote-Party-ID"):
            for value in request.values(name)[:1]:
                try:
                    return parse_address(value)
                except ParseError:
                    continue
    return request.from_


def is_anonymous(sender: NameAddr) -> bool:
    """Whether a From names nobody (RFC 3323 §4.1.1.3)."""
    return sender.uri.user.lower() == ANONYMOUS


def wants_privacy(headers: dict[str, list[str]]) -> bool:
    """Whether a caller asks not to be named: Privacy, or an anonymous From as old phones send it."""
    words = ";".join(headers.get("Privacy", ())).lower().replace(",", ";").split(";")
    if {"id", "user", "header"} & {word.strip() for word in words}:
        return True
    sender = (headers.get("From") or [""])[0].lower()
    return "sip:anonymous@" in sender


def presented(
    spec: Trunk, number: str, name: str, host: str, came: dict[str, list[str]], *, default: str = ""
) -> Presented:
    """Decide what a trunk is told about the caller.

    A number that *spec* does not let us present becomes ``caller-else``; *came* are the headers of the call that
    this one continues; *host* stands in the URIs.
    """
    shown = number if not spec.callers or any(matches(p, number) for p in spec.callers) else spec.caller_else
    shown = shown or default or number
    own = Uri("sip", shown, host)
    headers = [("P-Asserted-Identity", f"<{own}>")]
    from_ = NameAddr(own, name if shown == number else "")
    if spec.privacy and wants_privacy(came):
        from_ = UNNAMED
        headers.append(("Privacy", "id"))
    for header in PASSED_ON:
        headers += [(header, value) for value in came.get(header, ())]
    return Presented(from_, tuple(headers))


_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}


def matches(pattern: str, number: str) -> bool:
    """Whether a number fits a pattern of the language: X, Z, N, sets, ``.`` and ``!`` at the end."""
    parts = re.findall(r"\[[^\]]+\]|.", pattern)
    regex = "".join(_CLASSES.get(p) or (p if len(p) > 1 else re.escape(p)) for p in parts)
    return re.fullmatch(regex, number) is not None
