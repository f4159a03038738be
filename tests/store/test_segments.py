"""Records worked out by hand: who is charged for which minutes."""

from __future__ import annotations

from pbx import events as ev
from pbx.store.cdr import call_record
from pbx.store.segments import Segment, segments_of
from tests.store.book import Book


def told(segments: list[Segment]) -> list[tuple[str, str, str, str, int, int, str]]:
    return [(s.one, s.other, s.agent, s.queue, s.talk_ms, s.hold_ms, s.ended_by) for s in segments]


def test_two_colleagues_talk() -> None:
    book = Book().call(0, "c").rings(0.1, "c", 2, "endpoint/1002").talk(5, "c", 1, 2)
    book.leaves(65, "c", 1).part(65, "c", 1, 2).leaves(65, "c", 2, "us").over(65, "c")
    assert told(segments_of(book.entries)) == [("endpoint/1001", "endpoint/1002", "", "", 60_000, 0, "one")]
    record = call_record(book.entries)
    assert (record.duration_ms, record.talk_ms, record.answered_by) == (65_000, 60_000, "endpoint/1002")


def test_hold_by_both_is_counted_once() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "endpoint/1002").talk(10, "c", 1, 2)
    book.at(20, ev.LegHeld(call_id="c", leg_id="c.1", by="peer")).at(
        25, ev.LegHeld(call_id="c", leg_id="c.2", by="peer")
    )
    book.at(30, ev.LegResumed(call_id="c", leg_id="c.1")).at(40, ev.LegResumed(call_id="c", leg_id="c.2"))
    book.leaves(70, "c", 2).part(70, "c", 1, 2).over(70, "c", by="callee")
    assert told(segments_of(book.entries)) == [("endpoint/1001", "endpoint/1002", "", "", 40_000, 20_000, "other")]


def test_a_hold_that_never_ended_is_hold_to_the_end() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "endpoint/1002").talk(10, "c", 1, 2)
    book.at(20, ev.LegHeld(call_id="c", leg_id="c.2", by="peer"))
    book.leaves(50, "c", 1).part(50, "c", 1, 2).over(50, "c")
    (segment,) = segments_of(book.entries)
    assert (segment.talk_ms, segment.hold_ms) == (10_000, 30_000)


def test_an_agent_is_charged_for_their_own_minutes_only() -> None:
    book = Book().call(0, "c", "trunk/carrier", "4001234567").queued(1, "c", "e").rings(2, "c", 2, "agent/zhang")
    book.left(4, "c", "e", "answered", 3, agent="zhang").talk(4, "c", 1, 2)
    book.at(64, ev.LegTransferred(call_id="c", leg_id="c.2", how="blind", target="agent/li", outcome="connected"))
    book.leaves(64, "c", 2).part(64, "c", 1, 2).rings(64, "c", 3, "agent/li").talk(70, "c", 1, 3)
    book.leaves(3670, "c", 1).part(3670, "c", 1, 3).leaves(3670, "c", 3, "us").over(3670, "c")
    assert told(segments_of(book.entries)) == [
        ("trunk/carrier", "agent/zhang", "zhang", "support", 60_000, 0, "transfer"),
        ("trunk/carrier", "agent/li", "li", "support", 3_600_000, 0, "one"),
    ]


def test_a_consultation_is_a_segment_of_its_own() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "agent/zhang").talk(0, "c", 1, 2)
    book.at(10, ev.LegHeld(call_id="c", leg_id="c.1", by="us")).rings(10, "c", 3, "endpoint/1003").talk(12, "c", 2, 3)
    book.part(22, "c", 2, 3).leaves(22, "c", 3).at(22, ev.LegResumed(call_id="c", leg_id="c.1", by="us"))
    book.leaves(42, "c", 1).part(42, "c", 1, 2).over(42, "c")
    found = {(s.one, s.other): (s.talk_ms, s.hold_ms) for s in segments_of(book.entries)}
    assert found == {("agent/zhang", "endpoint/1003"): (10_000, 0), ("endpoint/1001", "agent/zhang"): (30_000, 12_000)}


def test_a_crash_in_the_middle_ends_the_segment_where_the_log_ends() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "endpoint/1002").talk(5, "c", 1, 2)
    book.at(20, ev.LegDigit(call_id="c", leg_id="c.1", digit="1"))
    (segment,) = segments_of(book.entries)
    assert (segment.talk_ms, segment.ended_by) == (15_000, "system")


def test_midnight_does_not_cut_a_segment() -> None:
    book = Book(wall=1_799_999_990.0).call(0, "c").rings(0, "c", 2, "endpoint/1002").talk(0, "c", 1, 2)
    book.leaves(20, "c", 1).part(20, "c", 1, 2).over(20, "c")
    (segment,) = segments_of(book.entries)
    assert segment.talk_ms == 20_000
    assert segment.ended_utc == 1_800_000_010.0


def test_an_unanswered_call_has_no_segment() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "endpoint/1002").leaves(20, "c", 2, "us", "no-answer")
    book.over(20, "c", "no-answer", "system")
    assert segments_of(book.entries) == []
    assert call_record(book.entries).cause == "no-answer"


def test_a_clock_that_jumps_changes_no_duration() -> None:
    book = Book().call(0, "c").rings(0, "c", 2, "endpoint/1002").talk(5, "c", 1, 2)
    book.wall += 7200
    book.leaves(15, "c", 1).part(15, "c", 1, 2).over(15, "c")
    assert segments_of(book.entries)[0].talk_ms == 10_000
    assert call_record(book.entries).duration_ms == 15_000
