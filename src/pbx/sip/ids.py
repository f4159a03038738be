"""Everything random that the stack says, from one source that tests may seed."""

from __future__ import annotations

import random

from pbx.sip.headers import MAGIC_COOKIE

POOL_BYTES = 4096  # one system call for some hundred tags


class Ids:
    """Tags, branches, Call-IDs and random waits."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed) if seed is not None else random.SystemRandom()
        self._pool = ""
        self._at = 0

    def token(self, bits: int = 64) -> str:
        """Return that many random bits in hexadecimal."""
        start, self._at = self._at, self._at + bits // 4
        if self._at > len(self._pool):
            self._pool = self._random.randbytes(POOL_BYTES).hex()
            start, self._at = 0, bits // 4
        return self._pool[start : self._at]

    def tag(self) -> str:
        return self.token(64)

    def branch(self) -> str:
        return MAGIC_COOKIE + self.token(64)

    def call_id(self) -> str:
        return self.token(128)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def integer(self, low: int, high: int) -> int:
        return low + int(self.token(64), 16) % (high - low + 1)
