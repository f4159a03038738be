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
    (
        """CREATE TABLE queue_half_hours (
            began_utc INTEGER NOT NULL, queue TEXT NOT NULL, entered INTEGER NOT NULL, answered INTEGER NOT NULL,
            abandoned INTEGER NOT NULL, timeout INTEGER NOT NULL, key INTEGER NOT NULL, emptied INTEGER NOT NULL,
            moved INTEGER NOT NULL, callback INTEGER NOT NULL, lost INTEGER NOT NULL, short_abandoned INTEGER NOT NULL,
            answered_in_time INTEGER NOT NULL, left_in_time INTEGER NOT NULL, wait_ms_of_answered INTEGER NOT NULL,
            longest_wait_ms INTEGER NOT NULL, PRIMARY KEY (began_utc, queue)
        ) WITHOUT ROWID""",
        """CREATE TABLE agent_half_hours (
            began_utc INTEGER NOT NULL, agent TEXT NOT NULL, state TEXT NOT NULL, seconds REAL NOT NULL,
            PRIMARY KEY (began_utc, agent, state)
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE INDEX legs_by_sip_call_id ON events (json_extract(data, '$.sip_call_id'))
            WHERE kind = 'leg.created'""",
    ),
)


# Made anew at each start, so that they follow the program: what people ask most, without JSON (docs/schema.md).
VIEWS: dict[str, str] = {
    "v_calls": """SELECT s.call_id, datetime(s.at_utc, 'unixepoch') AS started,
        datetime(e.at_utc, 'unixepoch') AS ended,
        json_extract(s.data, '$.direction') AS direction, json_extract(s.data, '$.source') AS source,
        json_extract(s.data, '$.caller') AS caller, json_extract(s.data, '$.dialled') AS dialled,
        json_extract(e.data, '$.cause') AS cause, json_extract(e.data, '$.status') AS status,
        json_extract(e.data, '$.by') AS ended_by, s.at_utc AS started_utc, e.at_utc AS ended_utc
        FROM events s LEFT JOIN events e ON e.call_id = s.call_id AND e.call_id != '' AND e.kind = 'call.ended'
        WHERE s.kind = 'call.started'""",
    "v_entries": """SELECT json_extract(s.data, '$.entry_id') AS entry_id, s.call_id,
        json_extract(s.data, '$.queue') AS queue, json_extract(s.data, '$.caller') AS caller,
        json_extract(s.data, '$.source') AS source, datetime(s.at_utc, 'unixepoch') AS entered,
        coalesce(json_extract(e.data, '$.exit'), 'waiting') AS exit, json_extract(e.data, '$.agent') AS agent,
        coalesce(json_extract(e.data, '$.wait_ms'), 0) / 1000.0 AS wait_s, s.at_utc AS entered_utc
        FROM events s LEFT JOIN events e ON e.call_id = s.call_id AND e.call_id != '' AND e.kind = 'queue.left'
            AND json_extract(e.data, '$.entry_id') = json_extract(s.data, '$.entry_id')
        WHERE s.kind = 'queue.entered'""",
    "v_offers": """SELECT json_extract(data, '$.offer_id') AS offer_id, call_id, json_extract(data, '$.queue') AS queue,
        json_extract(data, '$.agent') AS agent, json_extract(data, '$.outcome') AS outcome,
        coalesce(json_extract(data, '$.ring_ms'), 0) / 1000.0 AS ring_s, datetime(at_utc, 'unixepoch') AS ended,
        at_utc AS ended_utc FROM events WHERE kind = 'offer.ended'""",
    "v_agent_states": """SELECT json_extract(data, '$.agent') AS agent, json_extract(data, '$.was') AS was,
        json_extract(data, '$.now') AS now, json_extract(data, '$.cause') AS cause,
        json_extract(data, '$.reason') AS reason, datetime(at_utc, 'unixepoch') AS at, at_utc
        FROM events WHERE kind = 'agent.state'""",
    "v_registrations": """SELECT json_extract(data, '$.endpoint') AS endpoint, kind,
        json_extract(data, '$.contact') AS contact, json_extract(data, '$.source') AS source,
        json_extract(data, '$.cause') AS cause, datetime(at_utc, 'unixepoch') AS at, at_utc
        FROM events WHERE kind IN ('registration.added', 'registration.removed')""",
    "v_operators": """SELECT json_extract(data, '$.who') AS who, json_extract(data, '$.what') AS what,
        json_extract(data, '$.target') AS target, call_id, datetime(at_utc, 'unixepoch') AS at, at_utc
        FROM events WHERE kind = 'operator.did'""",
}


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
    with database:
        for name, sql in VIEWS.items():
            database.execute(f"DROP VIEW IF EXISTS {name}")
            database.execute(f"CREATE VIEW {name} AS {sql}")
