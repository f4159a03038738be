"""A network of the test's own: ports are fixed, so every interop test gets its own namespace."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)} (interop tests need root, see `make test`)")


@contextmanager
def entered(pid: int) -> Iterator[None]:
    """Be, for a while, in the network of another process: sockets that are made there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        _must(_libc.setns(there, CLONE_NEWNET), "setns")
        yield
    finally:
        _must(_libc.setns(home, CLONE_NEWNET), "setns")
        os.close(home)
        os.close(there)


@contextmanager
def network() -> Iterator[None]:
    """Put this thread, and every process that it starts, into a fresh network with a loopback."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _must(_libc.unshare(CLONE_NEWNET), "unshare")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _must(_libc.setns(home, CLONE_NEWNET), "setns")
    finally:
        os.close(home)
