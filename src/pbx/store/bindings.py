"""Registrations and the nonce key, kept over a restart."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any

import orjson

from pbx.sip.location import Binding
from pbx.sip.message import Flow
from pbx.sip.uri import parse_uri
from pbx.store.database import Log, Statement


class Bindings:
    """The registrar's store in the log's database."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def save(self, account: str, bindings: list[Binding]) -> None:
        """Replace an account's bindings; done when durable."""
        statements: list[Statement] = [("DELETE FROM bindings WHERE account = ?", (account,))]
        for b in bindings:
            row = (account, b.key, orjson.dumps(_plain(b)).decode())
            statements.append(("INSERT OR REPLACE INTO bindings VALUES (?, ?, ?)", row))
        await self._log.execute(statements)

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
