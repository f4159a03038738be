"""The log: what is acknowledged is there, whatever happens to the process or the disk."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.errors import StoreError
from pbx.store.database import Log
from pbx.store.export import query, read_log
from pbx.store.recovery import end_interrupted_calls

WRITER = """
import asyncio, sys, time
from pathlib import Path
from pbx import events as ev
from pbx.store.database import Log

async def main():
    log = Log(Path(sys.argv[1]), time.time, time.monotonic)
    log.start()
    n = 0
    while True:
        for _ in range(50):
            n += 1
            log.append(ev.CallStarted(call_id=f"c{n}"))
        await log.durable()
        print(n, flush=True)

asyncio.run(main())
"""


def with_log(path: Path, use: Callable[[Log], object]) -> None:
    """Start a log, let *use* (perhaps a coroutine function) work with it, stop it."""

    async def body() -> None:
        log = Log(path, time.time, time.monotonic)
        log.start("test")
        result = use(log)
        if asyncio.iscoroutine(result):
            await result
        await log.stop()

    asyncio.run(body())


def test_half_characters_of_a_peer_stop_no_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def use(log: Log) -> None:
        log.append(ev.AuthFailed(source="udp:192.0.2.9:5060", account="a\udcff", method="INVITE"))
        await log.durable()
        log.append(ev.CallStarted(call_id="c1"))
        await log.durable()

    with_log(path, use)
    found = [logged.event for logged in read_log(path)]
    assert [event.account for event in found if isinstance(event, ev.AuthFailed)] == ["a?"]
    assert any(isinstance(event, ev.CallStarted) for event in found)


def test_events_come_back_as_they_went_in(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    made = [
        ev.CallStarted(call_id="c", caller="1001", caller_name="张伟"),
        ev.QueueEntered(call_id="c", entry_id="e", needs=("billing=3",), position=2),
        ev.LegQuality(call_id="c", leg_id="c.1", packets=5, jitter_ms=None, mos=4.4),
    ]
    with_log(path, lambda log: [log.append(event) for event in made])
    assert [entry.event for entry in read_log(path)] == made
    assert [entry.seq for entry in read_log(path)] == [1, 2, 3]
    assert [entry.seq for entry in read_log(path, after_seq=2)] == [3]


def test_durable_means_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def use(log: Log) -> None:
        seq = log.append(ev.CallStarted(call_id="c"))
        await log.durable(seq)
        assert [entry.event.call_id for entry in read_log(path)] == ["c"]

    with_log(path, use)


KILLS = 200 if os.environ.get("PBX_PROVE") == "1" else 20


@pytest.mark.parametrize("after_s", [0.4 * n / KILLS for n in range(1, KILLS + 1)])
def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, after_s: float) -> None:
    path = tmp_path / "log.db"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + after_s
    acknowledged = 50
    while time.monotonic() < deadline:
        acknowledged = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=10)
    acknowledged = max([acknowledged, *(int(line) for line in rest.split() if line.isdigit())][-2:])
    found = [entry.event.call_id for entry in read_log(path)]
    assert found == [f"c{n}" for n in range(1, len(found) + 1)]  # all of them, in order, none twice
    assert len(found) >= acknowledged


def test_a_restart_goes_on_counting_and_knows_how_the_last_run_ended(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with_log(path, lambda log: log.append(ev.CallStarted(call_id="a")))

    def second(log: Log) -> None:
        assert not log.unclean
        assert log.run == 2
        assert log.append(ev.CallStarted(call_id="b")) == 2

    with_log(path, second)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE runs SET stopped_utc = NULL WHERE run = 2")
    database.close()

    def third(log: Log) -> None:
        assert log.unclean
        assert end_interrupted_calls(log) == 2

    with_log(path, third)
    ends = [e.event for e in read_log(path) if isinstance(e.event, ev.CallEnded)]
    assert sorted((end.call_id, end.cause) for end in ends) == [("a", "restart"), ("b", "restart")]


def test_a_stalled_disk_harms_no_caller_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def use(log: Log) -> None:
        await log.durable(log.append(ev.CallStarted(call_id="before")))
        holder = sqlite3.connect(path)
        holder.execute("BEGIN IMMEDIATE")  # nobody else can write now
        slowest = 0.0
        for n in range(2000):
            began = time.perf_counter()
            log.append(ev.CallStarted(call_id=f"c{n}"))
            slowest = max(slowest, time.perf_counter() - began)
        await asyncio.sleep(0)
        assert slowest < 0.1
        assert log.waiting >= 1
        holder.rollback()
        holder.close()
        await log.durable()

    with_log(path, use)
    assert len(list(read_log(path))) == 2001


def test_a_broken_write_is_told_to_who_waits_and_written_later(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    async def use(log: Log) -> None:
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE events RENAME TO hidden")
        other.close()
        log.append(ev.CallStarted(call_id="c"))
        with pytest.raises(StoreError):
            await log.durable()
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE hidden RENAME TO events")
        other.close()
        while log.waiting:
            await asyncio.sleep(0.01)

    with_log(path, use)
    assert [entry.event.call_id for entry in read_log(path)] == ["c"]


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with_log(path, lambda log: None)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="newer"):
        with_log(path, lambda log: None)


def test_questions_in_sql_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with_log(path, lambda log: log.append(ev.CallStarted(call_id="c")))
    assert query(path, "SELECT count(*) AS n FROM events") == (["n"], [(1,)])
    with pytest.raises(StoreError, match="readonly"):
        query(path, "DELETE FROM events")
