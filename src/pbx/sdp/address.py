"""Where sound may go: what stands in a c= line, looked at with suspicion."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from pbx.errors import NegotiationError

UNSPECIFIED = ("0.0.0.0", "::", "0")  # RFC 2543's way to hold
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
_NAME = re.compile(r"(?=.{1,253}$)(?:[\w-]{1,63}\.)*[A-Za-z][\w-]{0,62}\.?", re.ASCII)


@lru_cache(maxsize=4096)  # the same few peers call again and again
def sendable(address: str, peer: str) -> str:
    """Return where sound may go.

    A host name (RFC 8866 §5.7) is not looked up: a phone's is known in its own house alone, and a stranger's would
    have us ask for what he likes. Its sound goes where its signalling comes from, then where its own comes from.

    :raises NegotiationError: for what is neither address nor name, or one of many: nobody has us send to a whole
        network.
    """
    if address in UNSPECIFIED:
        return "0.0.0.0"
    if peer and (":" in address) != (":" in peer):
        return peer  # a phone of both families that names the one by which it does not talk to us
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        if peer and _NAME.fullmatch(address):
            return peer
        raise NegotiationError(f"no address to send to: {address[:40]!r}") from None
    if found.is_multicast or found == _BROADCAST:
        raise NegotiationError(f"not one address but many: {address}")
    return str(found)
