"""STUN on the SIP port (RFC 5389, RFC 5626 §3.5.2): a phone asks which address its NAT gives it."""

from __future__ import annotations

import ipaddress
import struct

COOKIE = b"\x21\x12\xa4\x42"
BINDING, ANSWERED, XOR_MAPPED_ADDRESS = 0x0001, 0x0101, 0x0020
HEAD_BYTES = 20


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN: its first two bits are 0, where SIP has a letter (RFC 5389 §6)."""
    return len(data) >= HEAD_BYTES and data[0] < 64 and data[4:8] == COOKIE


def answer(data: bytes, remote: tuple[str, int]) -> bytes | None:
    """Tell who asks from where it was heard; None for what is no binding request. At most 44 bytes for 20."""
    kind, length = struct.unpack_from("!HH", data)
    if kind != BINDING or length != len(data) - HEAD_BYTES:
        return None
    address = ipaddress.ip_address(remote[0]).packed
    mask = data[4:HEAD_BYTES]  # cookie and transaction
    mapped = struct.pack("!BBH", 0, 1 if len(address) == 4 else 2, remote[1] ^ 0x2112)
    mapped += bytes(a ^ b for a, b in zip(address, mask, strict=False))
    attribute = struct.pack("!HH", XOR_MAPPED_ADDRESS, len(mapped)) + mapped
    return struct.pack("!HH", ANSWERED, len(attribute)) + mask + attribute
