"""A flood: SIPp offers several times what one core can set up; what is admitted must live, the rest is told so fast."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.interop.netns import network
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp

from bench.sipp import CONFIG

CAPACITY, TIMES, SECONDS = 150, 5, 10  # calls a second that are admitted, how many times that is offered, how long
HELD = 50  # calls in progress meanwhile
LIMIT = re.compile(r"new-calls-per-s = \d+")


def measure() -> dict[str, Any]:
    """Hold some calls, flood, and count who was served, what the held ones noticed, and the memory afterwards."""
    with tempfile.TemporaryDirectory() as folder, network():
        directory = Path(folder)
        server = LiveServer.of(CONFIG, directory / "bench", level="error")
        file = server.directory / "pbx.toml"
        file.write_text(LIMIT.sub(f"new-calls-per-s = {CAPACITY}", file.read_text()))
        server.start()
        callee = Sipp(directory / "uas", "uas", "-sn", "uas", "-p", "5070")
        try:
            before = server.memory_kb()
            common = ("-sn", "uac", "-s", "service")
            held = Sipp(directory / "held", "held", *common, "-p", "5081", "-r", str(HELD), "-m", str(HELD), "-d",
                        str(1000 * (SECONDS + 8)), "127.0.0.1:5060")  # fmt: skip
            time.sleep(2.0)
            offered = CAPACITY * TIMES * SECONDS
            flood = Sipp(directory / "flood", "flood", *common, "-p", "5080", "-r", str(CAPACITY * TIMES), "-m",
                         str(offered), "-d", "0", "-l", "20000", "127.0.0.1:5060")  # fmt: skip
            counts = flood.finish(SECONDS + 60)
            peak = server.memory_kb()
            alive = held.finish(SECONDS + 30)
            time.sleep(36)
            return {
                "offered_per_s": CAPACITY * TIMES,
                "seconds": SECONDS,
                "admitted_per_s": CAPACITY,
                "served": counts["Successful call"],
                "goodput_%": round(100 * counts["Successful call"] / (CAPACITY * SECONDS), 1),
                "refused_fast": counts["Failed call"],
                "calls_in_progress": HELD,
                "calls_in_progress_harmed": HELD - alive["Successful call"],
                "memory_before_mb": round(before / 1024),
                "memory_peak_mb": round(peak / 1024),
                "memory_after_mb": round(server.memory_kb() / 1024),
            }
        finally:
            callee.stop()
            server.stop()


if __name__ == "__main__":
    print(measure())
