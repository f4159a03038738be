"""Queued calls, whole: a hundred agents on registered phones, twenty callers a second, and what each call costs.

usage: python -m bench --only floor
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.interop.floor import Floor, look
from tests.interop.netns import network

from bench.machine import cpu_s
from pbx.store.export import read_log

SECONDS, RATE = 60, 20


def measure() -> dict[str, Any]:
    """Run a minute; CPU includes the music that callers hear, pauses, log-ins and registrations meanwhile."""
    with tempfile.TemporaryDirectory() as folder, network():
        floor = Floor(Path(folder))
        try:
            floor.open()
            assert floor.server.process is not None
            began = cpu_s(floor.server.process.pid)
            counts = floor.run(SECONDS, RATE)
            spent = cpu_s(floor.server.process.pid) - began
        finally:
            floor.close()
        seen = look(read_log(floor.server.directory / "var" / "pbx.db"))
    rings = sorted(seen.rings_ms)
    return {
        "agents": len(floor.agents),
        "calls": SECONDS * RATE,
        "failed": counts["Failed call"],
        "answered": seen.answered,
        "offers": sum(seen.outcomes.values()),
        "faults_in_the_log": len(seen.faults),
        "cpu_ms_per_queued_call": round(1000 * spent / (SECONDS * RATE), 2),
        "caller_in_to_ring_p50_ms": round(rings[len(rings) // 2], 1),
        "caller_in_to_ring_p99_ms": round(rings[int(0.99 * len(rings))], 1),
    }
