"""Registrations in the database: many at once in two statements, each acknowledged when it is durable."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from pbx.sip.location import Binding
from pbx.sip.message import Flow
from pbx.sip.uri import parse_uri
from pbx.store.bindings import Bindings
from pbx.store.database import Log

FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.2", 5070))


def binding(number: str, port: int) -> Binding:
    return Binding(
        parse_uri(f"sip:{number}@192.0.2.2:{port}"), FLOW, call_id="c", cseq=1, expires_at=99.0, registered_at=1.0
    )


@pytest.mark.asyncio
async def test_many_at_once_are_all_kept_and_the_last_word_of_an_account_counts(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.db", time.time, time.monotonic)
    log.start()
    store = Bindings(log)
    try:
        await asyncio.gather(*(store.save(str(n), [binding(str(n), 5070)]) for n in range(50)))
        await asyncio.gather(store.save("1", [binding("1", 5070), binding("1", 5072)]), store.save("2", []))
        await asyncio.gather(store.save("3", [binding("3", 1)]), store.save("3", [binding("3", 2)]))
        kept: dict[str, list[int | None]] = {}
        for account, found in store.load():
            kept.setdefault(account, []).append(found.contact.port)
    finally:
        await log.stop()
    assert len(kept) == 49
    assert sorted(kept["1"], key=str) == [5070, 5072]
    assert kept["3"] == [2]
    assert "2" not in kept
