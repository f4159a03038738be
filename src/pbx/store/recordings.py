"""The index of recordings: one row a file, derived from the log; a chain of hashes that names what was changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

import orjson

from pbx import events as ev
from pbx.events import Logged
from pbx.store.database import Statement

KINDS = ("recording.started", "recording.marked", "recording.ended", "recording.sealed", "recording.touched")
BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class Recording:
    """One file and what is known of it; times in seconds since the epoch."""

    recording_id: str
    call_id: str
    leg_id: str = ""
    other: str = ""  # leg_id of the right channel
    queue: str = ""
    agent: str = ""
    caller: str = ""
    dialled: str = ""
    path: str = ""  # below recordings.path
    started_utc: float = 0.0
    ended_utc: float | None = None
    duration_ms: int = 0
    marks: list[list[object]] = field(default_factory=list)  # [milliseconds, mark, cause]
    size_bytes: int = 0
    sha256: str = ""
    sealed_seq: int = 0  # place in the chain; 0: not sealed yet
    held: bool = False
    deleted_utc: float | None = None
    deleted_by: str = ""

    def take(self, entry: Logged) -> None:
        """Follow an event about this recording."""
        event = entry.event
        if isinstance(event, ev.RecordingMarked):
            self.marks.append([event.at_ms, event.mark, event.cause])
        elif isinstance(event, ev.RecordingEnded):
            self.ended_utc, self.duration_ms = entry.at_utc, event.duration_ms
        elif isinstance(event, ev.RecordingSealed):
            self.size_bytes, self.sha256, self.sealed_seq = event.size_bytes, event.sha256, entry.seq
        elif isinstance(event, ev.RecordingTouched):
            if event.what in ("held", "released"):
                self.held = event.what == "held"
            elif event.what == "deleted":
                self.deleted_utc, self.deleted_by = entry.at_utc, event.who


COLUMNS = tuple(f.name for f in fields(Recording))
_UPSERT = f"INSERT OR REPLACE INTO recordings ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def begun(entry: Logged) -> Recording:
    """Return the row of a recording that begins."""
    event = entry.event
    assert isinstance(event, ev.RecordingStarted)
    return Recording(
        event.recording_id, event.call_id, event.leg_id, event.other, event.queue, event.agent, event.caller,
        event.dialled, event.path, entry.at_utc,
    )  # fmt: skip


def derive(entries: Iterable[Logged]) -> dict[str, Recording]:
    """Derive the index from the log."""
    found: dict[str, Recording] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, ev.RecordingStarted):
            found[event.recording_id] = begun(entry)
        elif isinstance(event, ev.RecordingMarked | ev.RecordingEnded | ev.RecordingSealed | ev.RecordingTouched):
            row = found.get(event.recording_id)
            if row is not None:
                row.take(entry)
    return found


def upsert(row: Recording) -> Statement:
    """Return the statement that keeps a row."""
    values = [orjson.dumps(v).decode() if isinstance(v, list) else v for v in astuple(row)]
    return _UPSERT, tuple(values)


def from_row(values: Iterable[object]) -> Recording:
    """Read a row of the table."""
    made = dict(zip(COLUMNS, values, strict=True))
    made["marks"] = orjson.loads(str(made["marks"]))
    made["held"] = bool(made["held"])
    return Recording(**made)  # type: ignore[arg-type]


def table(database: sqlite3.Connection) -> dict[str, Recording]:
    """Read the whole index."""
    rows = database.execute(f"SELECT {', '.join(COLUMNS)} FROM recordings")
    return {row.recording_id: row for row in map(from_row, rows)}


# ---- hashes --------------------------------------------------------------------------------------------------------


def hash_file(path: Path) -> tuple[int, str]:
    """Return size and SHA-256; ("" and 0) where there is no file."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
    except FileNotFoundError:
        return 0, ""
    return size, digest.hexdigest()


def link(previous: str, recording_id: str, path: str, size_bytes: int, sha256: str) -> str:
    """Return the chain's next value: it holds everything before it fast."""
    text = "\n".join((previous, recording_id, path, str(size_bytes), sha256))
    return hashlib.sha256(text.encode()).hexdigest()


def check_chain(seals: Iterable[Logged]) -> Iterator[tuple[str, str]]:
    """Yield (recording, what is wrong) for every link that does not follow from the one before it."""
    before: str | None = None
    for entry in seals:
        event = entry.event
        if not isinstance(event, ev.RecordingSealed):
            continue
        if before is not None and event.previous != before:
            yield event.recording_id, "the chain of hashes is broken before it: a seal is missing or was changed"
        if link(event.previous, event.recording_id, event.path, event.size_bytes, event.sha256) != event.chain:
            yield event.recording_id, "its seal was changed"
        before = event.chain


def check_files(rows: Iterable[Recording], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (recording, what is wrong) for every file that is not what its seal says, and for files without a row."""
    known: set[Path] = set()
    for row in rows:
        path = folder / row.path
        known.add(path)
        if row.deleted_utc is not None:
            if path.exists():
                yield row.recording_id, f"was deleted by {row.deleted_by}, but {row.path} is there"
        elif row.sealed_seq:
            size, digest = hash_file(path)
            if row.sha256 and not digest:
                yield row.recording_id, f"{row.path} is missing"
            elif digest != row.sha256:
                yield row.recording_id, f"{row.path} is not what was recorded ({size} bytes, sealed {row.size_bytes})"
    for path in sorted(folder.rglob("*.wav")) if folder.is_dir() else []:
        if path not in known:
            yield path.stem, f"{path.relative_to(folder)} is in no record"
