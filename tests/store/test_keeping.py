"""Files for other tools, retention of events, backups and the way back."""

from __future__ import annotations

import sqlite3
import tarfile
import time
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.errors import StoreError
from pbx.events import Logged
from pbx.store.audit import audit
from pbx.store.backup import Places, back_up, restore
from pbx.store.cdr import call_record
from pbx.store.cdr_csv import to_csv
from pbx.store.database import Log
from pbx.store.export import query, read_log
from pbx.store.families import families
from pbx.store.keeper import Keeper
from pbx.store.live_files import LiveFiles
from pbx.store.queue_log import QueueLog
from pbx.store.reader import Reader
from pbx.store.recovery import end_interrupted_calls, interrupted_calls
from pbx.store.schema import VIEWS
from tests.store.book import Book
from tests.store.test_book import LOG

DAY_S = 86_400.0


async def a_log(path: Path, start: float | None = None) -> Log:
    """Write the book into a database, its times kept."""
    clock = [0.0]
    log = Log(path, lambda: clock[0], lambda: clock[0])
    shift = 0.0 if start is None else start - LOG[0].at_utc
    clock[0] = LOG[0].at_utc + shift
    log.start()
    for entry in LOG:
        clock[0] = entry.at_utc + shift
        log.append(entry.event)
    await log.durable()
    return log


@pytest.mark.asyncio
async def test_live_files_hold_what_an_export_of_the_log_holds(tmp_path: Path) -> None:
    queue_log, cdr = tmp_path / "logs" / "queue_log", tmp_path / "cdr-csv" / "Master.csv"
    files = LiveFiles(lambda: queue_log, lambda: cdr)
    for number, entry in enumerate(LOG):
        files.take(entry)
        if number == len(LOG) // 2:
            await files.flush()
            queue_log.rename(tmp_path / "queue_log.1")  # rotated in the middle
    await files.stop()
    lines = (tmp_path / "queue_log.1").read_text() + queue_log.read_text()
    assert lines.splitlines() == list(QueueLog().lines(LOG))
    written = sorted(line for line in cdr.read_text().splitlines())
    records = [call_record([e for e in LOG if e.event.call_id == c]) for c in {e.event.call_id for e in LOG} - {""}]
    assert written == sorted(to_csv([record]).strip() for record in records if record.ended_utc is not None)


@pytest.mark.asyncio
async def test_a_file_that_cannot_be_written_is_told_once_and_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    files = LiveFiles(lambda: tmp_path / "taken" / "queue_log", lambda: None)
    for entry in LOG[:20]:
        files.take(entry)
        await files.flush()
    assert [record.message for record in caplog.records if "cannot be written" in record.message] != []
    assert sum("cannot be written" in record.message for record in caplog.records) == 1


def test_the_queue_log_tells_transfers_with_wait_talk_and_place() -> None:
    lines = [line.split("|")[1:] for line in QueueLog().lines(LOG)]
    blind = next(line for line in lines if line[3] == "BLINDTRANSFER")
    assert blind == [
        "a_blind_transfer_charges_each_for_their_own_minutes", "support", "zhang", "BLINDTRANSFER", "1002", "", "10",
        "60", "1",
    ]  # fmt: skip
    attended = next(line for line in lines if line[3] == "ATTENDEDTRANSFER")
    assert attended[2:] == ["zhang", "ATTENDEDTRANSFER", "LINK", "endpoint/1002", "", "10", "45", "1"]
    complete = next(line for line in lines if line[3] == "COMPLETECALLER")
    assert complete[4:] == ["10", "90", "1"]


def returning() -> Book:
    """zhang serves for 60 s and transfers; after 30 s the call comes back, they talk 15 s more, the caller leaves."""
    b = (
        Book()
        .call(0, "c", "trunk/carrier", "400")
        .queued(0, "c", "e")
        .left(10, "c", "e", "answered", 10, agent="zhang")
    )
    b.rings(0, "c", 2, "endpoint/2001").talk(10, "c", 1, 2)
    b.at(70, ev.LegTransferred(call_id="c", leg_id="c.2", how="blind", target="1002", outcome="started"))
    b.part(70, "c", 1, 2).served(70, "c", "e", "zhang", "transfer", 60).rings(70, "c", 3, "endpoint/1002")
    b.at(100, ev.LegTransferred(call_id="c", leg_id="c.1", how="blind", target="1002", outcome="returned"))
    return b.rings(100, "c", 4, "endpoint/2001").talk(105, "c", 1, 4)


