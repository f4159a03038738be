"""The database's shape, by version; each migration is a list of statements run once."""

from __future__ import annotations

import sqlite3

from pbx.errors import StoreError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            run INTEGER PRIMARY KEY, started_utc REAL NOT NULL, version TEXT NOT NULL, stopped_utc REAL
        )""",
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY, run INTEGER NOT NULL, at_utc REAL NOT NULL, at_mono REAL NOT NULL,
            kind TEXT NOT NULL, version INTEGER NOT NULL, call_id TEXT NOT NULL, leg_id TEXT NOT NULL,
            data TEXT NOT NULL
        )""",
        "CREATE INDEX events_by_call ON events (call_id, seq) WHERE call_id != ''",
        "CREATE INDEX events_by_kind ON events (kind, at_utc)",
        """CREATE TABLE bindings (
            account TEXT NOT NULL, contact TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (account, contact)
        ) WITHOUT ROWID""",
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    ),
    (
        "CREATE TABLE desk_agents (name TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE desk_callbacks (callback_id TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        """CREATE TABLE configs (
            number INTEGER PRIMARY KEY AUTOINCREMENT, at_utc REAL NOT NULL, digest TEXT NOT NULL, by TEXT NOT NULL,
            changes TEXT NOT NULL, files TEXT NOT NULL
        )""",
    ),
    (
        """CREATE TABLE recordings (
            recording_id TEXT PRIMARY KEY, call_id TEXT NOT NULL, leg_id TEXT NOT NULL, other TEXT NOT NULL,
            queue TEXT NOT NULL, agent TEXT NOT NULL, caller TEXT NOT NULL, dialled TEXT NOT NULL, path TEXT NOT NULL,
            started_utc REAL NOT NULL, ended_utc REAL, duration_ms INTEGER NOT NULL, marks TEXT NOT NULL,
            size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, sealed_seq INTEGER NOT NULL, held INTEGER NOT NULL,
            deleted_utc REAL, deleted_by TEXT NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX recordings_by_call ON recordings (call_id)",
        "CREATE INDEX recordings_by_caller ON recordings (caller, started_utc)",
        "CREATE INDEX recordings_by_agent ON recordings (agent, started_utc)",
        "CREATE INDEX recordings_by_queue ON recordings (queue, started_utc)",
        "CREATE INDEX recordings_by_time ON recordings (started_utc)",
    ),
)


def migrate(database: sqlite3.Connection) -> None:
    """Bring a database to this version.

    :raises StoreError: when it was written by a newer one.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(f"the database is of version {version}, this program knows {len(MIGRATIONS)}: use a newer pbx")
    for number in range(version, len(MIGRATIONS)):
        with database:
            for statement in MIGRATIONS[number]:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {number + 1}")
