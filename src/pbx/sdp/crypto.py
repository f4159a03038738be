"""Keys in session descriptions: a=crypto (RFC 4568, RFC 7714)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pbx.sdp.description import Media
from pbx.whole import whole

KEY_BYTES = {  # master key and salt together, the suites that we know, best first
    "AEAD_AES_256_GCM": 44,
    "AEAD_AES_128_GCM": 28,
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
OFFERED = ("AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")


@dataclass(frozen=True, slots=True)
class Crypto:
    """One key: *key* is the master key followed by its salt."""

    suite: str
    key: bytes = field(repr=False)
    tag: int = 1

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


MakeKey = Callable[[str, int], Crypto]  # suite and tag to a key of ours


def parse_crypto(value: str) -> Crypto | None:
    """Read an a=crypto value; None for what we cannot use: another suite, an MKI, session parameters."""
    parts = value.split()
    tag = whole(parts[0]) if len(parts) == 3 else None
    if tag is None or tag >= 10**9:  # 4568 9.2: at most nine digits
        return None
    method, _, info = parts[2].partition(":")
    text, *extra = info.split("|")
    suite = parts[1].upper()
    if method.lower() != "inline" or any(":" in part for part in extra):
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return Crypto(suite, key, tag) if KEY_BYTES.get(suite) == len(key) else None


def cryptos_of(media: Media) -> list[Crypto]:
    return [found for value in media.all("crypto") if (found := parse_crypto(value)) is not None]


def pick(offered: Sequence[Crypto]) -> Crypto | None:
    """Choose the peer's first that we know: its order is its preference (§5.1.2)."""
    return offered[0] if offered else None


def keys_for(suites: Sequence[str], random_bytes: Callable[[int], bytes]) -> list[Crypto]:
    """Make a key of ours for each suite, to offer."""
    return [Crypto(suite, random_bytes(KEY_BYTES[suite]), tag) for tag, suite in enumerate(suites, 1)]
