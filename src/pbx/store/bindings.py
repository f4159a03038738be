"""Registrations and the nonce key, kept over a restart."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from typing import Any

import orjson

from pbx.sip.location import Binding
from pbx.sip.message import Flow
from pbx.sip.uri import parse_uri
from pbx.store.database import Log

CLEAR = "DELETE FROM bindings WHERE account IN (SELECT value FROM json_each(?))"
INSERT = """
INSERT OR REPLACE INTO bindings
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?)
"""
Row = tuple[str, str, str]  # account, key, the rest as JSON


class Bindings:
    """The registrar's store in the log's database."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: dict[str, list[Row]] = {}  # by account
        self._batch: asyncio.Task[None] | None = None

    async def save(self, account: str, bindings: list[Binding]) -> None:
        """Replace an account's bindings; done when durable. All of one turn of the loop go in two statements."""
        self._waiting[account] = [(account, b.key, orjson.dumps(_plain(b)).decode()) for b in bindings]
        if self._batch is None:
            self._batch = asyncio.get_running_loop().create_task(self._write())
        await asyncio.shield(self._batch)

    async def _write(self) -> None:
        waiting, self._waiting, self._batch = self._waiting, {}, None
        rows = [row for found in waiting.values() for row in found]
        await self._log.execute([(CLEAR, (_json(list(waiting)),)), (INSERT, (_json(rows),))])

    def load(self) -> list[tuple[str, Binding]]:
        with sqlite3.connect(self._log.path) as database:
            rows = database.execute("SELECT account, data FROM bindings").fetchall()
        database.close()
        return [(account, _binding(orjson.loads(data))) for account, data in rows]


def nonce_key(log: Log) -> bytes:
    """Return the key that seals nonces, made once for a database."""
    with sqlite3.connect(log.path) as database:
        database.execute("INSERT OR IGNORE INTO settings VALUES ('nonce-key', ?)", (secrets.token_bytes(32),))
        (key,) = database.execute("SELECT value FROM settings WHERE name = 'nonce-key'").fetchone()
    database.close()
    return bytes(key)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _plain(b: Binding) -> dict[str, object]:
    return {
        "contact": str(b.contact), "flow": [b.flow.transport, list(b.flow.local), list(b.flow.remote)],
        "call_id": b.call_id, "cseq": b.cseq, "expires_at": b.expires_at, "user_agent": b.user_agent,
        "instance": b.instance, "reg_id": b.reg_id, "path": list(b.path), "q": b.q, "registered_at": b.registered_at,
    }  # fmt: skip


def _binding(data: dict[str, Any]) -> Binding:
    transport, local, remote = data.pop("flow")
    contact, path = parse_uri(data.pop("contact")), tuple(data.pop("path"))
    return Binding(contact, Flow(transport, tuple(local), tuple(remote)), path=path, **data)
