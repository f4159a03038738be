"""Half-hours: they add up to days, also where a day has 23 or 25 hours, and the tables are what the log says."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx import events as ev
from pbx.events import Logged
from pbx.store.agent_time import seconds_by_state, spells
from pbx.store.database import Log
from pbx.store.entries import entries_of, sums
from pbx.store.rollup import HALF_HOUR_S, Mark, differences, due, floor, roll
from pbx.store.today import Today, day_of
from tests.store.book import Book
from tests.store.test_book import LOG

THRESHOLDS = (20.0, 5.0)


def thresholds(queue: str) -> tuple[float, float]:
    return THRESHOLDS


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def test_half_hours_add_up_to_the_whole() -> None:
    end = LOG[-1].at_utc + 7200
    rolled, mark = roll(LOG, Mark(floor(LOG[0].at_utc)), end, thresholds)
    assert mark.until_utc == floor(end)
    whole = sums(entries_of(LOG).values())
    for name, queue in whole.items():
        parts = [part for (_, q), part in rolled.queues.items() if q == name]
        assert sum(part.entered for part in parts) == queue.entered
        assert sum(part.answered_in_time for part in parts) == queue.answered_in_time
        for exit_, count in queue.exits.items():
            assert sum(part.exits[exit_] for part in parts) == count
    for agent, states in seconds_by_state(spells(LOG, floor(end))).items():
        for state, seconds in states.items():
            parts_s = [s for (_, a, st_), s in rolled.agents.items() if (a, st_) == (agent, state)]
            assert sum(parts_s) == pytest.approx(seconds)
            assert all(0 < s <= HALF_HOUR_S for s in parts_s)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_it_does_not_matter_in_how_many_steps_it_is_rolled_up(steps: list[int]) -> None:
    start = floor(LOG[0].at_utc)
    at_once, end = roll(LOG, Mark(start), start + HALF_HOUR_S * sum(steps), thresholds)
    mark, queues, agents = Mark(start), {}, {}
    until = start
    for step in steps:
        until += HALF_HOUR_S * step
        rolled, mark = roll([e for e in LOG if e.at_utc >= mark.until_utc], mark, until, thresholds)
        queues |= rolled.queues
        agents |= rolled.agents
    assert mark == end
    assert queues == at_once.queues
    assert {k: round(v, 6) for k, v in agents.items()} == {k: round(v, 6) for k, v in at_once.agents.items()}


def test_who_still_waits_keeps_a_half_hour_open() -> None:
    book = Book().call(0, "c").queued(10, "c", "e").agent(20, "zhang", "logged-out", "ready")
    start = floor(book.wall)
    rolled, mark = roll(book.entries, Mark(start), book.wall + 7200, thresholds)
    assert (rolled.queues, mark.until_utc) == ({}, start)
    book.left(5000, "c", "e", "answered", 4990)
    rolled, mark = roll(book.entries, Mark(start), book.wall + 7200, thresholds)
    assert rolled.queues[start, "support"].exits["answered"] == 1  # where they entered, an hour before


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("day", "half_hours"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-11-25", 48), ("2026-12-31", 48)]
)
def test_a_day_of_any_length_is_the_sum_of_its_half_hours(day: str, half_hours: int) -> None:
    begin, end = day_of(datetime.fromisoformat(day).timestamp() + 3600)
    assert (end - begin) / HALF_HOUR_S == half_hours
    book = Book(wall=begin - 3600)
    book.agent(0, "zhang", "logged-out", "ready")
    for number in range(half_hours + 4):  # from an hour before to an hour after
        book.call(number * 1800 + 1700, f"c{number}").queued(number * 1800 + 1700, f"c{number}", f"e{number}")
        book.left(number * 1800 + 1900, f"c{number}", f"e{number}", "answered", 200)  # over the boundary
    rolled, _ = roll(book.entries, Mark(floor(begin - 3600)), end + 7200, thresholds)
    inside = [sums_.entered for (at, _), sums_ in rolled.queues.items() if begin <= at < end]
    assert (len(inside), sum(inside)) == (half_hours, half_hours)
    seconds = sum(s for (at, _, _), s in rolled.agents.items() if begin <= at < end)
    assert seconds == end - begin
    now = [begin + 1.0]
    today = Today(lambda: now[0], "00:00", thresholds)
    for entry in book.entries:
        if entry.at_utc < end:
            now[0] = entry.at_utc
            today.take(entry)
    counted = today.queue("support")
    assert counted.entered == half_hours


@pytest.mark.usefixtures("berlin")
def test_a_business_day_may_begin_at_another_hour() -> None:
    noon = datetime(2026, 11, 25, 12).timestamp()
    begin, end = day_of(noon, "06:00")
    assert (datetime.fromtimestamp(begin), datetime.fromtimestamp(end) - datetime.fromtimestamp(begin)) == (
        datetime(2026, 11, 25, 6), timedelta(days=1),
    )  # fmt: skip
    assert day_of(datetime(2026, 11, 25, 5, 59).timestamp(), "06:00")[1] == begin


def test_an_entry_that_crosses_midnight_belongs_to_the_day_in_which_it_entered() -> None:
    begin, end = day_of(1_800_000_000.0)
    now = [end - 10]
    today = Today(lambda: now[0], "00:00", thresholds)
    book = Book(wall=end - 10).call(0, "c").queued(0, "c", "e").left(20, "c", "e", "answered", 20)
    book.call(30, "d").queued(30, "d", "f")
    for entry in book.entries:
        now[0] = entry.at_utc
        today.take(entry)
    assert today.begins == end
    assert (today.queue("support").entered, today.queue("support").exits["answered"]) == (1, 0)  # d alone
    assert begin < end


@pytest.mark.asyncio
async def test_the_tables_are_compared_with_the_log(tmp_path: Path) -> None:
    clock = [LOG[0].at_utc]
    log = Log(tmp_path / "pbx.db", lambda: clock[0], lambda: clock[0])
    log.start()
    steps = 0
    for entry in LOG:
        clock[0] = entry.at_utc
        log.append(entry.event)
        if steps < 4 and entry.at_utc > LOG[0].at_utc + 1500 * (steps + 1):  # rolled up now and then
            steps += 1
            await log.durable()
            if statements := due(log.path, clock[0], thresholds):
                await log.execute(statements)
    await log.durable()
    clock[0] += 10_000
    await log.execute(due(log.path, clock[0], thresholds))
    assert due(log.path, clock[0], thresholds) == []
    assert differences(log.path, thresholds) == []
    with sqlite3.connect(log.path) as database:
        assert database.execute("SELECT sum(entered) FROM queue_half_hours").fetchone()[0] == 15
    database.close()
    await log.execute([("UPDATE queue_half_hours SET answered = answered + 1 WHERE queue = 'sales'", ())])
    ((row, what),) = differences(log.path, thresholds)
    assert row.startswith("queue")
    assert "the roll-up says" in what
    await log.stop()


@pytest.mark.asyncio
async def test_weeks_are_rolled_up_in_steps_and_a_hole_in_the_log_stops_nothing(tmp_path: Path) -> None:
    from pbx.store.keeper import Keeper

    clock = [1_700_000_000.0]
    log = Log(tmp_path / "pbx.db", lambda: clock[0], lambda: clock[0])
    log.start()
    log.append(ev.QueueEntered(call_id="lost", entry_id="lost", queue="support"))  # its exit was never written
    for day in range(30):
        clock[0] = 1_700_000_000.0 + day * 86_400
        log.append(ev.QueueEntered(call_id=f"c{day}", entry_id=f"e{day}", queue="support"))
        log.append(ev.QueueLeft(call_id=f"c{day}", entry_id=f"e{day}", queue="support", exit="answered", wait_ms=1000))
    await log.durable()
    clock[0] += 7200
    await Keeper(log, lambda: 1000, thresholds, lambda: clock[0]).roll_up()
    with sqlite3.connect(log.path) as database:
        assert database.execute("SELECT count(*), sum(answered) FROM queue_half_hours").fetchone() == (30, 30)
    database.close()
    await log.stop()


def test_a_start_of_the_server_ends_what_was_open() -> None:
    book = Book().agent(0, "zhang", "logged-out", "ready")
    log = [
        *book.entries,
        Logged(2, book.wall + 60, 1.0, ev.ServerStopped()),
        Logged(3, book.wall + 600, 2.0, ev.ServerStarted()),
    ]
    rolled, mark = roll(log, Mark(floor(book.wall)), book.wall + 7200, thresholds)
    assert sum(rolled.agents.values()) == 60
    assert mark.states == ()
