"""What went over the wire to a port: for when a phone does not record what it hears."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.interop.sound import Samples
from tests.interop.waiting import wait_for


@contextmanager
def capture(path: Path) -> Iterator[Path]:
    """Write every packet of this network to *path* while the body runs."""
    process = subprocess.Popen(
        ["tcpdump", "-i", "lo", "--immediate-mode", "-U", "-w", str(path), "udp"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: path.exists() and path.stat().st_size >= 24, 5, "tcpdump does not start")
        yield path
    finally:
        process.terminate()
        process.wait(5)


def datagrams(path: Path) -> list[tuple[float, int, int, bytes]]:
    """Read a capture of the loopback: time, source port, destination port, payload."""
    data, at, found = path.read_bytes(), 24, []
    while at + 16 <= len(data):
        seconds, micros, size, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 16 + size]
        at += 16 + size
        header = 14 + 4 * (frame[14] & 15) if len(frame) > 42 and frame[12:14] == b"\x08\x00" else 0
        if header:
            source, target = struct.unpack_from("!HH", frame, header)
            found.append((seconds + micros / 1e6, source, target, frame[header + 8 :]))
    return found


def alaw_heard(path: Path, ports: range) -> Samples:
    """Return the sound of the A-law packets that went to *ports*, in the order of their arrival."""
    payloads = [p[12:] for _, _, target, p in datagrams(path) if target in ports and len(p) == 172 and p[1] & 127 == 8]
    codes = np.frombuffer(b"".join(payloads), dtype=np.uint8).astype(np.int32) ^ 0x55
    segment, value = (codes >> 4) & 7, (codes & 15) * 16 + 8
    value = np.where(segment > 0, (value + 256) << np.maximum(segment - 1, 0), value)
    return np.where(codes & 0x80, value, -value) / 32768.0
