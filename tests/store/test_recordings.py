"""The archive: each file sealed, each change of one found, nothing deleted that is held."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.store.archive import Archive, Held, verify
from pbx.store.audit import audit_recordings
from pbx.store.database import Log
from pbx.store.export import read_log
from pbx.store.recordings import check_chain, derive

pytestmark = pytest.mark.asyncio
DAY_S = 86_400.0


class Shelf:
    """A log, a folder and an archive."""

    def __init__(self, directory: Path, *, retain_days: int | None = None, wall: float = 0.0) -> None:
        self.directory = directory
        self.folder = directory / "recordings"
        self.shift = wall
        self.log = Log(directory / "pbx.db", self.now, time.monotonic)
        self.log.start()
        self.archive = Archive(self.log, lambda: self.folder, lambda: retain_days, self.now)

    def now(self) -> float:
        return time.time() + self.shift

    def file(self, recording_id: str, content: bytes = b"sound") -> Path:
        path = self.folder / "2026" / "11" / "25" / f"{recording_id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def begins(self, recording_id: str, content: bytes = b"sound", **more: str) -> Path:
        path = self.file(recording_id, content)
        name = str(path.relative_to(self.folder))
        self.log.append(ev.RecordingStarted(call_id=recording_id, recording_id=recording_id, path=name, **more))
        return path

    def ends(self, recording_id: str) -> None:
        self.log.append(ev.RecordingEnded(call_id=recording_id, recording_id=recording_id, duration_ms=1000))
        self.log.append(ev.RecordingWritten(call_id=recording_id, recording_id=recording_id, outcome="stopped"))

    async def made(self, recording_id: str, content: bytes = b"sound", **more: str) -> Path:
        path = self.begins(recording_id, content, **more)
        self.ends(recording_id)
        await self.archive._whole.join()
        await self.log.durable()
        return path

    async def close(self) -> None:
        await self.archive.stop()
        await self.log.stop()


@asynccontextmanager
async def shelf(directory: Path, **options: object) -> AsyncIterator[Shelf]:
    made = Shelf(directory, **options)  # type: ignore[arg-type]
    made.archive.start()
    try:
        yield made
    finally:
        await made.close()


async def test_a_recording_is_sealed_and_found_by_any_field(tmp_path: Path) -> None:
    async with shelf(tmp_path) as s:
        await s.made("r1", caller="13800138000", agent="zhang", queue="support", dialled="400")
        await s.made("r2", b"other", caller="13900139000", agent="li", queue="sales")
        s.log.append(ev.RecordingMarked(call_id="r2", recording_id="r2", mark="paused", at_ms=5))
        for asked in ({"caller": "13800138000"}, {"agent": "zhang"}, {"queue": "support"}, {"call_id": "r1"}):
            (row,) = s.archive.find(**asked)  # type: ignore[arg-type]
            assert row.recording_id == "r1"
            assert (row.size_bytes, len(row.sha256), row.duration_ms) == (5, 64, 1000)
        assert [r.recording_id for r in s.archive.find()] == ["r2", "r1"]
        assert s.archive.find(until_utc=1.0) == []
        assert await s.archive.verify() == []


async def test_marks_are_kept_with_their_place(tmp_path: Path) -> None:
    async with shelf(tmp_path) as s:
        s.begins("r1")
        for mark, at_ms in (("paused", 500), ("resumed", 900)):
            s.log.append(ev.RecordingMarked(call_id="r1", recording_id="r1", mark=mark, at_ms=at_ms, cause="card"))
        s.ends("r1")
        await s.archive._whole.join()
        await s.log.durable()
        (row,) = s.archive.find()
        assert row.marks == [[500, "paused", "card"], [900, "resumed", "card"]]


async def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    async with shelf(tmp_path) as s:
        path = await s.made("r1")
        await s.made("r2")
        data = bytearray(path.read_bytes())
        data[2] ^= 1
        path.write_bytes(data)
        ((name, fault),) = await s.archive.verify()
        assert name == "r1"
        assert "is not what was recorded" in fault
        assert [str(f) for f in audit_recordings(s.log.path, s.folder)] == [f"recording r1: {fault}"]


async def test_files_that_vanish_appear_or_return_are_found(tmp_path: Path) -> None:
    async with shelf(tmp_path) as s:
        gone = await s.made("gone")
        await s.made("deleted")
        s.file("stray")
        gone.unlink()
        row = s.archive.get("deleted")
        assert row is not None
        await s.archive.delete(row, "boss")
        s.file("deleted")
        faults = dict(await s.archive.verify())
        assert "is missing" in faults["gone"]
        assert "is in no record" in faults["stray"]
        assert "was deleted by boss" in faults["deleted"]
        assert len(faults) == 3


async def test_a_seal_that_is_changed_or_taken_out_breaks_the_chain(tmp_path: Path) -> None:
    async with shelf(tmp_path) as s:
        for number in range(4):
            await s.made(f"r{number}", str(number).encode())
        seals = [e for e in read_log(s.log.path) if isinstance(e.event, ev.RecordingSealed)]
        assert list(check_chain(seals)) == []
        assert [name for name, _ in check_chain([*seals[:1], *seals[2:]])] == ["r2"]
        await s.log.execute(
            [("UPDATE events SET data = json_set(data, '$.sha256', 'x') WHERE seq = ?", (seals[2].seq,))]
        )
        assert ("r2", "its seal was changed") in await s.archive.verify()


async def test_what_is_held_is_deleted_by_nobody(tmp_path: Path) -> None:
    async with shelf(tmp_path, retain_days=10) as s:
        path = await s.made("r1")
        await s.made("r2")
        row = s.archive.get("r1")
        assert row is not None
        await s.archive.hold(row, "lawyer", on=True)
        held = s.archive.get("r1")
        assert held is not None
        with pytest.raises(Held, match="is held"):
            await s.archive.delete(held, "boss")
        s.shift = 11 * DAY_S
        assert await s.archive.delete_old() == 1  # r2 alone
        assert path.exists()
        await s.archive.hold(held, "lawyer", on=False)
        assert await s.archive.delete_old() == 1
        assert not path.exists()
        after = s.archive.get("r1")
        assert after is not None
        assert after.deleted_by == "retention"
        assert await s.archive.verify() == []


async def test_the_table_is_what_the_log_says(tmp_path: Path) -> None:
    async with shelf(tmp_path) as s:
        await s.made("r1", caller="1")
        await s.made("r2")
        row = s.archive.get("r2")
        assert row is not None
        await s.archive.hold(row, "x", on=True)
        await s.archive.hold(row, "x", on=False)
        await s.archive.delete(row, "x")
        assert audit_recordings(s.log.path, s.folder) == []
        assert derive(read_log(s.log.path))["r2"] == s.archive.get("r2")
        await s.log.execute([("UPDATE recordings SET agent = 'nobody' WHERE recording_id = 'r1'", ())])
        assert [str(f) for f in audit_recordings(s.log.path, s.folder)] == [
            "recording r1: the index says agent='nobody', the log ''"
        ]


async def test_what_a_crash_left_is_sealed_at_the_next_start(tmp_path: Path) -> None:
    s = Shelf(tmp_path)
    s.archive.start()
    s.begins("cut", b"half a sound")
    await s.log.durable()
    for task in s.archive._tasks:  # the process dies: nothing is sealed
        task.cancel()
    s.file("unknown-1", b"its events were lost" * 10)
    silent = s.file("unknown-2", b"a header and no sound".ljust(44))
    await s.log.stop()
    async with shelf(tmp_path) as again:
        await again.archive._whole.join()
        await again.log.durable()
        for name, size in (("cut", 12), ("unknown-1", 200)):
            row = again.archive.get(name)
            assert row is not None
            assert row.size_bytes == size
        assert not silent.exists()
        assert await again.archive.verify() == []
        assert verify(again.log.path, again.folder) == []
        (seal,) = [e.event for e in read_log(again.log.path) if getattr(e.event, "recording_id", "") == "cut"][1:]
        assert isinstance(seal, ev.RecordingSealed)
        assert seal.cause == "restart"
    await asyncio.sleep(0)
