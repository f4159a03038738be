"""The event log: durable events a second, alone and beside busy Python; what they cost calls; a day among many."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from pbx import events as ev
from pbx.api.why import why
from pbx.housekeeping import settle_collector
from pbx.store.database import Log
from pbx.store.families import Seats, families
from pbx.store.reader import Reader
from pbx.store.segments import segments_of
from pbx.store.window import Window

EVENTS = 200_000
OUTSTANDING = 20_000  # events that may be on their way to the disk
PACED_PER_S = 20_000  # 2,000 is a hundred calls a second
PACED_S = 5.0
MANY = 10_000_000
DAYS = 200  # that the many are spread over: 2,500 calls a day

# A call of a queue as the log has it: 20 events. The data of each, with N for the call's number.
KINDS = (
    (
        "call.started",
        '{"linked_id":"cN","direction":"inbound","source":"trunk/carrier","caller":"13800N","dialled":"400"}',
    ),
    ("leg.created", '{"direction":"in","party":"trunk/carrier","caller":"13800N","callee":"400","sip_call_id":"xN"}'),
    ("call.routed", '{"context":"hotline","match":"400","number":"400","where":"dialplan.toml:4"}'),
    ("leg.answered", '{"codec":"pcma"}'),
    ("step.ran", '{"step":"queue support","where":"dialplan.toml:9:3","began":true}'),
    ("acd.fed", '{"at":1.5,"fed":"{\\"input\\":\\"Joined\\",\\"entry_id\\":\\"cN.q1\\",\\"queue\\":\\"support\\"}"}'),
    ("queue.entered", '{"entry_id":"cN.q1","queue":"support","source":"new","caller":"13800N","position":1}'),
    ("acd.decided", '{"entry_id":"cN.q1","queue":"support","chosen":["zhang"],"reasons":["zhang: idle longest"]}'),
    ("offer.made", '{"offer_id":"oN","entry_id":"cN.q1","queue":"support","agent":"zhang","tier":1}'),
    ("leg.created", '{"direction":"out","party":"endpoint/2001","caller":"13800N","callee":"2001","sip_call_id":"yN"}'),
    ("leg.ringing", '{"status":180}'),
    ("leg.answered", '{"codec":"pcma"}'),
    ("offer.ended", '{"offer_id":"oN","entry_id":"cN.q1","queue":"support","agent":"zhang","outcome":"answered"}'),
    ("queue.left", '{"entry_id":"cN.q1","queue":"support","exit":"answered","agent":"zhang","wait_ms":9000}'),
    ("leg.bridged", '{"other":"cN.2"}'),
    ("leg.unbridged", '{"other":"cN.2"}'),
    ("queue.served", '{"entry_id":"cN.q1","queue":"support","agent":"zhang","by":"caller","talk_ms":90000}'),
    ("leg.ended", '{"cause":"answered","status":200,"by":"peer"}'),
    ("leg.ended", '{"cause":"answered","status":200,"by":"us"}'),
    ("call.ended", '{"cause":"answered","status":200,"by":"caller"}'),
)


def measure() -> list[dict[str, Any]]:
    """Return a row a measurement."""
    rows = [_ingest(False), _ingest(True), *(_latency(per_s) for per_s in (0, 2_000, PACED_PER_S))]
    return [*rows, *_many()]


def _row(what: str, **figures: Any) -> dict[str, Any]:
    names = ("events_per_s", "cpu_us_per_event", "loop_lag_p99_ms", "loop_lag_max_ms", "records", "seconds")
    return {"what": what, **{name: figures.get(name, "") for name in names}}


def _event(number: int) -> ev.Event:
    return ev.QueueEntered(
        call_id=f"c{number}", leg_id=f"c{number}.1", entry_id=f"c{number}.q1", queue="support", caller="13800138000",
        position=1 + number % 9,
    )  # fmt: skip


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _ingest(saturated: bool) -> dict[str, Any]:
    """Append and wait until it is on the disk; beside a thread that never lets Python rest, where *saturated*."""
    stop = threading.Event()

    def spin() -> None:
        number = 0
        while not stop.is_set():
            number = (number * 1_103_515_245 + 12_345) & 0x7FFFFFFF

    async def work(path: Path) -> tuple[float, float]:
        log = Log(path, time.time, time.monotonic)
        log.start()
        began, cpu = time.perf_counter(), _cpu_s()
        for number in range(EVENTS):
            log.append(_event(number))
            if number % 1_000 == 999:  # as calls do: some wait for what they said, the rest goes on meanwhile
                await log.durable(max(0, log.seq - OUTSTANDING))
        await log.durable()
        took, used = time.perf_counter() - began, _cpu_s() - cpu
        await log.stop()
        return took, used

    spinner = threading.Thread(target=spin, daemon=True)
    if saturated:
        spinner.start()
    with tempfile.TemporaryDirectory() as folder:
        took, used = asyncio.run(work(Path(folder) / "pbx.db"))
    stop.set()
    if saturated:
        spinner.join()
    return _row(
        "durable, beside a thread of Python that never rests" if saturated else "durable, alone",
        events_per_s=round(EVENTS / took),
        cpu_us_per_event="" if saturated else round(used / EVENTS * 1e6, 1),
        seconds=round(took, 2),
    )


def _latency(per_s: int) -> dict[str, Any]:
    """How late the loop answers while so many events a second are written; the collector set as the server sets it."""
    settle_collector()

    async def work(path: Path) -> list[float]:
        loop = asyncio.get_running_loop()
        log = Log(path, time.time, time.monotonic)
        log.start()
        late: list[float] = []
        began = due = loop.time()
        number = 0
        while due < began + PACED_S:
            due += 0.001
            await asyncio.sleep(max(0.0, due - loop.time()))
            late.append(loop.time() - due)
            while number < (loop.time() - began) * per_s:
                log.append(_event(number))
                number += 1
        await log.stop()
        return sorted(late)

    with tempfile.TemporaryDirectory() as folder:
        late = asyncio.run(work(Path(folder) / "pbx.db"))
    return _row(
        f"loop lag at {per_s} events/s",
        events_per_s=per_s,
        loop_lag_p99_ms=round(late[int(len(late) * 0.99)] * 1000, 2),
        loop_lag_max_ms=round(late[-1] * 1000, 2),
        seconds=PACED_S,
    )


def _many() -> list[dict[str, Any]]:
    """Ask for the call records, and for the segments, of one day among many events."""

    async def work(path: Path) -> tuple[int, float, float, float]:
        log = Log(path, time.time, time.monotonic)
        log.start()
        await log.stop()
        _fill(path)
        reader = Reader(path)
        await reader.start()
        day_s = 86_400.0
        times, parts = [], []
        for day in (3, DAYS // 2, DAYS - 3):
            began = time.perf_counter()
            found = await reader.records(100_000, day * day_s, (day + 1) * day_s)
            times.append(time.perf_counter() - began)
            window = Window(day * day_s, (day + 1) * day_s)
            seats = Seats(window.seats(path))
            for entries in families(window.calls(path)):
                segments_of(entries, seats)
            parts.append(time.perf_counter() - began - times[-1])
        told = [await _told(reader, n * (MANY // len(KINDS) // 50)) for n in range(50)]
        await reader.stop()
        return len(found), max(times), max(parts), max(told)

    with tempfile.TemporaryDirectory() as folder:
        count, took, cut, told = asyncio.run(work(Path(folder) / "pbx.db"))
    return [
        _row(f"a day's call records among {MANY:,} events", records=count, seconds=round(took, 3)),
        _row("the same day's segments", records=count, seconds=round(cut, 3)),
        _row("why a call went where it went, the slowest of fifty (must be under 0.1 s)", seconds=round(told, 4)),
    ]


async def _told(reader: Reader, number: int) -> float:
    """Tell the story of a call, as `pbx why` asks for it; return the seconds."""
    began = time.perf_counter()
    call_id = await reader.call_named(f"c{number}.1")
    assert why(call_id, await reader.events_of(call_id))["moments"]
    return time.perf_counter() - began


def _fill(path: Path) -> None:
    """Write the many events, one call after the other, evenly over the days."""
    calls = MANY // len(KINDS)
    between_s = DAYS * 86_400 / calls
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TEMP TABLE shape (place INTEGER, kind TEXT, data TEXT)")
        database.executemany("INSERT INTO shape VALUES (?, ?, ?)", [(n, *kind) for n, kind in enumerate(KINDS)])
        database.execute(
            """WITH RECURSIVE call (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM call WHERE n + 1 < ?1)
               INSERT INTO events SELECT n * ?2 + place + 10, 1, n * ?3 + place, n * ?3 + place, kind, 1, 'c' || n,
                   CASE WHEN kind LIKE 'leg.%' THEN 'c' || n || '.' || CASE WHEN place IN (1, 3, 14, 15, 17) THEN '1'
                   ELSE '2' END ELSE '' END, replace(data, 'N', n) FROM call CROSS JOIN shape""",
            (calls, len(KINDS), between_s),
        )
    database.close()


if __name__ == "__main__":
    for row in measure():
        print(row)
