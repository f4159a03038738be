"""Text that can be written: what a peer sent may hold half characters, which no file and no JSON takes."""

from __future__ import annotations

from typing import Any


def writable(value: Any) -> Any:
    """Return *value*, plain data, with a question mark for every half character in its texts."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {writable(key): writable(found) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [writable(found) for found in value]
    return value