def test_a_blind_transfer_that_comes_back_was_none_in_the_queue_log() -> None:
    book = returning().part(120, "c", 1, 4).over(120, "c")
    lines = [line.split("|")[3:] for line in QueueLog().lines(book.ordered())]
    assert [line[1:] for line in lines if line[1] not in ("ENTERQUEUE", "CONNECT")] == [
        ["COMPLETECALLER", "10", "75", "1"]
    ]


def test_who_transfers_again_after_a_return_has_transferred() -> None:
    book = returning()
    book.at(120, ev.LegTransferred(call_id="c", leg_id="c.4", how="blind", target="1003", outcome="started"))
    book.part(120, "c", 1, 4).rings(120, "c", 5, "endpoint/1003").talk(125, "c", 1, 5).over(200, "c")
    lines = [line.split("|")[3:] for line in QueueLog().lines(book.ordered())]
    assert [line[1:] for line in lines if "TRANSFER" in line[1] or "COMPLETE" in line[1]] == [
        ["BLINDTRANSFER", "1003", "", "10", "75", "1"]
    ]


@pytest.mark.asyncio
async def test_after_a_crash_the_live_files_end_what_the_run_before_began(tmp_path: Path) -> None:
    """A caller in a transfer that nobody has taken yet, and one who waits: as an export of the log tells them."""
    path = tmp_path / "pbx.db"
    book = returning().ordered()
    served = next(n for n, entry in enumerate(book) if isinstance(entry.event, ev.QueueServed))
    open_at_the_crash = book[: served + 2]  # it rings where it was sent
    waiting = Book().call(0, "w", "trunk/carrier", "400").queued(3, "w", "f")
    first = Log(path, time.time, time.monotonic)
    first.start()
    for entry in (*open_at_the_crash, *waiting.entries):
        first.append(entry.event)
    await first.stop()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE runs SET stopped_utc = NULL")  # it was killed
    database.close()
    second = Log(path, time.time, time.monotonic)
    second.start()
    assert [entry.event for entry in interrupted_calls(second)] == [
        entry.event for entry in (*open_at_the_crash, *waiting.entries)
    ]
    files = {name: tmp_path / name for name in ("queue_log", "cdr")}
    live = LiveFiles(lambda: files["queue_log"], lambda: files["cdr"])
    second.listeners.append(live.take)
    live.remember(interrupted_calls(second))
    assert end_interrupted_calls(second) == 2
    await second.stop()
    await live.stop()
    lines = files["queue_log"].read_text().splitlines()
    told = [line.split("|")[1:] for line in lines]
    assert told == [
        ["c", "support", "zhang", "BLINDTRANSFER", "1002", "", "10", "60", "1"],
        ["w", "support", "NONE", "WITHDRAW", "1", "1", "0", "lost"],
    ]
    assert lines == list(QueueLog().lines(read_log(path)))[-2:]
    assert [row.count("FAILED") for row in files["cdr"].read_text().splitlines()] == [0, 1]


