"""SIPp to pbx to SIPp with the bench example: for those who trust SIPp.

usage: python -m bench.sipp [--rate 200] [--seconds 60]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.interop.netns import network
from tests.interop.server import ROOT, LiveServer
from tests.interop.sipp import Sipp

from bench.machine import alone, cpu_s, facts

CONFIG = ROOT / "tests" / "interop" / "benchconf"


def measure(rate: int, seconds: int) -> dict[str, Any]:
    """Offer *rate* calls a second; count failures, our retransmissions, CPU a call, memory before and after."""
    with tempfile.TemporaryDirectory() as folder, network():
        directory = Path(folder)
        server = LiveServer.of(CONFIG, directory / "bench", level="warning")
        server.start()
        callee = Sipp(directory / "uas", "uas", "-sn", "uas", "-p", "5070")
        try:
            assert server.process is not None
            memory, began = server.memory_kb(), cpu_s(server.process.pid)
            calls = rate * seconds
            caller = Sipp(directory / "uac", "uac", "-sn", "uac", "-s", "service", "-p", "5080", "-r", str(rate),
                          "-m", str(calls), "-d", "0", "127.0.0.1:5060")  # fmt: skip
            counts = caller.finish(seconds + 60)
            spent = cpu_s(server.process.pid) - began
            status = server.ask("/v1/status")
            time.sleep(40)
            return {
                "rate": rate,
                "seconds": seconds,
                "calls": calls,
                "failed": counts["Failed call"],
                "our_retransmissions": status["retransmitted"],
                "cpu_ms_per_call": round(1000 * spent / calls, 3),
                "memory_before_mb": round(memory / 1024),
                "memory_peak_mb": round(_peak_kb(server.process.pid) / 1024),
                "memory_after_mb": round(server.memory_kb() / 1024),
                "left_in_the_stack": sum(server.ask("/v1/status")["stack"].values()),
            }
        finally:
            callee.stop()
            server.stop()


def _peak_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description="SIPp to pbx to SIPp.")
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with alone():
        figures = {**facts(), **measure(options.rate, options.seconds)}
    print(json.dumps(figures, indent=2))
    (Path(__file__).parent / "RESULTS-sipp.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
