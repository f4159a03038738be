"""Memory of established calls: 2,000 of them held, their media anchored, no packet sent.

usage: python -m bench --only held
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.interop.netns import network
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

from bench.sipp import CONFIG

CALLS, RATE = 2_000, 100
TRANSACTIONS_S = 36.0  # until nothing is left of the INVITEs


def measure() -> dict[str, Any]:
    """Compare a server that has served a hundred calls with one that holds 2,000."""
    with tempfile.TemporaryDirectory() as folder, network():
        directory = Path(folder)
        server = LiveServer.of(CONFIG, directory / "bench", level="error")
        server.start()
        callee = Sipp(directory / "uas", "uas", "-sn", "uas", "-p", "5070")
        common = ("-sn", "uac", "-s", "service", "-l", str(2 * CALLS), "127.0.0.1:5060", "-r", str(RATE))
        try:
            Sipp(directory / "first", "first", *common, "-p", "5081", "-m", "100", "-d", "0").finish(30)
            wait_for(lambda: not sum(server.ask("/v1/status")["stack"].values()), 60, lambda: "transactions are left")
            before = server.memory_kb()
            held = Sipp(directory / "held", "held", *common, "-p", "5080", "-m", str(CALLS), "-d", "300000")
            wait_for(lambda: server.ask("/v1/status")["calls"] == CALLS, 60, lambda: "not every call is up")
            time.sleep(TRANSACTIONS_S)
            status, after = server.ask("/v1/status"), server.memory_kb()
            held.stop()
            return {
                "calls_held": status["calls"],
                "media_ports": status["media_ports"],
                "memory_before_mb": round(before / 1024),
                "memory_held_mb": round(after / 1024),
                "kb_per_held_call": round((after - before) / CALLS, 1),
            }
        finally:
            callee.stop()
            server.stop()


if __name__ == "__main__":
    print(measure())
