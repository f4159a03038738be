"""A hundred agents, twenty callers a second, phones that refuse, ignore, vanish, come back: the log must be clean."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pbx.acd.replay import first_difference, replay
from pbx.cli.simulate import agent_specs, last_run
from pbx.config.loader import load
from pbx.store.audit import audit
from pbx.store.entries import entries_of, sums
from pbx.store.export import read_log
from tests.interop.floor import Floor, look

pytestmark = pytest.mark.interop


def run_floor(directory: Path, seconds: float) -> None:
    floor = Floor(directory)
    try:
        floor.open()
        counts = floor.run(seconds)
    finally:
        log = floor.close()
    assert "Traceback" not in log, log[-3000:]
    calls = int(seconds * 20)
    assert counts == {"Successful call": calls, "Failed call": 0}
    database = floor.server.directory / "var" / "pbx.db"
    entries = list(read_log(database))
    assert audit(entries, time.time()) == []
    seen = look(entries)
    assert seen.faults == []
    queue = sums(entries_of(entries).values())["support"]
    assert (queue.entered, queue.balanced) == (calls, True)
    assert queue.exits["answered"] > 0.85 * calls
    assert queue.exits["answered"] + queue.exits["abandoned"] == calls, queue.exits
    assert {"answered", "declined", "missed", "failed"} <= set(seen.outcomes), dict(seen.outcomes)
    assert len(seen.rings_ms) > calls / 2  # found a free agent at once, and the phone rang
    seed, fed, kept = last_run(database)
    config = load(floor.server.directory).valid()
    made = replay(config.queues, agent_specs(config), seed, fed)
    assert first_difference(((d.entry_id, d.chosen) for d in made), kept) == ""


def test_a_hundred_agents_for_a_minute(net: None, tmp_path: Path) -> None:
    run_floor(tmp_path, 60)
