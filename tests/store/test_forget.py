"""A caller who is forgotten leaves every sum as it was and no trace of the number."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.dialplan.number import significant
from pbx.errors import PbxError
from pbx.store.database import Log
from pbx.store.entries import entries_of, sums
from pbx.store.export import read_log
from pbx.store.forget import forgetting, pseudonym, spellings

NUMBER = "13800138000"


@pytest.mark.parametrize("text", [NUMBER, f"+86{NUMBER}", f"0{NUMBER}", f"0086{NUMBER}", f"sip:{NUMBER}@host"])
def test_a_number_is_found_however_it_is_written(text: str) -> None:
    assert spellings(NUMBER).search(text)


@pytest.mark.parametrize("text", ["138001380001", "1380013800", f"{NUMBER}5", f"12345{NUMBER}"])
def test_other_numbers_are_left_alone(text: str) -> None:
    assert not spellings(NUMBER).search(text)


@pytest.mark.parametrize(
    "text", ["+862161234567", "02161234567", "61234567", "8602161234567", "sip:02161234567@host", "2161234567"]
)
@pytest.mark.parametrize("asked", ["+862161234567", "02161234567", "61234567"])
def test_a_landline_is_found_by_each_of_its_spellings(asked: str, text: str) -> None:
    whole, local = significant(asked, "CN", "021")
    assert (whole, local) == ("2161234567", "61234567")
    assert spellings(asked, [whole], [local]).search(text), (asked, text)


@pytest.mark.parametrize("text", ["075561234567", "+8675561234567", "612345678", "161234567"])
def test_another_towns_number_is_left_alone(text: str) -> None:
    assert not spellings("+862161234567", ["2161234567"], ["61234567"]).search(text)


def test_an_extension_cannot_be_forgotten() -> None:
    with pytest.raises(PbxError, match="fewer than 6 digits"):
        spellings("1001")


@pytest.mark.asyncio
async def test_no_trace_is_left_and_the_sums_stay(tmp_path: Path) -> None:
    log = Log(tmp_path / "pbx.db", time.time, time.monotonic)
    log.start()
    for number in (NUMBER, "13900139000"):
        log.append(ev.CallStarted(call_id=f"c{number[1:4]}", caller=f"+86{number}", dialled="400"))
        log.append(ev.QueueEntered(call_id="c", entry_id=f"e{number[1:4]}", queue="support", caller=number))
        log.append(ev.QueueLeft(call_id="c", entry_id=f"e{number[1:4]}", queue="support", exit="abandoned", wait_ms=9))
    log.append(ev.StepRan(step=f"dial trunk/carrier/{NUMBER}"))
    log.append(ev.LegQuality(packets=13800138000))  # a figure, not a number
    await log.durable()
    before = sums(entries_of(read_log(log.path)).values())
    name = pseudonym()
    statements, changed = forgetting(log.path, NUMBER, name)
    assert changed == 3
    await log.execute(statements)
    assert sums(entries_of(read_log(log.path)).values()) == before
    with sqlite3.connect(log.path) as database:
        rows = [data for (data,) in database.execute("SELECT data FROM events")]
    database.close()
    assert sum(name in data for data in rows) == 3
    assert [data for data in rows if NUMBER in data] == ['{"packets":13800138000,"lost":0,"late":0}']
    await log.stop()
