"""Reports by interval: what occupancy, utilisation, handling time and first-call resolution come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pbx import events as ev
from pbx.cli.report import DEFINITIONS, bounds, report
from pbx.store import figures
from pbx.store.agent_time import occupancy, seconds_by_state, spells, utilisation
from pbx.store.database import Log
from pbx.store.entries import entries_of
from pbx.store.rollup import Mark, floor, roll
from pbx.store.today import Today
from tests.store.book import WALL, Book

DAY_S = 86_400.0
THRESHOLDS = (20.0, 5.0)


def shift() -> Book:
    """Ready 100 s, a queue call of 60 s with 30 s of wrap-up, a direct call of 50 s, training 40 s, lunch 120 s."""
    book = Book().call(0, "c").queued(100, "c", "e")
    was, log = "logged-out", book
    for second, state, reason, doing in (
        (0, "ready", "", ""), (100, "reserved", "", ""), (100, "ringing", "", ""), (110, "on-call", "", ""),
        (170, "wrap-up", "", ""), (200, "on-call", "", "direct"), (250, "paused", "training", "productive"),
        (290, "paused", "lunch", ""), (410, "logged-out", "", ""),
    ):  # fmt: skip
        log.at(second, ev.AgentState(agent="zhang", was=was, now=state, reason=reason, doing=doing, endpoint="2001"))
        was = state
    log.offered(100, 110, "c", "e", "zhang", "answered").left(110, "c", "e", "answered", 10, agent="zhang")
    return log.served(170, "c", "e", "zhang", "caller", 60)


def test_direct_calls_and_productive_pauses_are_told_apart() -> None:
    seconds = seconds_by_state(spells(shift().ordered(), WALL + 1000))["zhang"]
    assert seconds == {
        "ready": 100, "ringing": 10, "on-call": 60, "wrap-up": 30, "direct-call": 50, "productive-pause": 40,
        "paused": 120,
    }  # fmt: skip
    assert occupancy(seconds) == pytest.approx(90 / 200)  # direct calls and pauses are no part of it
    assert utilisation(seconds) == pytest.approx((90 + 50 + 40) / 410)
    assert occupancy({}) is utilisation({}) is None


def test_a_report_of_agents_says_the_same_in_one_interval_and_in_many() -> None:
    log = shift().ordered()
    (whole,) = figures.agents(log, WALL + 1000, bounds("all", "00:00"))
    assert (whole["answered"], whole["aht_s"], whole["answer_rate"]) == (1, 90.0, 1.0)
    assert (whole["occupancy"], whole["utilisation"], whole["logged_in_s"]) == (0.45, 0.439, 410.0)
    cut = figures.agents(log, WALL + 1000, lambda at: at // 60 * 60)
    assert len(cut) == 7
    assert sum(row["logged_in_s"] for row in cut) == pytest.approx(410, abs=0.5)  # type: ignore[misc]
    assert all(row["logged_in_s"] <= 60.1 for row in cut)  # type: ignore[operator]


def test_half_hours_and_the_day_carry_them_too() -> None:
    log = shift().ordered()
    rolled, _ = roll(log, Mark(floor(WALL)), WALL + 7200, lambda queue: THRESHOLDS)
    assert {state for _, _, state in rolled.agents} >= {"direct-call", "productive-pause", "paused"}
    today = Today(lambda: WALL + 500, "00:00", lambda queue: THRESHOLDS)
    today.load(log)
    day = today.agent("zhang")
    assert (day.handling_s, day.on_calls_s, day.paused_s, day.logged_in_s) == (90, 110, 160, 410)


def test_a_day_that_is_read_again_after_a_restart_goes_on() -> None:
    book = Book().agent(0, "zhang", "logged-out", "ready")
    book.at(50, ev.ServerStarted()).agent(60, "zhang", "logged-out", "ready")
    today = Today(lambda: WALL + 100, "00:00", lambda queue: THRESHOLDS)
    today.load(book.ordered())
    assert today.agent("zhang").logged_in_s == pytest.approx(40)  # nothing is known of the time until the crash


def test_a_caller_who_timed_out_overflowed_only_if_another_queue_took_them() -> None:
    book = Book().queued(0, "c", "e1").left(30, "c", "e1", "timeout", 30)
    book.queued(31, "c", "e2", queue="sales", source="overflow")
    book.queued(40, "d", "e3").left(70, "d", "e3", "timeout", 30)
    today = Today(lambda: WALL + 100, "00:00", lambda queue: THRESHOLDS)
    today.load(book.ordered())
    assert today.overflowed == {"support": 1}
    assert today.queue("support").exits["timeout"] == 2


def contacts(*calls: tuple[float, str, str]) -> Book:
    """(day, number, queue); every call is answered."""
    book = Book()
    for number, (day, caller, queue) in enumerate(calls):
        at = day * DAY_S
        book.at(at, ev.QueueEntered(call_id=f"c{number}", entry_id=f"e{number}", queue=queue, caller=caller))
        book.at(at + 1, ev.QueueLeft(call_id=f"c{number}", entry_id=f"e{number}", queue=queue, exit="answered"))
        book.at(at + 9, ev.QueueServed(call_id=f"c{number}", entry_id=f"e{number}", queue=queue, by="caller"))
    return book


def resolution(book: Book, now_days: float = 30, **more: Any) -> figures.Resolution:
    groups = {"billing": "money", "refunds": "money", "support": "help"}
    found = figures.first_call_resolution(
        entries_of(book.ordered()).values(), lambda queue: groups.get(queue, ""), lambda queue: 5.0,
        WALL + now_days * DAY_S, lambda at: 0.0, **more,
    )  # fmt: skip
    return found.get((0.0, "money"), figures.Resolution())


def test_a_call_to_the_same_group_within_seven_days_is_a_repeat() -> None:
    book = contacts((0, "1", "billing"), (6, "1", "refunds"), (14, "1", "billing"), (0, "2", "billing"),
                    (1, "2", "support"), (2, "2", "nowhere"))  # fmt: skip
    found = resolution(book)
    assert (found.resolved, found.repeated, found.open) == (3, 1, 0)
    assert found.fcr == 0.75


def test_who_cannot_be_known_or_was_dropped_is_left_out() -> None:
    book = contacts((0, "", "billing"), (0, "anonymous", "billing"), (0, "400", "billing"), (0, "3", "billing"))
    book.at(20, ev.QueueEntered(call_id="short", entry_id="short", queue="billing", caller="4"))
    book.at(22, ev.QueueLeft(call_id="short", entry_id="short", queue="billing", exit="abandoned", wait_ms=2000))
    book.at(30, ev.QueueEntered(call_id="x", entry_id="lost", queue="billing", caller="5"))
    book.at(60, ev.QueueLeft(call_id="x", entry_id="lost", queue="billing", exit="lost", wait_ms=30_000))
    book.at(110, ev.QueueEntered(call_id="y", entry_id="again", queue="billing", caller="5"))
    book.at(111, ev.QueueEntered(call_id="y", entry_id="over", queue="billing", caller="6", source="overflow"))
    found = resolution(book, switchboards=("400",))
    assert (found.resolved, found.repeated) == (2, 0)  # 3, and 5 whose second call is the same matter


def test_a_week_that_is_not_over_is_open() -> None:
    found = resolution(contacts((0, "1", "billing")), now_days=3)
    assert (found.resolved, found.open, found.fcr) == (0, 1, None)


@given(st.sampled_from(["half-hour", "hour", "day", "week", "month"]), st.floats(1e9, 2e9))
def test_an_interval_begins_before_what_it_holds_and_is_its_own_begin(interval: str, at: float) -> None:
    begin_of = bounds(interval, "04:00")
    begin = begin_of(at)
    assert begin <= at
    assert begin_of(begin) == begin


@pytest.mark.asyncio
async def test_the_command_reads_the_log_by_itself(tmp_path: Path) -> None:
    (tmp_path / "pbx.toml").write_text(
        '[queues.support]\ngroup = "help"\n[agents.zhang]\nqueues = { support = 1 }\n[dispositions]\n'
        'sold = { name = "Sold" }\n'
    )
    (tmp_path / "var").mkdir()
    clock = [WALL]
    log = Log(tmp_path / "var" / "pbx.db", lambda: clock[0], lambda: clock[0])
    log.start()
    for entry in shift().ordered():
        clock[0] = entry.at_utc
        log.append(entry.event)
    log.append(ev.CallDisposition(call_id="c", entry_id="e", agent="zhang", code="sold"))
    await log.durable()
    await log.stop()

    def asked(*arguments: str) -> str:
        found = CliRunner().invoke(report, ["-c", str(tmp_path), *arguments], catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.output

    (agent,) = orjson.loads(asked("agents", "--json", "--by", "all"))
    assert (agent["agent"], agent["utilisation"]) == ("zhang", 0.439)
    (queue,) = orjson.loads(asked("queues", "--json"))
    assert (queue["queue"], queue["answered"], queue["service_level"], queue["asa_s"]) == ("support", 1, 1.0, 10.0)
    (group,) = orjson.loads(asked("groups", "--json", "--by", "month"))
    assert (group["group"], group["entered"], group["resolved"] + group["open"]) == ("help", 1, 1)
    (noted,) = orjson.loads(asked("dispositions", "--json"))
    assert (noted["disposition"], noted["calls"]) == ("sold", 1)
    assert asked("queues", "--csv").splitlines()[0].startswith("began_utc,queue,entered,answered")
    assert "support" in asked("queues")
    assert asked("queues", "--since", "2030-01-01 00:00").strip() == "0 rows"
    assert asked("--define", "utilisation").strip() == f"utilisation = {DEFINITIONS['utilisation']}"


def test_surveys_and_callbacks_say_how_many_took_part_and_how_many_promises_were_kept() -> None:
    book = Book()
    for number, score in enumerate(("5", "2", "")):
        book.at(number, ev.SurveyAnswered(call_id=f"c{number}", survey="csat", agent="li", state="offered"))
        if score:
            book.at(number, ev.SurveyAnswered(survey="csat", agent="li", state="scored", score=score))
    for name, states in (("a", ("promised", "dialling", "connected")), ("b", ("promised", "expired")),
                         ("c", ("promised", "dialling", "waiting"))):  # fmt: skip
        for second, state in enumerate(states):
            book.at(100 * second, ev.CallbackChanged(callback_id=name, queue="q", state=state))
    log = book.ordered()
    (survey,) = figures.surveys(log, lambda at: 0.0)
    assert (survey["offered"], survey["scored"], survey["participation"], survey["score"]) == (3, 2, 0.6667, 3.5)
    (row,) = figures.callbacks(log, lambda at: 0.0)
    assert (row["accepted"], row["connected"], row["expired"], row["open"]) == (3, 1, 1, 1)
    assert (row["kept_rate"], row["time_to_callback_s"]) == (0.3333, 200.0)


def test_a_transfer_counts_unless_it_comes_back() -> None:
    book = Book()
    for call in ("kept", "back"):
        book.offered(0, 1, call, f"{call}.q1", "li", "answered")
        book.at(2, ev.QueueServed(call_id=call, entry_id=f"{call}.q1", queue="support", agent="li", by="transfer"))
    book.at(40, ev.LegTransferred(call_id="back", how="blind", target="1002", outcome="returned"))
    (row,) = figures.agents(book.ordered(), WALL + 100, lambda at: 0.0)
    assert (row["transferred"], row["transfer_rate"]) == (1, 0.5)
