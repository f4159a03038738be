"""Everything random that the stack says, from one source that tests may seed."""

from __future__ import annotations

import random

from pbx.sip.headers import MAGIC_COOKIE


class Ids:
    """Tags, branches, Call-IDs and random waits."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed) if seed is not None else random.SystemRandom()

    def token(self, bits: int = 64) -> str:
        return f"{self._random.getrandbits(bits):0{bits // 4}x}"

    def tag(self) -> str:
        return self.token(64)

    def branch(self) -> str:
        return MAGIC_COOKIE + self.token(64)

    def call_id(self) -> str:
        return self.token(128)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)
