"""A backup of a running server, and the way back: one archive of database, configuration and what belongs to them."""

from __future__ import annotations

import io
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from pbx.errors import StoreError
from pbx.store.export import open_read_only
from pbx.store.schema import MIGRATIONS

MANIFEST = "backup.json"
DATABASE = "pbx.db"
SKIPPED = (".sock", ".partial")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a server has its things."""

    directory: Path  # the configuration
    base: Path  # above var/
    database: Path
    recordings: Path


def back_up(places: Places, target: Path, version: str, *, recordings: bool) -> int:
    """Write the configuration, secrets, voicemail, prompts, the database and, where wanted, the recordings.

    A running server goes on; the database is one consistent snapshot.

    :returns: the number of files.
    :raises StoreError: where something cannot be read or written.
    """
    partial = target.with_name(target.name + ".partial")
    count = 0
    try:
        partial.touch(mode=0o600)  # there are secrets in it
        with tempfile.TemporaryDirectory() as scratch, tarfile.open(partial, "w:gz", compresslevel=6) as archive:
            snapshot = Path(scratch) / DATABASE
            with closing(open_read_only(places.database)) as source, closing(sqlite3.connect(snapshot)) as copy:
                source.backup(copy, pages=4096)
            manifest = {
                "version": version, "at_utc": time.time(), "schema": len(MIGRATIONS), "recordings": recordings,
                "database": str(places.database.relative_to(places.base)),
            }  # fmt: skip
            _add_bytes(archive, MANIFEST, orjson.dumps(manifest))
            archive.add(snapshot, f"database/{DATABASE}")
            for name, path in _files(places, recordings=recordings):
                archive.add(path, name, recursive=False)
                count += 1
        partial.rename(target)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write {target}: {error}") from error
    return count + 1


def _files(places: Places, *, recordings: bool) -> Iterator[tuple[str, Path]]:
    base, var = places.base, places.base / "var"
    for path in sorted(places.directory.rglob("*")):
        if path.is_file() and not path.is_relative_to(places.directory / "var") and not path.is_relative_to(var):
            yield f"conf/{path.relative_to(places.directory)}", path
    folders = [var, places.recordings] if recordings and not places.recordings.is_relative_to(var) else [var]
    for path in (path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*"))):
        database = path.name.startswith(places.database.name) and path.parent == places.database.parent
        if not path.is_file() or database or path.name.endswith(SKIPPED):
            continue
        if recordings or not path.is_relative_to(places.recordings):
            yield f"state/{path.relative_to(base)}", path


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))


def restore(source: Path, directory: Path) -> dict[str, object]:
    """Write a backup into an empty *directory*; return its manifest.

    :raises StoreError: where it is no backup, comes from a newer program, or the directory is not empty.
    """
    if directory.exists() and any(directory.iterdir()):
        raise StoreError(
            f"{directory} is not empty: restore into a new directory, then let it take the old one's place"
        )
    try:
        with tarfile.open(source, "r:gz") as archive:
            first = archive.extractfile(MANIFEST)
            if first is None:
                raise StoreError(f"{source} is no backup of a pbx")
            manifest: dict[str, object] = orjson.loads(first.read())
            if int(str(manifest["schema"])) > len(MIGRATIONS):
                raise StoreError(f"{source} was made by pbx {manifest['version']}: use that, or a newer one")
            directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            for entry in archive.getmembers():
                _restore_one(archive, entry, directory, Path(str(manifest["database"])))
    except (OSError, KeyError, tarfile.TarError, orjson.JSONDecodeError) as error:
        raise StoreError(f"cannot restore {source}: {error}") from error
    return manifest


def _restore_one(archive: tarfile.TarFile, entry: tarfile.TarInfo, directory: Path, database: Path) -> None:
    """Write one file; a name that leads elsewhere is refused."""
    room, _, name = entry.name.partition("/")
    if not entry.isfile() or room not in ("conf", "state", "database"):
        return
    place = database if room == "database" else Path(name)
    target = directory / place
    if place.is_absolute() or ".." in place.parts:
        raise StoreError(f"{entry.name} leads out of the directory: this is no backup of ours")
    content = archive.extractfile(entry)
    assert content is not None
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    target.write_bytes(content.read())
    target.chmod(entry.mode & 0o777)
