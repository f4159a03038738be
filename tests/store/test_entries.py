"""Queue entries, agents' time, compatible formats, and the audit that proves the sums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx import events as ev
from pbx.store.agent_time import cut, seconds_by_state, spells
from pbx.store.audit import audit
from pbx.store.cdr import call_record
from pbx.store.cdr_csv import COLUMNS, row
from pbx.store.entries import EXITS, entries_of, sums
from pbx.store.queue_log import QueueLog
from tests.store.book import WALL, Book


def test_every_entry_has_one_exit_and_the_figures_follow() -> None:
    book = Book()
    for n, (exit_, wait_s) in enumerate(
        [("answered", 10), ("answered", 30), ("abandoned", 3), ("abandoned", 40), ("timeout", 15), ("key", 60)]
    ):
        book.call(n, f"c{n}").queued(n, f"c{n}", f"e{n}").left(n + wait_s, f"c{n}", f"e{n}", exit_, wait_s)
    book.call(9, "c9").queued(9, "c9", "e9")
    queue = sums(entries_of(book.entries).values())["support"]
    assert queue.balanced
    assert queue.exits == {"answered": 2, "abandoned": 2, "timeout": 1, "key": 1, "waiting": 1, "emptied": 0,
                           "moved": 0, "callback": 0, "lost": 0}  # fmt: skip
    assert (queue.short_abandoned, queue.answered_in_time, queue.left_in_time) == (1, 1, 1)
    assert queue.service_level == pytest.approx(1 / 5)  # 7 entered, less 1 short abandon, less 1 exit in time
    assert queue.asa_ms == 20_000
    assert queue.longest_wait_ms == 60_000


def test_an_empty_case_is_unknown_and_not_zero() -> None:
    book = Book().call(0, "c").queued(0, "c", "e").left(2, "c", "e", "abandoned", 2)
    queue = sums(entries_of(book.entries).values())["support"]
    assert queue.service_level is None
    assert queue.asa_ms is None


@given(st.lists(st.tuples(st.sampled_from([*EXITS, "waiting"]), st.integers(0, 900)), max_size=60))
def test_the_exits_add_up_whatever_happens(moves: list[tuple[str, int]]) -> None:
    book = Book()
    for n, (exit_, wait_s) in enumerate(moves):
        book.call(n, f"c{n}").queued(n, f"c{n}", f"e{n}")
        if exit_ != "waiting":
            book.left(1000 + n, f"c{n}", f"e{n}", exit_, wait_s)
    for queue in sums(entries_of(book.entries).values()).values():
        assert queue.balanced
        assert queue.service_level is None or 0 <= queue.service_level <= 1
    assert audit(book.entries, WALL + 5000) == []


def test_seconds_in_states_sum_to_the_logged_in_time() -> None:
    book = Book().agent(0, "zhang", "logged-out", "ready").agent(100, "zhang", "ready", "on-call")
    book.agent(160, "zhang", "on-call", "wrap-up").agent(180, "zhang", "wrap-up", "paused", "lunch")
    book.agent(1980, "zhang", "paused", "ready").agent(2000, "zhang", "ready", "logged-out")
    found = seconds_by_state(spells(book.entries, WALL + 9999))
    assert found == {"zhang": {"ready": 120.0, "on-call": 60.0, "wrap-up": 20.0, "paused": 1800.0}}
    assert audit(book.entries, WALL + 9999) == []


def test_a_spell_is_cut_at_the_boundary_of_an_interval() -> None:
    book = (
        Book(wall=1_800_000_000.0 - 600).agent(0, "li", "logged-out", "ready").agent(1500, "li", "ready", "logged-out")
    )
    (spell,) = spells(book.entries, 0)
    assert [(start - 1_800_000_000, part.seconds) for start, part in cut(spell, 1800)] == [(-1800, 600), (0, 900)]


def test_the_audit_names_the_row_that_fails() -> None:
    book = Book().call(0, "c").over(5, "c").over(6, "c").queued(1, "c", "e").left(2, "c", "e", "eaten", 1)
    book.agent(3, "li", "ready", "paused")
    faults = [str(fault) for fault in audit(book.entries, WALL + 10)]
    assert "c: the call ended 2 times" in faults
    assert 'e: unknown exit "eaten"' in faults
    assert "agent li: left ready but was logged-out (seq 7)" in faults


def test_the_queue_log_is_asterisks() -> None:
    book = Book().at(0, ev.ServerStarted()).agent(1, "zhang", "logged-out", "ready")
    book.call(2, "c").queued(2, "c", "e")
    book.at(5, ev.OfferEnded(call_id="c", offer_id="o", entry_id="e", queue="support", agent="li", outcome="missed",
                             ring_ms=3000))  # fmt: skip
    book.at(8, ev.OfferEnded(call_id="c", offer_id="p", entry_id="e", queue="support", agent="zhang",
                             outcome="answered", ring_ms=2000))  # fmt: skip
    book.left(8, "c", "e", "answered", 6, agent="zhang")
    book.at(68, ev.QueueServed(call_id="c", entry_id="e", queue="support", agent="zhang", by="caller", wait_ms=6000,
                               talk_ms=60_000))  # fmt: skip
    book.agent(70, "zhang", "ready", "paused", "lunch").agent(80, "zhang", "paused", "logged-out")
    book.call(90, "d").queued(90, "d", "f").left(99, "d", "f", "abandoned", 9)
    assert [line.partition("|")[2] for line in QueueLog().lines(book.entries)] == [
        "NONE|NONE|NONE|QUEUESTART",
        "NONE|NONE|zhang|AGENTLOGIN|endpoint/2001",
        "c|support|NONE|ENTERQUEUE||13800138000|1",
        "c|support|li|RINGNOANSWER|3000",
        "c|support|zhang|CONNECT|6|c|2",
        "c|support|zhang|COMPLETECALLER|6|60|1",
        "NONE|NONE|zhang|PAUSEALL|lunch",
        "NONE|NONE|zhang|AGENTLOGOFF|endpoint/2001|79",
        "d|support|NONE|ENTERQUEUE||13800138000|1",
        "d|support|NONE|ABANDON|1|1|9",
    ]


def test_nothing_that_a_caller_says_breaks_a_line() -> None:
    book = Book().call(0, "c")
    book.at(0, ev.QueueEntered(call_id="c", entry_id="e", queue="q", caller="a|b\nc", position=1))
    (line,) = QueueLog().lines(book.entries)
    assert line.endswith("|ENTERQUEUE||a b c|1")


def test_the_cdr_has_asterisks_columns() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "endpoint/1002").talk(5, "c", 1, 2)
    book.leaves(65, "c", 1).part(65, "c", 1, 2).over(65, "c")
    found = dict(zip(COLUMNS, row(call_record(book.entries), 1), strict=True))
    assert (found["src"], found["dst"], found["disposition"]) == ("1001", "1002", "ANSWERED")
    assert (found["duration"], found["billsec"]) == ("65", "60")
    assert (found["start"], found["answer"], found["end"]) == (
        "2027-01-15 08:00:00", "2027-01-15 08:00:05", "2027-01-15 08:01:05",
    )  # fmt: skip