@pytest.mark.asyncio
async def test_events_that_are_too_old_go_and_what_stays_adds_up(tmp_path: Path) -> None:
    log = await a_log(tmp_path / "pbx.db")
    middle = LOG[len(LOG) // 2].at_utc
    keeper = Keeper(log, lambda: 10, lambda queue: (20.0, 5.0), lambda: middle + 10 * DAY_S)
    young = sum(entry.at_utc >= middle for entry in LOG)
    assert await keeper.forget_old() == len(LOG) - young
    kept = list(read_log(log.path))
    assert len(kept) == young
    assert audit(kept, LOG[-1].at_utc + DAY_S) == []
    assert await keeper.forget_old() == 0
    await log.stop()


@pytest.mark.asyncio
async def test_records_are_found_by_time(tmp_path: Path) -> None:
    log = await a_log(tmp_path / "pbx.db")
    reader = Reader(log.path)
    await reader.start()
    ends = sorted(e.at_utc for e in LOG if isinstance(e.event, ev.CallEnded))
    found = await reader.records(1000, ends[5], ends[9])
    assert sorted(record.ended_utc or 0 for record in found) == ends[5:9]
    assert len(await reader.records(3)) == 3
    whole = await reader.records(1000)
    by_id = {family[0].event.call_id: family for family in families(LOG)}
    for record in whole:
        events = [e for e in by_id.get(record.call_id, []) if e.event.call_id == record.call_id]
        if events:
            one = call_record(events)
            assert (record.duration_ms, record.answered_by, record.cause) == (
                one.duration_ms, one.answered_by, one.cause,
            )  # fmt: skip
    await reader.stop()
    await log.stop()


@pytest.mark.asyncio
async def test_no_question_by_call_reads_the_whole_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await a_log(tmp_path / "pbx.db")
    reader = Reader(log.path)
    await reader.start()
    asked: list[tuple[str, tuple[object, ...]]] = []
    events = reader._events

    async def noted(sql: str, values: tuple[object, ...]) -> list[Logged]:
        asked.append((sql, values))
        return await events(sql, values)

    monkeypatch.setattr(reader, "_events", noted)
    await reader.events_of("busy")
    await reader.records(10, 0.0, 1e12)
    for view in ("v_calls", "v_entries"):
        asked.append((f"SELECT * FROM {view}", ()))
    with sqlite3.connect(log.path) as database:
        for sql, values in asked:
            plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            assert any("events_by_call" in step for step in plan), plan
            assert not any(step.startswith("SCAN e") for step in plan), plan
    database.close()
    await reader.stop()
    await log.stop()


@pytest.mark.asyncio
async def test_the_views_answer_common_questions(tmp_path: Path) -> None:
    log = await a_log(tmp_path / "pbx.db")
    for view in VIEWS:
        query(log.path, f"SELECT * FROM {view} LIMIT 1")
    _, rows = query(
        log.path, "SELECT exit, count(*) FROM v_entries WHERE queue = 'support' GROUP BY exit ORDER BY exit"
    )
    assert rows == [("abandoned", 3), ("answered", 8), ("callback", 1), ("key", 1), ("timeout", 1)]
    _, rows = query(log.path, "SELECT count(*) FROM v_calls WHERE cause = 'busy'")
    assert rows == [(1,)]
    with pytest.raises(StoreError):
        query(log.path, "DELETE FROM events")
    await log.stop()


def places(directory: Path) -> Places:
    return Places(directory, directory, directory / "var" / "pbx.db", directory / "var" / "recordings")


@pytest.mark.asyncio
async def test_a_backup_of_a_running_server_comes_back_whole(tmp_path: Path) -> None:
    home = tmp_path / "home"
    files = {
        "pbx.toml": "[sip]\n", "prompts/en/hello.txt": "x", "var/secrets/1001": "open sesame",
        "var/voicemail/box/1.wav": "message", "var/recordings/2026/11/25/c.wav": "sound",
    }  # fmt: skip
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    (home / "var" / "secrets" / "1001").chmod(0o600)
    log = await a_log(home / "var" / "pbx.db")
    target = tmp_path / "backup.tar.gz"
    assert back_up(places(home), target, "test", recordings=False) == 5
    assert target.stat().st_mode & 0o777 == 0o600
    log.append(ev.CallServed(what="after the backup"))
    await log.stop()
    assert restore(target, tmp_path / "new")["version"] == "test"
    for name, text in files.items():
        path = tmp_path / "new" / name
        assert path.exists() != name.startswith("var/recordings")
        if path.exists():
            assert path.read_text() == text
    assert (tmp_path / "new" / "var" / "secrets" / "1001").stat().st_mode & 0o777 == 0o600
    kept = [entry.event for entry in read_log(tmp_path / "new" / "var" / "pbx.db")]
    assert kept == [entry.event for entry in LOG]
    with_sound = tmp_path / "all.tar.gz"
    assert back_up(places(home), with_sound, "test", recordings=True) == 6
    with pytest.raises(StoreError, match="is not empty"):
        restore(target, home)


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(StoreError, match="cannot restore"):
        restore(tmp_path / "junk", tmp_path / "new")
    evil = tmp_path / "evil.tar.gz"
    with tarfile.open(evil, "w:gz") as archive:
        for name, text in (
            ("backup.json", '{"version": "1", "schema": 1, "at_utc": 0, "database": "var/pbx.db"}'),
            ("state/../../escaped", "x"),
        ):
            (tmp_path / "part").write_text(text)
            archive.add(tmp_path / "part", name)
    with pytest.raises(StoreError, match="leads out of the directory"):
        restore(evil, tmp_path / "new")
    assert not (tmp_path.parent / "escaped").exists()


@pytest.mark.asyncio
async def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    from pbx.store.schema import MIGRATIONS

    path = tmp_path / "pbx.db"
    old = sqlite3.connect(path)
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO events VALUES (1, 1, 5.0, 5.0, 'call.started', 1, 'c', '', '{\"caller\": \"1001\"}')")
    old.commit()
    old.close()
    log = Log(path, time.time, time.monotonic)
    log.start()
    await log.stop()
    assert query(path, "SELECT caller FROM v_calls") == (["caller"], [("1001",)])
    assert query(path, "SELECT count(*) FROM recordings")[1] == [(0,)]
