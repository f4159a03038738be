"""`pbx report`: a time of the log gives the rows that the whole log gives for it, and reads no more than that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from pbx import events as ev
from pbx.cli.report import WHATS, report
from pbx.store.entries import entries_of
from pbx.store.numbers import numbers
from pbx.store.queue_figures import like_asterisk, queues, settle_waiting
from pbx.store.reader import Reader
from pbx.store.schema import migrate
from tests.store.book import WALL, Book
from tests.store.test_book import LOG

DAY_S = 86_400.0


def days() -> list[ev.Logged]:
    """The book of calls on each of eight days, and an agent who has been ready since the first."""
    found: list[ev.Logged] = []
    for day in range(8):
        more = Book().at(1, ev.CallStarted(call_id="in", direction="inbound", did="400"))
        more.at(2, ev.CallbackChanged(callback_id="b", queue="support", state="promised"))
        more.at(9, ev.CallDisposition(call_id="x", entry_id="e1", agent="zhang", code="sold"))
        if day == 0:
            more.at(60, ev.AgentState(agent="idle", was="logged-out", now="ready", endpoint="2009"))
        if day == 2:
            more.at(3, ev.CallbackChanged(callback_id="b", queue="support", state="connected"))
        for entry in sorted((*LOG, *more.entries), key=lambda one: one.at_utc):
            event = entry.event
            ids = [name for name in ("call_id", "entry_id", "offer_id", "callback_id") if getattr(event, name, "")]
            named = replace(event, **{name: f"{getattr(event, name)}-{day}" for name in ids})
            later = day * DAY_S
            found.append(ev.Logged(len(found) + 1, entry.at_utc + later, entry.at_mono + later, named))
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "pbx.toml").write_text(
        '[queues.support]\ngroup = "help"\n[queues.sales]\n[agents.idle]\nid = "9"\nqueues = { support = 1 }\n'
    )
    (folder / "var").mkdir()
    with closing(sqlite3.connect(folder / "var" / "pbx.db")) as database:
        migrate(database)
        rows = [
            (e.seq, e.at_utc, e.at_mono, e.event.KIND, e.event.call_id, e.event.leg_id, orjson.dumps(e.event.payload()))
            for e in days()
        ]
        with database:
            database.executemany("INSERT INTO events VALUES (?, 1, ?, ?, ?, 1, ?, ?, ?)", rows)
    return folder


def rows(home: Path, *arguments: str) -> list[dict[str, Any]]:
    found = CliRunner().invoke(report, ["-c", str(home), "--json", *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    read: list[dict[str, Any]] = orjson.loads(found.output)
    return read


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("by", ["hour", "day"])
def test_a_time_says_what_the_whole_log_says_of_it(
    home: Path, what: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    whole = [row for row in rows(home, what, "--by", by) if row["began_utc"] < WALL + 7 * DAY_S]
    begins = sorted({row["began_utc"] for row in whole})
    assert whole
    since, until = begins[len(begins) // 3], begins[-1]
    times = [datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M") for at in (since, until)]
    found = rows(home, what, "--by", by, "--since", times[0], "--until", times[1])
    assert found == [row for row in whole if since <= row["began_utc"] < until]


def test_all_is_the_time_that_was_asked_for(home: Path) -> None:
    whole = rows(home, "queues", "--by", "all")
    days = rows(home, "queues", "--by", "day")
    some = rows(home, "queues", "--by", "all", "--since", "2027-01-17 00:00", "--until", "2027-01-19 00:00")
    assert sum(row["entered"] for row in whole) == sum(row["entered"] for row in days)
    assert 0 < sum(row["entered"] for row in some) < sum(row["entered"] for row in whole)


def test_every_figure_opens_to_the_entries_behind_it(home: Path) -> None:
    sums = {row["queue"]: row for row in rows(home, "queues", "--by", "all")}
    calls = rows(home, "queues", "--by", "all", "--calls")
    for queue, row in sums.items():
        mine = [call for call in calls if call["queue"] == queue]
        assert row["entered"] == len(mine)
        assert row["abandoned"] == sum(call["exit"] == "abandoned" for call in mine)
        assert row["short_by_caller"] == sum(
            call["exit"] == "answered" and call["ended_by"] == "caller" and call["talk_s"] < 10 for call in mine
        )


def test_options_of_queues_are_refused_elsewhere(home: Path) -> None:
    found = CliRunner().invoke(report, ["agents", "--calls", "-c", str(home)])
    assert found.exit_code == 2
    assert "pbx report queues" in found.output


def test_asterisk_counts_by_the_end_and_only_who_was_served_or_gave_up() -> None:
    book = Book()
    for number, (exit_, wait_s) in enumerate((("answered", 10), ("answered", 30), ("abandoned", 5), ("timeout", 50))):
        book.queued(number, f"c{number}", f"e{number}")
        agent = "li" if exit_ == "answered" else ""
        book.left(number + wait_s, f"c{number}", f"e{number}", exit_, wait_s, agent=agent)
        if agent:
            book.served(4000 + number, f"c{number}", f"e{number}", agent, "caller", 100)
    entries = entries_of(book.ordered()).values()
    early, late = like_asterisk(entries, lambda queue: (20.0, 5.0), lambda at: (at - WALL) // 3600)
    assert (early["completed"], early["abandoned"], early["servicelevel_perf"]) == (0, 1, None)
    assert (late["completed"], late["holdtime_s"], late["talktime_s"]) == (2, 20.0, 100.0)
    assert (late["servicelevel_perf"], late["servicelevel_perf2"]) == (0.5, 0.5)


def test_refused_overflowed_and_transferred_stand_beside_the_exits() -> None:
    book = Book().queued(0, "c", "e1").left(30, "c", "e1", "timeout", 30)
    book.queued(31, "c", "e2", queue="sales", source="overflow").left(40, "c", "e2", "answered", 9, queue="sales")
    book.served(45, "c", "e2", "li", "agent", 5)
    book.queued(50, "d", "e3").left(90, "d", "e3", "timeout", 40)  # and then voicemail: no overflow
    book.queued(60, "f", "e4", source="transfer").left(62, "f", "e4", "abandoned", 2)
    book.at(70, ev.QueueRefused(call_id="g", queue="support", why="full"))
    log = book.ordered()
    sales, support = queues(entries_of(log).values(), lambda queue: (20.0, 5.0), lambda at: 0.0, refused=log)
    assert (support["entered"], support["timeout"], support["overflowed"], support["refused"]) == (3, 2, 1, 1)
    assert (support["transfer_in"], support["abandoned_share"], support["answered_share"]) == (1, 0.0, 0.0)
    assert (sales["overflow_in"], sales["short_by_agent"], sales["short_by_caller"]) == (1, 1, 0)


def test_who_waits_counts_as_long_as_they_have_waited() -> None:
    """Beyond the threshold as missed, before it as nothing yet."""
    for now, level, longest in ((10.0, None, 10.0), (30.0, 0.0, 30.0)):
        entries = list(entries_of(Book().queued(0, "c", "e").ordered()).values())
        settle_waiting(entries, WALL + now)
        (row,) = queues(entries, lambda queue: (20.0, 5.0), lambda at: 0.0)
        assert (row["service_level"], row["longest_wait_s"], row["waiting"], row["provisional"]) == (
            level,
            longest,
            1,
            True,
        )


def test_by_number_dialled_the_wait_is_total_and_containment_is_of_menus() -> None:
    book = Book()
    for name in ("served", "queued", "left"):
        book.at(0, ev.CallStarted(call_id=name, direction="inbound", did="+862161234567"))
        book.at(1, ev.MenuEntered(call_id=name, menu="main"))
    book.at(0, ev.CallStarted(call_id="inside", direction="internal", dialled="1002"))
    book.at(5, ev.CallServed(call_id="served", what="balance"))
    book.queued(5, "queued", "e1").left(25, "queued", "e1", "timeout", 20)
    book.queued(25, "queued", "e2", queue="sales", source="overflow")
    book.left(35, "queued", "e2", "answered", 10, queue="sales", agent="li")
    (row,) = numbers(book.ordered(), lambda at: 0.0)
    assert (row["number"], row["calls"], row["menu"], row["served"]) == ("+862161234567", 3, 3, 1)
    assert (row["containment"], row["queued"], row["answered"], row["total_wait_s"]) == (0.3333, 1, 1, 30.0)


def test_a_day_is_found_by_an_index(home: Path) -> None:
    with closing(sqlite3.connect(home / "var" / "pbx.db")) as database:
        for sql in (
            "SELECT seq FROM events WHERE kind IN ('a', 'b') AND at_utc >= 1.0 AND at_utc < 2.0 ORDER BY seq",
            "SELECT seq, max(seq) FROM events WHERE kind = 'agent.state' AND at_utc >= 1.0 AND at_utc < 2.0 "
            "GROUP BY json_extract(data, '$.agent')",
        ):
            told = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}"))
            assert "INDEX events_by_kind (kind=? AND at_utc>? AND at_utc<?)" in told, told


@pytest.mark.asyncio
async def test_a_sip_call_id_that_nobody_knows_is_not_looked_for_in_every_leg(tmp_path: Path) -> None:
    path = tmp_path / "pbx.db"
    with closing(sqlite3.connect(path)) as database:
        migrate(database)
        leg = orjson.dumps({"sip_call_id": "known@phone"})
        with database:
            database.execute("INSERT INTO events VALUES (1, 1, 5.0, 5.0, 'leg.created', 1, 'c', 'c.1', ?)", (leg,))
    asked: list[str] = []
    reader = Reader(path)
    await reader.start()
    assert reader._database is not None
    await reader._database.set_trace_callback(asked.append)
    assert await reader.call_named("known@phone") == "c"
    assert await reader.call_named("unknown@phone") == ""
    await reader.stop()
    with closing(sqlite3.connect(path)) as database:
        for sql in asked:
            told = " ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}"))
            assert "=?)" in told, (sql, told)
            assert "(kind=?)" not in told, (sql, told)
