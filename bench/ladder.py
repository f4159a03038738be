"""How many calls a second stay clean: faster and faster until one fails or we have to repeat a message.

usage: python -m bench --only ladder
"""

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.interop.netns import network
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

from bench.machine import cpu_s
from bench.register import trying
from bench.sipp import CONFIG

RATES = (50, 100, 200, 300, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000)
SECONDS = 10  # of a rung
PROOF_S = 60  # of the highest clean one, once more
PROBES = 200  # INVITEs whose 100 is waited for, at half of the highest clean rate and at nine tenths of it


class Rungs:
    """A server between SIPp's built-in caller and called side."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._server = LiveServer.of(CONFIG, directory / "bench", level="error")
        self._server.start()
        self._callee = Sipp(directory / "uas", "uas", "-sn", "uas", "-p", "5070")

    def close(self) -> None:
        self._callee.stop()
        self._server.stop()

    def _load(self, rate: int, seconds: float) -> Sipp:
        calls = str(round(rate * seconds))
        return Sipp(self._directory / "uac", "uac", "-sn", "uac", "-s", "service", "-p", "5080", "-r", str(rate), "-m",
                    calls, "-d", "0", "-l", "20000", "127.0.0.1:5060")  # fmt: skip

    def climb(self, rate: int, seconds: int = SECONDS) -> dict[str, Any]:
        """Offer *rate* calls a second for so many *seconds*."""
        process = self._server.process
        assert process is not None
        ours, spent, began = self._server.ask("/v1/status")["retransmitted"], cpu_s(process.pid), time.monotonic()
        counts = self._load(rate, seconds).finish(seconds + 60)
        spent, wall = cpu_s(process.pid) - spent, time.monotonic() - began
        return {
            "rate": rate,
            "seconds": seconds,
            "failed": counts["Failed call"],
            "our_retransmissions": self._server.ask("/v1/status")["retransmitted"] - ours,
            "cpu_ms_per_call": round(1000 * spent / (rate * seconds), 3),
            "server_%_of_a_core": round(100 * spent / wall),
            "invite_to_100_p50_ms": "",
            "invite_to_100_p99_ms": "",
        }

    def settle(self) -> None:
        """Wait until nothing of the rung before is in progress."""
        wait_for(lambda: self._server.ask("/v1/status")["calls"] == 0, 60, lambda: "calls are left over")
        time.sleep(1.0)

    def wait_at(self, rate: int) -> tuple[float, float]:
        """Return median and 99th percentile of what an INVITE waits for its 100 beside *rate* calls a second."""
        load = self._load(rate, SECONDS)
        time.sleep(1.0)
        waits = trying(PROBES, 0.02)
        load.finish(SECONDS + 60)
        return round(waits[len(waits) // 2], 2), round(waits[int(0.99 * len(waits))], 2)


def measure() -> list[dict[str, Any]]:
    """Climb; prove the highest clean rung for a minute; then the latency at half and at nine tenths of it."""
    with tempfile.TemporaryDirectory() as folder, network():
        rungs = Rungs(Path(folder))
        try:
            rows: list[dict[str, Any]] = []

            def is_clean(rate: int, seconds: int = SECONDS) -> bool:
                rows.append(rungs.climb(rate, seconds))
                print(rows[-1], flush=True)
                rungs.settle()
                return not (rows[-1]["failed"] or rows[-1]["our_retransmissions"])

            clean = list(itertools.takewhile(is_clean, RATES))
            best = next((rate for rate in reversed(clean) if is_clean(rate, PROOF_S)), 0)
            for share in (0.5, 0.9):
                rate = round(share * best)
                p50, p99 = rungs.wait_at(rate)
                rows.append({"rate": rate, "invite_to_100_p50_ms": p50, "invite_to_100_p99_ms": p99})
            return rows
        finally:
            rungs.close()


if __name__ == "__main__":
    print(measure())
