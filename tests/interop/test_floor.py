"""A hundred agents, twenty callers a second, phones that refuse, ignore, vanish, come back: the log must be clean."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from pbx.acd.replay import first_difference, replay
from pbx.cli.client import ask
from pbx.cli.simulate import agent_specs, last_run
from pbx.config.loader import load
from pbx.store.audit import audit
from pbx.store.entries import entries_of, sums
from pbx.store.export import read_log
from tests.interop.floor import Floor, look
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

PROVE = os.environ.get("PBX_PROVE") == "1"  # make prove: ten minutes instead of one


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
    run_floor(tmp_path, 600 if PROVE else 60)


def test_a_crash_in_the_middle(net: None, tmp_path: Path) -> None:
    floor = Floor(tmp_path, agents=20)
    try:
        floor.open()
        do = partial(ask, floor.server.socket, "POST")
        do("/v1/agents/2001/pause")
        do("/v1/agents/2002/logout")
        ask(floor.server.socket, "PUT", "/v1/agents/2003/skills/billing", {"level": 7})
        floor.callers(seconds=30, rate=6)
        wait_for(lambda: sum(c["state"] == "talking" for c in floor.server.ask("/v1/calls")) > 5, 20, "nobody talks")
        wait_for(lambda: floor.today()["answered"] > 10, 20, "nobody is served")
        before = {a["agent"]: a for a in floor.server.ask("/v1/agents")}
        up = {call["call_id"] for call in floor.server.ask("/v1/calls")}
        counted = floor.today()
        floor.server.records()  # what has happened until now is on the disk
        floor.stop_callers()
        floor.server.kill()
        floor.server.start()
        after = {a["agent"]: a for a in floor.server.ask("/v1/agents")}
        assert after["2001"]["state"] == "paused"
        assert after["2002"]["state"] == "logged-out"
        assert after["2003"]["skills"] == {"billing": 7}
        assert {name for name, a in after.items() if a["state"] == "logged-out"} == {"2002"}
        assert {name for name, a in before.items() if a["state"] == "paused"} <= {
            name for name, a in after.items() if a["state"] == "paused"
        }
        served = [name for name, a in before.items() if a["answered_today"]]
        assert served
        for name in served:
            assert after[name]["answered_today"] >= before[name]["answered_today"]
            assert after[name]["logged_in_today_s"] >= before[name]["logged_in_today_s"] - 1
        do(f"/v1/agents/{served[0]}/disposition", {"code": "sold"})  # their last call is known, over the crash
        now = floor.today()
        assert now["entered"] >= counted["entered"]
        assert now["answered"] >= counted["answered"]
        assert now["waiting"] == 0
        causes = {r["call_id"]: r["cause"] for r in floor.server.records()}
        assert {causes[call_id] for call_id in up if call_id in causes} <= {"restart", "answered", "cancelled"}
        assert "restart" in {causes.get(call_id) for call_id in up}
    finally:
        log = floor.close()
    assert "Traceback" not in log, log[-3000:]
    assert audit(list(read_log(floor.server.directory / "var" / "pbx.db")), time.time()) == []
