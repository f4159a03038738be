"""A book of calls with records worked out by hand: in one log, side by side, and every sum holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pbx import events as ev
from pbx.events import Logged
from pbx.store.audit import audit
from pbx.store.cdr import CallRecord, call_record
from pbx.store.entries import entries_of, sums
from pbx.store.families import Seats, families
from pbx.store.paths import leg_quality, menu_path, trunk_use
from pbx.store.segments import busy_seconds, segments_of
from tests.store.book import WALL, Book

Write = Callable[[Book, float, str], object]
Line = tuple[str, str, str, str, int, int, str]  # one, other, agent, queue, talk s, hold s, ended by


@dataclass(frozen=True)
class Call:
    """A call of the book."""

    name: str
    write: Write
    segments: tuple[Line, ...] = ()
    cause: str = "answered"
    duration_s: int = 0
    talk_s: int = 0


BOOK: list[Call] = []


def call(*segments: Line, cause: str = "answered", lasts: int, talk: int = 0) -> Callable[[Write], Write]:
    """Enter a call into the book, with what its records must say."""

    def enter(write: Write) -> Write:
        BOOK.append(Call(write.__name__, write, segments, cause, lasts, talk))
        return write

    return enter


ALICE, BOB, CARRIER = "endpoint/1001", "endpoint/1002", "trunk/carrier"
ZHANG, LI = "endpoint/2001", "endpoint/2002"  # where zhang and li sit


# ---- between colleagues --------------------------------------------------------------------------------------------


@call((ALICE, BOB, "", "", 60, 0, "one"), lasts=65, talk=60)
def two_colleagues_talk(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).talk(t + 5, c, 1, 2)
    b.leaves(t + 65, c, 1).part(t + 65, c, 1, 2).leaves(t + 65, c, 2, "us").over(t + 65, c)


@call((ALICE, BOB, "", "", 30, 0, "other"), lasts=32, talk=30)
def the_called_party_hangs_up(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).talk(t + 2, c, 1, 2)
    b.leaves(t + 32, c, 2).part(t + 32, c, 1, 2).leaves(t + 32, c, 1, "us").over(t + 32, c, by="callee")


@call(cause="busy", lasts=1)
def busy(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).leaves(t + 1, c, 2, "peer", "busy")
    b.leaves(t + 1, c, 1, "us", "busy").over(t + 1, c, "busy", "callee")


@call(cause="no-answer", lasts=20)
def nobody_answers(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).leaves(t + 20, c, 2, "us", "no-answer")
    b.leaves(t + 20, c, 1, "us", "no-answer").over(t + 20, c, "no-answer", "system")


@call(cause="cancelled", lasts=7)
def the_caller_gives_up(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).leaves(t + 7, c, 1, "peer", "cancelled")
    b.leaves(t + 7, c, 2, "us", "cancelled").over(t + 7, c, "cancelled", "caller")


@call(cause="declined", lasts=3)
def declined(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).leaves(t + 3, c, 2, "peer", "declined")
    b.leaves(t + 3, c, 1, "us", "declined").over(t + 3, c, "declined", "callee")


@call(cause="unreachable", lasts=0)
def nobody_is_registered(b: Book, t: float, c: str) -> None:
    b.call(t, c).leaves(t, c, 1, "us", "unreachable").over(t, c, "unreachable", "system")


@call((ALICE, ZHANG, "zhang", "", 10, 0, "one"), lasts=14, talk=10)
def several_ring_and_one_is_faster(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).rings(t, c, 3, ZHANG)
    b.leaves(t + 4, c, 2, "us", "cancelled").talk(t + 4, c, 1, 3)
    b.leaves(t + 14, c, 1).part(t + 14, c, 1, 3).leaves(t + 14, c, 3, "us").over(t + 14, c)


@call((ALICE, BOB, "", "", 40, 20, "one"), lasts=70, talk=60)
def a_hold(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).talk(t + 10, c, 1, 2)
    b.at(t + 20, ev.LegHeld(call_id=c, leg_id=f"{c}.1", by="peer"))
    b.at(t + 40, ev.LegResumed(call_id=c, leg_id=f"{c}.1", by="peer"))
    b.leaves(t + 70, c, 1).part(t + 70, c, 1, 2).leaves(t + 70, c, 2, "us").over(t + 70, c)


@call((ALICE, BOB, "", "", 35, 25, "other"), lasts=60, talk=60)
def both_hold_and_it_is_counted_once(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).talk(t, c, 1, 2)
    for at, kind, leg in ((10, ev.LegHeld, 1), (15, ev.LegHeld, 2), (20, ev.LegResumed, 1), (35, ev.LegResumed, 2)):
        b.at(t + at, kind(call_id=c, leg_id=f"{c}.{leg}", by="peer"))
    b.leaves(t + 60, c, 2).part(t + 60, c, 1, 2).leaves(t + 60, c, 1, "us").over(t + 60, c, by="callee")


@call((ALICE, BOB, "", "", 10, 30, "one"), lasts=40, talk=40)
def a_hold_that_lasts_to_the_end(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).talk(t, c, 1, 2).at(t + 10, ev.LegHeld(call_id=c, leg_id=f"{c}.2", by="peer"))
    b.leaves(t + 40, c, 1).part(t + 40, c, 1, 2).leaves(t + 40, c, 2, "us").over(t + 40, c)


@call((ALICE, BOB, "", "", 12, 0, "system"), cause="answered", lasts=15, talk=15)
def a_phone_vanishes(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, BOB).talk(t, c, 1, 2).leaves(t + 12, c, 2, "us", "lost").part(t + 12, c, 1, 2)
    b.leaves(t + 15, c, 1, "us").over(t + 15, c, by="system")


# ---- over trunks ---------------------------------------------------------------------------------------------------


@call((ALICE, CARRIER, "", "", 120, 0, "other"), lasts=130, talk=120)
def a_call_to_outside(b: Book, t: float, c: str) -> None:
    b.call(t, c, dialled="13800138000").rings(t, c, 2, CARRIER).talk(t + 10, c, 1, 2)
    b.leaves(t + 130, c, 2).part(t + 130, c, 1, 2).leaves(t + 130, c, 1, "us").over(t + 130, c, by="callee")


@call((ALICE, "trunk/other", "", "", 50, 0, "one"), lasts=55, talk=50)
def a_trunk_fails_and_another_takes_it(b: Book, t: float, c: str) -> None:
    b.call(t, c, dialled="13800138000").rings(t, c, 2, CARRIER).leaves(t + 1, c, 2, "peer", "unreachable")
    b.rings(t + 1, c, 3, "trunk/other").talk(t + 5, c, 1, 3)
    b.leaves(t + 55, c, 1).part(t + 55, c, 1, 3).leaves(t + 55, c, 3, "us").over(t + 55, c)


# ---- queues --------------------------------------------------------------------------------------------------------


def answered(b: Book, t: float, c: str, agent: str, phone: str, wait: float, leg: int = 2, *, up: bool = False) -> Book:
    """A caller, who may be answered already, enters at *t*, waits and is joined with an agent."""
    b.queued(t, c, f"{c}.q1").rings(t + wait - 3, c, leg, phone)
    b.offered(t + wait - 3, t + wait, c, f"{c}.q1", agent, "answered")
    if not up:
        b.at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    return b.left(t + wait, c, f"{c}.q1", "answered", wait, agent=agent).talk(t + wait, c, 1, leg)


@call((CARRIER, ZHANG, "zhang", "support", 90, 0, "one"), lasts=100, talk=100)
def a_caller_is_served(b: Book, t: float, c: str) -> None:
    answered(b.call(t, c, CARRIER, "400"), t, c, "zhang", ZHANG, 10)
    b.leaves(t + 100, c, 1).part(t + 100, c, 1, 2).served(t + 100, c, f"{c}.q1", "zhang", "caller", 90)
    b.leaves(t + 100, c, 2, "us").over(t + 100, c)


@call(cause="answered", lasts=40, talk=40)
def a_caller_abandons(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").queued(t, c, f"{c}.q1").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.leaves(t + 40, c, 1).left(t + 40, c, f"{c}.q1", "abandoned", 40).over(t + 40, c)


@call(cause="answered", lasts=3, talk=3)
def a_short_abandon(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").queued(t, c, f"{c}.q1").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.leaves(t + 3, c, 1).left(t + 3, c, f"{c}.q1", "abandoned", 3).over(t + 3, c)


@call(cause="answered", lasts=12, talk=12)
def a_caller_hangs_up_while_an_agent_rings(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").queued(t, c, f"{c}.q1").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.rings(t + 5, c, 2, ZHANG).offered(t + 5, t + 12, c, f"{c}.q1", "zhang", "cancelled")
    b.leaves(t + 12, c, 1).leaves(t + 12, c, 2, "us", "cancelled").left(t + 12, c, f"{c}.q1", "abandoned", 12)
    b.over(t + 12, c)


@call((CARRIER, LI, "li", "sales", 20, 0, "one"), lasts=90, talk=90)
def overflow_to_another_queue(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").queued(t, c, f"{c}.q1").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.left(t + 60, c, f"{c}.q1", "timeout", 60).queued(t + 60, c, f"{c}.q2", "sales", "overflow").rings(
        t + 65, c, 2, LI
    )
    b.left(t + 70, c, f"{c}.q2", "answered", 10, agent="li", queue="sales").talk(t + 70, c, 1, 2)
    b.leaves(t + 90, c, 1).part(t + 90, c, 1, 2).leaves(t + 90, c, 2, "us").over(t + 90, c)


@call(cause="answered", lasts=25, talk=25)
def a_caller_leaves_by_key(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").queued(t, c, f"{c}.q1").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.left(t + 15, c, f"{c}.q1", "key", 15).leaves(t + 25, c, 1).over(t + 25, c)


@call((CARRIER, LI, "li", "support", 30, 0, "other"), lasts=55, talk=55)
def one_agent_misses_and_another_answers(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").rings(t + 2, c, 2, ZHANG).offered(t + 2, t + 17, c, f"{c}.q1", "zhang", "missed")
    b.leaves(t + 17, c, 2, "us", "no-answer")
    answered(b, t, c, "li", LI, 25, leg=3)
    b.leaves(t + 55, c, 3).part(t + 55, c, 1, 3).served(t + 55, c, f"{c}.q1", "li", "agent", 30)
    b.leaves(t + 55, c, 1, "us").over(t + 55, c, by="callee")


@call(cause="answered", lasts=8, talk=8)
def a_full_queue(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.at(t + 1, ev.QueueRefused(call_id=c, queue="support", why="full")).leaves(t + 8, c, 1, "us")
    b.over(t + 8, c, by="system")


@call(cause="answered", lasts=130, talk=130)
def a_callback_is_accepted(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").queued(t, c, f"{c}.q1").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.left(t + 125, c, f"{c}.q1", "callback", 125).leaves(t + 130, c, 1, "us").over(t + 130, c, by="system")


@call((CARRIER, ZHANG, "zhang", "support", 30, 0, "other"), lasts=50, talk=50)
def a_survey_after_the_agent_left_is_no_talk(b: Book, t: float, c: str) -> None:
    answered(b.call(t, c, CARRIER, "400"), t, c, "zhang", ZHANG, 5)
    b.leaves(t + 35, c, 2).part(t + 35, c, 1, 2).served(t + 35, c, f"{c}.q1", "zhang", "agent", 30)
    b.at(t + 36, ev.SurveyAnswered(call_id=c, survey="csat", agent="zhang", state="offered"))
    b.leaves(t + 50, c, 1).over(t + 50, c)


# ---- transfers -----------------------------------------------------------------------------------------------------


@call(
    (CARRIER, ZHANG, "zhang", "support", 60, 0, "transfer"), (CARRIER, BOB, "", "", 3600, 0, "one"),
    lasts=3680, talk=3680,
)  # fmt: skip
def a_blind_transfer_charges_each_for_their_own_minutes(b: Book, t: float, c: str) -> None:
    answered(b.call(t, c, CARRIER, "400"), t, c, "zhang", ZHANG, 10)
    b.at(t + 70, ev.LegTransferred(call_id=c, leg_id=f"{c}.2", how="blind", target="1002", by=ZHANG, outcome="started"))
    b.part(t + 70, c, 1, 2).served(t + 70, c, f"{c}.q1", "zhang", "transfer", 60).leaves(t + 70, c, 2, "us")
    b.rings(t + 70, c, 3, BOB).talk(t + 80, c, 1, 3)
    b.leaves(t + 3680, c, 1).part(t + 3680, c, 1, 3).leaves(t + 3680, c, 3, "us").over(t + 3680, c)


@call(
    (CARRIER, ZHANG, "zhang", "support", 20, 0, "transfer"), (CARRIER, LI, "li", "support", 40, 0, "other"),
    lasts=80, talk=80,
)  # fmt: skip
def a_transfer_to_an_agent_inherits_the_queue(b: Book, t: float, c: str) -> None:
    answered(b.call(t, c, CARRIER, "400"), t, c, "zhang", ZHANG, 10)
    b.at(t + 30, ev.LegTransferred(call_id=c, leg_id=f"{c}.2", how="blind", target="2002", by=ZHANG, outcome="started"))
    b.part(t + 30, c, 1, 2).served(t + 30, c, f"{c}.q1", "zhang", "transfer", 20).leaves(t + 30, c, 2, "us")
    b.rings(t + 30, c, 3, LI).talk(t + 40, c, 1, 3)
    b.leaves(t + 80, c, 3).part(t + 80, c, 1, 3).leaves(t + 80, c, 1, "us").over(t + 80, c, by="callee")


@call(
    (ALICE, ZHANG, "zhang", "", 20, 0, "returned"), (ALICE, ZHANG, "zhang", "", 15, 0, "one"),
    lasts=75, talk=70,
)  # fmt: skip
def a_transfer_that_nobody_takes_returns(b: Book, t: float, c: str) -> None:
    b.call(t, c).rings(t, c, 2, ZHANG).talk(t + 5, c, 1, 2)
    b.at(t + 25, ev.LegTransferred(call_id=c, leg_id=f"{c}.2", how="blind", target="1002", by=ZHANG, outcome="started"))
    b.part(t + 25, c, 1, 2).leaves(t + 25, c, 2, "us").rings(t + 25, c, 3, BOB)
    b.leaves(t + 55, c, 3, "us", "no-answer")
    b.at(
        t + 55, ev.LegTransferred(call_id=c, leg_id=f"{c}.1", how="blind", target="1002", by=ALICE, outcome="returned")
    )
    b.rings(t + 55, c, 4, ZHANG).talk(t + 60, c, 1, 4)
    b.leaves(t + 75, c, 1).part(t + 75, c, 1, 4).leaves(t + 75, c, 4, "us").over(t + 75, c)


@call(
    (CARRIER, ZHANG, "zhang", "support", 30, 15, "transfer"), (ZHANG, BOB, "zhang", "support", 10, 0, "transfer"),
    (CARRIER, BOB, "", "", 55, 0, "one"), lasts=110, talk=110,
)  # fmt: skip
def an_attended_transfer_joins_two_calls(b: Book, t: float, c: str) -> None:
    answered(b.call(t, c, CARRIER, "400"), t, c, "zhang", ZHANG, 10)
    b.at(t + 40, ev.LegHeld(call_id=c, leg_id=f"{c}.1", by="us"))
    d = f"{c}-consult"
    b.call(t + 40, d, ZHANG).rings(t + 41, d, 2, BOB).talk(t + 45, d, 1, 2)
    b.at(t + 55, ev.LegTransferred(call_id=c, leg_id=f"{c}.2", how="attended", target=BOB, by=ZHANG, outcome="started"))
    b.at(t + 55, ev.LegTransferred(call_id=d, leg_id=f"{d}.1", how="attended", target=BOB, by=ZHANG, outcome="started"))
    b.at(t + 55, ev.CallMerged(call_id=c, merged=d)).part(t + 55, c, 1, 2)
    b.served(t + 55, c, f"{c}.q1", "zhang", "transfer", 45).at(t + 55, ev.LegResumed(call_id=c, leg_id=f"{c}.1"))
    b.part(t + 55, d, 1, 2).leaves(t + 55, d, 1, "us").leaves(t + 55, c, 2, "us").over(t + 55, d, by="system")
    b.at(t + 55, ev.LegBridged(call_id=c, leg_id=f"{c}.1", other=f"{d}.2"))
    b.leaves(t + 110, c, 1)
    b.at(t + 110, ev.LegUnbridged(call_id=c, leg_id=f"{c}.1", other=f"{d}.2"))
    b.at(t + 110, ev.LegEnded(call_id=c, leg_id=f"{d}.2", cause="answered", by="us")).over(t + 110, c)


@call(
    (ZHANG, BOB, "zhang", "support", 10, 0, "other"), (CARRIER, ZHANG, "zhang", "support", 30, 14, "one"),
    lasts=54, talk=54,
)  # fmt: skip
def a_consultation_that_returns_is_no_transfer(b: Book, t: float, c: str) -> None:
    answered(b.call(t, c, CARRIER, "400"), t, c, "zhang", ZHANG, 10)
    b.at(t + 20, ev.LegHeld(call_id=c, leg_id=f"{c}.1", by="us")).rings(t + 20, c, 3, BOB).talk(t + 22, c, 2, 3)
    b.leaves(t + 32, c, 3).part(t + 32, c, 2, 3).at(t + 34, ev.LegResumed(call_id=c, leg_id=f"{c}.1", by="us"))
    b.leaves(t + 54, c, 1).part(t + 54, c, 1, 2).served(t + 54, c, f"{c}.q1", "zhang", "caller", 44)
    b.leaves(t + 54, c, 2, "us").over(t + 54, c)


# ---- rooms, menus, clocks ------------------------------------------------------------------------------------------


@call((ALICE, "conference/staff", "", "", 300, 0, "one"), lasts=302, talk=302)
def one_in_a_conference(b: Book, t: float, c: str) -> None:
    room = {"call_id": c, "leg_id": f"{c}.1", "conference": "staff", "party": ALICE}
    b.call(t, c, dialled="3000").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.at(t + 2, ev.ConferenceJoined(**room)).leaves(t + 302, c, 1).at(t + 302, ev.ConferenceLeft(**room)).over(
        t + 302, c
    )


@call((ZHANG, "conference/staff", "zhang", "", 100, 0, "system"), lasts=150, talk=150)
def an_agent_who_is_led_out_of_a_conference(b: Book, t: float, c: str) -> None:
    room = {"call_id": c, "leg_id": f"{c}.1", "conference": "staff", "party": ZHANG}
    b.call(t, c, ZHANG, "3000").at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    b.at(t + 10, ev.ConferenceJoined(**room)).at(t + 110, ev.ConferenceLeft(**room))
    b.leaves(t + 150, c, 1).over(t + 150, c)


@call(cause="answered", lasts=30, talk=30)
def a_caller_hangs_up_in_the_menu(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").at(
        t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"), ev.MenuEntered(call_id=c, menu="main")
    )
    b.at(t + 10, ev.MenuKey(call_id=c, menu="main", key="9", outcome="wrong"))
    b.leaves(t + 30, c, 1).at(t + 30, ev.MenuLeft(call_id=c, menu="main", how="hangup")).over(t + 30, c)


@call(cause="answered", lasts=45, talk=45)
def a_caller_is_served_by_the_menu(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").at(
        t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"), ev.MenuEntered(call_id=c, menu="main")
    )
    b.at(t + 5, ev.MenuKey(call_id=c, menu="main", key="3", outcome="chosen"))
    b.at(t + 5, ev.MenuLeft(call_id=c, menu="main", how="key")).at(t + 40, ev.CallServed(call_id=c, what="balance"))
    b.leaves(t + 45, c, 1, "us").over(t + 45, c, by="system")


@call((CARRIER, ZHANG, "zhang", "support", 25, 0, "one"), lasts=50, talk=50)
def a_caller_goes_through_two_menus_to_a_queue(b: Book, t: float, c: str) -> None:
    b.call(t, c, CARRIER, "400").at(t, ev.MenuEntered(call_id=c, menu="main"))
    b.at(t + 4, ev.MenuKey(call_id=c, menu="main", key="2", outcome="chosen"))
    b.at(t + 4, ev.MenuEntered(call_id=c, menu="technical"))
    b.at(t + 9, ev.MenuKey(call_id=c, menu="technical", key="", outcome="silence"))
    b.at(t + 14, ev.MenuKey(call_id=c, menu="technical", key="1", outcome="chosen"))
    b.at(t, ev.LegAnswered(call_id=c, leg_id=f"{c}.1"))
    answered(b, t + 15, c, "zhang", ZHANG, 10, up=True)
    b.leaves(t + 50, c, 1).part(t + 50, c, 1, 2).served(t + 50, c, f"{c}.q1", "zhang", "caller", 25)
    b.leaves(t + 50, c, 2, "us").over(t + 50, c)


def written() -> tuple[list[Logged], dict[str, list[Logged]]]:
    """Write the whole book, a call every 97 seconds, agents at their seats; return the log and the calls by name."""
    book = Book()
    book.at(0, ev.ServerStarted())
    for agent, seat in (("zhang", "2001"), ("li", "2002")):
        book.at(1, ev.AgentState(agent=agent, was="logged-out", now="ready", cause="login", endpoint=seat))
    for number, entry in enumerate(BOOK):
        entry.write(book, 10 + 97 * number, entry.name)
    log = book.ordered()
    return log, {family[0].event.call_id: family for family in families(log)}


LOG, CALLS = written()


@pytest.mark.parametrize("entry", BOOK, ids=lambda entry: entry.name)
def test_the_records_are_those_worked_out_by_hand(entry: Call) -> None:
    events = CALLS[entry.name]
    found = segments_of(events, Seats(LOG))
    told = [
        (s.one, s.other, s.agent, s.queue, round(s.talk_ms / 1000), round(s.hold_ms / 1000), s.ended_by)
        for s in sorted(found, key=lambda s: (s.ended_utc or 0, s.began_utc))
    ]
    assert sorted(told) == sorted(entry.segments)
    record: CallRecord = call_record([e for e in events if e.event.call_id == entry.name])
    assert (record.cause, record.duration_ms, record.talk_ms) == (
        entry.cause, entry.duration_s * 1000, entry.talk_s * 1000,
    )  # fmt: skip


def test_an_agents_consultation_during_a_hold_is_counted_once() -> None:
    for name, seconds in (
        ("an_attended_transfer_joins_two_calls", 45.0),
        ("a_consultation_that_returns_is_no_transfer", 44.0),
    ):
        assert busy_seconds(segments_of(CALLS[name], Seats(LOG))) == {"zhang": seconds}


def test_the_book_has_enough_calls_and_every_sum_holds() -> None:
    assert len(BOOK) >= 30
    assert audit(LOG, WALL + 100_000) == []
    assert len(CALLS) == len(BOOK)  # the consultation stands with the call that survived


def test_the_queues_figures_are_those_counted_by_hand() -> None:
    found = sums(entries_of(LOG).values())
    support, sales = found["support"], found["sales"]
    assert support.entered == 14
    assert {exit_: n for exit_, n in support.exits.items() if n} == {
        "answered": 8, "abandoned": 3, "timeout": 1, "key": 1, "callback": 1,
    }  # fmt: skip
    assert (support.short_abandoned, support.answered_in_time, support.left_in_time) == (1, 7, 1)
    assert support.service_level == pytest.approx(7 / 12)  # 14 less the short abandon, less the key within 20 s
    assert support.asa_ms == pytest.approx((10 + 25 + 5 + 10 + 10 + 10 + 10 + 10) * 1000 / 8)
    assert (sales.entered, sales.exits["answered"]) == (1, 1)


def test_the_menus_and_their_ends_are_those_walked_by_hand() -> None:
    paths = {events[0].event.call_id: menu_path(events) for events in CALLS.values()}
    found = {name: (path.path, path.end, path.where) for name, path in paths.items() if path is not None}
    assert found == {
        "a_caller_hangs_up_in_the_menu": ([("main", "9")], "menu", "main"),
        "a_caller_is_served_by_the_menu": ([("main", "3")], "served", "balance"),
        "a_caller_goes_through_two_menus_to_a_queue": (
            [("main", "2"), ("technical", ""), ("technical", "1")], "queue", "support",
        ),
    }  # fmt: skip


def test_the_trunks_use_is_that_counted_by_hand() -> None:
    found = trunk_use(LOG)
    assert (found["other"].calls_out, found["other"].answered, found["other"].seconds) == (1, 1, 50.0)
    carrier = found["carrier"]
    inbound = [entry for entry in BOOK if any(e.event.party == CARRIER and e.event.direction == "in"
               for e in CALLS[entry.name] if isinstance(e.event, ev.LegCreated))]  # fmt: skip
    assert (carrier.calls_in, carrier.calls_out, carrier.failed) == (len(inbound), 2, 1)
    assert carrier.seconds == pytest.approx(120 + sum(entry.talk_s for entry in inbound))
    assert carrier.peak >= 2  # the long transfer beside the others


def test_the_quality_of_a_leg_stands_with_its_party() -> None:
    book = (
        Book()
        .call(0, "c", CARRIER)
        .at(
            9,
            ev.LegQuality(
                call_id="c", leg_id="c.1", direction="received", codec="pcma", packets=95, lost=5, jitter_ms=3.0
            ),
        )
    )
    (row,) = leg_quality(book.entries)
    assert (row.party, row.loss, row.jitter_ms, row.mos) == (CARRIER, 0.05, 3.0, None)
    (nothing,) = leg_quality(Book().at(0, ev.LegQuality(leg_id="x")).entries)
    assert nothing.loss is None


def test_a_restart_in_the_middle_cuts_everything_where_the_log_ended() -> None:
    book = Book().at(0, ev.ServerStarted())
    book.at(0, ev.AgentState(agent="zhang", was="logged-out", now="ready", endpoint="2001"))
    answered(book.call(10, "c", CARRIER, "400"), 10, "c", "zhang", ZHANG, 10)
    book.at(20, ev.AgentState(agent="zhang", was="ready", now="on-call", endpoint="2001"))
    book.call(30, "d", CARRIER, "400").queued(30, "d", "d.q1")
    book.at(50, ev.LegDigit(call_id="c", leg_id="c.1", digit="1"))  # the last that is known: 50
    later = [
        Logged(n, WALL + 200, 7.0, event)  # another run: its clock began anew
        for n, event in enumerate(
            (
                ev.ServerStarted(unclean=True),
                ev.CallEnded(call_id="c", cause="restart", by="system"),
                ev.CallEnded(call_id="d", cause="restart", by="system"),
                ev.QueueLeft(call_id="d", entry_id="d.q1", queue="support", exit="lost", wait_ms=20_000),
                ev.AgentState(agent="zhang", was="logged-out", now="ready", endpoint="2001"),
            ),
            len(book.entries) + 1,
        )
    ]
    log = [*book.entries, *later]
    first, second = families(log)
    (segment,) = segments_of(first)
    assert (segment.talk_ms, segment.ended_by, segment.agent) == (30_000, "system", "zhang")
    assert (call_record(first).duration_ms, call_record(first).cause) == (40_000, "restart")
    assert call_record(second).duration_ms == 0  # nothing is known of it after it began
    assert sums(entries_of(log).values())["support"].exits["lost"] == 1
    assert audit(log, WALL + 260) == []
    from pbx.store.agent_time import seconds_by_state, spells

    assert seconds_by_state(spells(log, WALL + 260)) == {"zhang": {"ready": 20.0 + 60.0, "on-call": 30.0}}
