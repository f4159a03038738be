"""Wait for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(true: Callable[[], bool], limit_s: float, what: str | Callable[[], str]) -> None:
    """Look every 20 ms until *true*; fail with *what* after *limit_s*."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(what if isinstance(what, str) else what())
        time.sleep(0.02)
