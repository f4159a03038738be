"""The rules and defaults of queues and agents, one by one."""

from __future__ import annotations

import pytest

from pbx.acd import inputs
from pbx.acd.agent import AgentSpec
from pbx.acd.explain import compact, reasons
from pbx.acd.inputs import dumped, loaded
from pbx.acd.outputs import (
    AgentMoved,
    Announce,
    AutoPaused,
    CallbackMoved,
    CancelOffer,
    Decided,
    Exited,
    MakeOffer,
    OfferCallback,
    OfferOver,
    Refused,
    TooLate,
)
from pbx.acd.skills import Need
from pbx.config.queues import Announce as AnnounceRule
from pbx.config.queues import Callback, PriorityRule, Queue, RelaxRule, TierRule
from tests.acd.desk import Desk, one_queue


def outcomes(desk: Desk) -> list[tuple[str, str]]:
    return [(x.agent, x.outcome) for x in desk.all(OfferOver)]


# ---- admission and exits -------------------------------------------------------------------------------------------


def test_nobody_logged_in_refuses_but_a_pause_does_not() -> None:
    desk = one_queue()
    desk.caller()
    assert [x.why for x in desk.all(Refused)] == ["no-agents"]
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0", reason="lunch"))
    entry = desk.caller()
    assert entry in desk.core.entries


def test_a_closed_queue_refuses_newcomers_and_serves_who_waits() -> None:
    desk = one_queue()
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    first = desk.caller()
    desk.caller(closed=True)
    assert [x.why for x in desk.all(Refused)] == ["closed"]
    desk.feed(inputs.Ready(agent="a0"))
    assert desk.offered(first) == ["a0"]


def test_a_full_queue_counts_who_waits_not_who_talks() -> None:
    desk = one_queue(agents=1, max_callers=2)
    desk.login("a0")
    desk.caller()
    desk.answers("a0")
    desk.caller()
    desk.caller()
    desk.caller()
    assert [(x.entry_id, x.why) for x in desk.all(Refused)] == [("e4", "full")]


def test_a_wait_expected_too_long_refuses() -> None:
    desk = one_queue(agents=1, max_expected_wait_s=250)
    desk.login("a0")
    for _ in range(12):
        desk.caller()
        desk.answers("a0")
        desk.run(desk.now + 60)
        desk.finishes("a0")
    for _ in range(4):
        desk.caller()
    assert [x.why for x in desk.all(Refused)] == ["full", "full"]


def test_the_longest_wait_ends_it_but_never_while_an_agent_rings() -> None:
    desk = one_queue(agents=1, max_wait_s=60)
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    first, second = desk.caller(), desk.caller()
    desk.run(55)
    desk.feed(inputs.Ready(agent="a0"))
    desk.rings("a0")
    desk.run(69)
    assert desk.exits() == {second: "timeout"}
    desk.run(70)
    assert desk.exits() == {second: "timeout", first: "timeout"}
    assert [x.wait_ms for x in desk.all(Exited)] == [60_000, 70_000]


def test_an_agent_who_rings_at_the_end_of_the_wait_may_still_answer() -> None:
    desk = one_queue(agents=1, max_wait_s=10)
    desk.login("a0")
    entry = desk.caller()
    desk.rings("a0")
    desk.run(12)
    desk.answers("a0")
    assert desk.exits() == {entry: "answered"}


def test_the_last_agent_leaves_and_callers_are_let_go_after_a_minute() -> None:
    desk = one_queue(agents=2)
    desk.login("a0", "a1")
    desk.feed(inputs.Paused(agent="a0"))
    desk.feed(inputs.Paused(agent="a1"))
    entry = desk.caller()
    desk.feed(inputs.LoggedOut(agent="a0"))
    desk.run(100)
    desk.feed(inputs.LoggedOut(agent="a1"))
    desk.run(159)
    assert desk.exits() == {}
    desk.run(160)
    assert desk.exits() == {entry: "emptied"}


def test_an_agent_who_comes_back_within_the_minute_keeps_the_callers() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    entry = desk.caller()
    desk.feed(inputs.LoggedOut(agent="a0"))
    desk.run(59)
    desk.login("a0")
    desk.run(100)
    assert desk.offered(entry)


def test_a_caller_who_gives_up_while_it_rings_is_no_fault_of_the_agent() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    entry = desk.caller()
    desk.rings("a0")
    desk.feed(inputs.Left(entry_id=entry))
    assert outcomes(desk) == [("a0", "cancelled")]
    assert desk.state("a0") == "ready"
    assert desk.core.agents["a0"].missed == 0
    assert [x.why for x in desk.all(CancelOffer)] == ["caller-left"]


def test_an_answer_after_the_caller_left_is_too_late() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    entry = desk.caller()
    offer_id = desk.offer("a0")
    desk.feed(inputs.Left(entry_id=entry))
    desk.feed(inputs.OfferAnswered(offer_id=offer_id))
    assert [x.offer_id for x in desk.all(TooLate)] == [offer_id]
    assert desk.exits() == {entry: "abandoned"}


def test_a_caller_who_leaves_during_the_whisper_has_abandoned() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    entry = desk.caller()
    offer_id = desk.offer("a0")
    desk.feed(inputs.OfferAnswered(offer_id=offer_id))
    desk.feed(inputs.Left(entry_id=entry))
    desk.feed(inputs.OfferJoined(offer_id=offer_id))
    assert desk.exits() == {entry: "abandoned"}
    assert desk.state("a0") == "ready"


# ---- offers --------------------------------------------------------------------------------------------------------


def test_a_missed_offer_goes_to_the_next_at_once_and_not_back_within_ten_seconds() -> None:
    desk = one_queue(agents=2, auto_pause_after=0)
    desk.login("a0", "a1")
    entry = desk.caller()
    desk.rings("a0")
    desk.run(15)
    desk.rings("a1")
    assert desk.offered(entry) == ["a0", "a1"]
    desk.declines("a1")
    desk.run(24)
    assert desk.offered(entry) == ["a0", "a1"]
    desk.run(25)
    assert desk.offered(entry) == ["a0", "a1", "a0"]


def test_retry_waits_between_offers() -> None:
    desk = one_queue(agents=2, retry_s=4)
    desk.login("a0", "a1")
    entry = desk.caller()
    desk.declines("a0")
    desk.run(3.9)
    assert desk.offered(entry) == ["a0"]
    desk.run(4)
    assert desk.offered(entry) == ["a0", "a1"]


def test_who_declines_rests_ten_seconds() -> None:
    desk = one_queue(agents=1, same_agent_after_s=0)
    desk.login("a0")
    entry = desk.caller()
    desk.declines("a0")
    desk.run(9.9)
    assert desk.offered(entry) == ["a0"]
    desk.run(10)
    assert desk.offered(entry) == ["a0", "a0"]


def test_no_ringing_within_three_seconds_makes_the_agent_unreachable_and_the_next_is_asked() -> None:
    desk = one_queue(agents=2)
    desk.login("a0", "a1")
    entry = desk.caller()
    desk.run(3)
    assert desk.offered(entry) == ["a0", "a1"]
    assert desk.state("a0") == "unreachable"
    desk.feed(inputs.Reachable(agent="a0", on=True))
    assert desk.state("a0") == "ready"


def test_an_unreachable_agent_is_logged_out_after_half_an_hour_with_the_cause() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.feed(inputs.Reachable(agent="a0", on=False))
    desk.run(1799)
    assert desk.state("a0") == "unreachable"
    desk.run(1800)
    assert desk.all(AgentMoved)[-1] == AgentMoved("a0", "unreachable", "logged-out", "unreachable", "")


def test_two_missed_offers_in_a_row_pause_the_agent() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.caller()
    desk.rings("a0")
    desk.run(15)
    assert desk.state("a0") == "ready"
    desk.run(25)
    desk.rings("a0")
    desk.run(40)
    assert desk.state("a0") == "paused"
    assert desk.all(AutoPaused) == [AutoPaused("a0", 2)]
    assert desk.all(AgentMoved)[-1].reason == "missed-offers"


def test_an_answer_between_two_missed_offers_forgives_the_first() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.caller()
    desk.rings("a0")
    desk.run(25)
    desk.answers("a0")
    desk.finishes("a0")
    desk.caller()
    desk.rings("a0")
    desk.run(45)
    assert desk.state("a0") == "ready"


def test_a_loser_of_the_race_is_at_no_fault() -> None:
    desk = one_queue("ring-all", agents=2)
    desk.login("a0", "a1")
    desk.caller()
    desk.answers("a1")
    assert outcomes(desk) == [("a0", "cancelled"), ("a1", "answered")]
    assert desk.core.agents["a0"].missed == 0


def test_the_ring_time_of_the_agent_wins_over_the_steps_and_the_queues() -> None:
    agents = {"slow": AgentSpec("slow", {"q": 1}, ring_s=30), "usual": AgentSpec("usual", {"q": 1})}
    desk = Desk({"q": Queue(ring_s=20)}, agents)
    desk.login("slow", "usual")
    desk.caller(ring_s=12.0)
    desk.caller(ring_s=12.0)
    desk.feed(inputs.Left(entry_id="e2"))
    desk.caller()
    assert [(o.agent, o.ring_s) for o in desk.all(MakeOffer)] == [("slow", 30), ("usual", 12), ("usual", 20)]


# ---- agents --------------------------------------------------------------------------------------------------------


def test_wrap_up_belongs_to_the_agent_and_its_length_to_the_agent_before_the_queue() -> None:
    agents = {"own": AgentSpec("own", {"q": 1}, wrap_up_s=7), "queue": AgentSpec("queue", {"q": 1})}
    desk = Desk({"q": Queue(wrap_up_s=20)}, agents)
    desk.login(*agents)
    for agent in agents:
        desk.caller()
        desk.answers(agent)
        desk.finishes(agent)
    desk.run(7)
    assert (desk.state("own"), desk.state("queue")) == ("ready", "wrap-up")
    desk.run(20)
    assert desk.state("queue") == "ready"


def test_wrap_up_without_a_word_is_fifteen_seconds_and_holds_off_every_queue() -> None:
    agents = {"a": AgentSpec("a", {"q": 1, "r": 1})}
    desk = Desk({"q": Queue(), "r": Queue()}, agents)
    desk.login("a")
    desk.caller("q")
    desk.answers("a")
    desk.finishes("a")
    other = desk.caller("r")
    desk.run(14.9)
    assert desk.offered(other) == []
    desk.run(15)
    assert desk.offered(other) == ["a"]


def test_wrap_up_is_extended_by_five_minutes_in_all_and_ended_early() -> None:
    desk = one_queue(agents=1, wrap_up_s=10)
    desk.login("a0")
    desk.caller()
    desk.answers("a0")
    desk.finishes("a0")
    for _ in range(4):
        desk.feed(inputs.WrapUpExtended(agent="a0", by_s=100))
    desk.run(309)
    assert desk.state("a0") == "wrap-up"
    desk.run(310)
    assert desk.state("a0") == "ready"
    desk.caller()
    desk.answers("a0")
    desk.finishes("a0")
    desk.feed(inputs.Ready(agent="a0"))
    assert desk.state("a0") == "ready"


def test_a_pause_during_a_call_waits_for_its_end_and_follows_the_wrap_up() -> None:
    desk = one_queue(agents=1, wrap_up_s=5)
    desk.login("a0")
    desk.caller()
    desk.answers("a0")
    desk.feed(inputs.Paused(agent="a0", reason="lunch"))
    assert desk.state("a0") == "on-call"
    desk.finishes("a0")
    assert desk.state("a0") == "wrap-up"
    desk.run(5)
    assert desk.state("a0") == "paused"


def test_a_log_out_during_a_call_waits_for_its_end() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.caller()
    desk.answers("a0")
    desk.feed(inputs.LoggedOut(agent="a0"))
    assert desk.state("a0") == "on-call"
    desk.finishes("a0")
    assert desk.state("a0") == "logged-out"


def test_any_other_call_makes_the_agent_busy() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.feed(inputs.OtherCalls(agent="a0", count=1))
    entry = desk.caller()
    assert (desk.state("a0"), desk.offered(entry)) == ("on-call", [])
    desk.feed(inputs.OtherCalls(agent="a0", count=0))
    assert desk.offered(entry) == ["a0"]
    assert desk.state("a0") == "reserved"


def test_a_call_that_the_agent_makes_while_it_rings_gives_the_caller_to_the_next_without_fault() -> None:
    desk = one_queue(agents=2)
    desk.login("a0", "a1")
    entry = desk.caller()
    desk.feed(inputs.OtherCalls(agent="a0", count=1))
    assert desk.offered(entry) == ["a0", "a1"]
    assert outcomes(desk) == [("a0", "cancelled")]


def test_a_phone_that_vanishes_in_a_call_does_not_end_it_and_counts_afterwards() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.caller()
    desk.answers("a0")
    desk.feed(inputs.Reachable(agent="a0", on=False))
    assert desk.state("a0") == "on-call"
    desk.finishes("a0")
    assert desk.state("a0") == "unreachable"


def test_a_paused_agent_whose_phone_comes_back_is_paused_again() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0", reason="tea"))
    desk.feed(inputs.Reachable(agent="a0", on=False))
    desk.feed(inputs.Reachable(agent="a0", on=True))
    assert desk.all(AgentMoved)[-1] == AgentMoved("a0", "unreachable", "paused", "back", "tea")


# ---- order, tiers, skills, preference ------------------------------------------------------------------------------


def test_weight_then_priority_then_age_decide_whom_an_agent_takes() -> None:
    agents = {"a": AgentSpec("a", {"light": 1, "heavy": 2}, wrap_up_s=0)}
    desk = Desk({"light": Queue(), "heavy": Queue(weight=2)}, agents)
    desk.login("a")
    desk.feed(inputs.Paused(agent="a"))
    first = desk.caller("light", priority=9)
    desk.run(1)
    second, third = desk.caller("heavy"), desk.caller("heavy", priority=1)
    desk.feed(inputs.Ready(agent="a"))
    for _ in range(3):
        desk.answers("a")
        desk.finishes("a")
    answered = [x.entry_id for x in desk.all(Exited)]
    assert answered == [third, second, first]


def test_priority_grows_with_waiting() -> None:
    desk = one_queue(agents=1, priority=(PriorityRule(per_wait_s=30, add=1),))
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    old = desk.caller()
    desk.run(59)
    young = desk.caller(priority=1)
    assert desk.core.position(young) == 2  # 1 against 1, and older is first
    desk.run(61)
    late = desk.caller(priority=3)
    assert desk.core.position(late) == 1
    desk.feed(inputs.Ready(agent="a0"))
    assert desk.offered(late) == ["a0"]
    desk.answers("a0")
    desk.finishes("a0")
    assert desk.offered(old) == ["a0"]


def test_a_tier_is_asked_only_when_nobody_of_a_lower_one_may() -> None:
    agents = {"second": AgentSpec("second", {"q": 2}), "first": AgentSpec("first", {"q": 1})}
    desk = Desk({"q": Queue()}, agents)
    desk.login("second")
    desk.run(100)
    desk.login("first")
    assert desk.offered(desk.caller()) == ["first"]
    assert desk.offered(desk.caller()) == ["second"]


def test_ring_all_rings_one_tier() -> None:
    agents = {"a": AgentSpec("a", {"q": 1}), "b": AgentSpec("b", {"q": 2}), "c": AgentSpec("c", {"q": 1})}
    desk = Desk({"q": Queue(strategy="ring-all")}, agents)
    desk.login("a", "b")
    entry = desk.caller()
    desk.login("c")
    assert desk.offered(entry) == ["a", "c"]


def test_tiers_open_with_waiting() -> None:
    agents = {"b": AgentSpec("b", {"q": 2}), "c": AgentSpec("c", {"q": 3})}
    desk = Desk({"q": Queue(tiers=(TierRule(after_s=20, up_to=2), TierRule(after_s=50, up_to=3)))}, agents)
    desk.login("c")
    entry = desk.caller()
    desk.login("b")
    desk.run(19.9)
    assert desk.offered(entry) == []
    desk.run(20)
    assert desk.offered(entry) == ["b"]
    desk.declines("b")
    desk.run(49)
    assert "c" not in desk.offered(entry)
    desk.run(50)
    assert "c" in desk.offered(entry) or desk.state("b") == "reserved"


def test_needs_are_relaxed_step_by_step_and_those_that_are_not_never() -> None:
    agents = {"some": AgentSpec("some", {"q": 1}, {"billing": 2}), "none": AgentSpec("none", {"q": 1})}
    rules = (RelaxRule(after_s=40, by=1), RelaxRule(after_s=90, drop=True))
    desk = Desk({"q": Queue(relax=rules)}, agents)
    desk.login("none")
    entry = desk.caller(needs=(Need("billing", 3),))
    strict = desk.caller(needs=(Need("billing", 3, relax=False),))
    desk.login("some")
    desk.run(39.9)
    assert desk.offered(entry) == []
    desk.run(40)
    assert desk.offered(entry) == ["some"]
    desk.feed(inputs.LoggedOut(agent="some"))
    desk.run(89)
    assert desk.offered(entry) == ["some"]
    desk.run(90)
    assert desk.offered(entry) == ["some", "none"]
    desk.run(500)
    assert desk.offered(strict) == []


def test_the_preferred_agent_is_waited_for_while_they_work() -> None:
    desk = one_queue(agents=2)
    desk.login("a0", "a1")
    desk.caller()
    desk.answers("a0")
    entry = desk.caller(prefer="a0")
    desk.run(9.9)
    assert desk.offered(entry) == []
    desk.run(10)
    assert desk.offered(entry) == ["a1"]


def test_the_preferred_agent_who_is_ready_comes_before_every_tier() -> None:
    agents = {"a": AgentSpec("a", {"q": 1}), "known": AgentSpec("known", {"q": 5})}
    desk = Desk({"q": Queue()}, agents)
    desk.login("a", "known")
    assert desk.offered(desk.caller(prefer="known")) == ["known"]


@pytest.mark.parametrize("away", ["paused", "logged out", "unreachable", "unknown"])
def test_the_preferred_agent_who_is_away_is_not_waited_for(away: str) -> None:
    desk = one_queue(agents=2)
    desk.login("a0", "a1")
    if away == "paused":
        desk.feed(inputs.Paused(agent="a0"))
    elif away == "logged out":
        desk.feed(inputs.LoggedOut(agent="a0"))
    elif away == "unreachable":
        desk.feed(inputs.Reachable(agent="a0", on=False))
    unknown = away == "unknown"
    assert desk.offered(desk.caller(prefer="nobody" if unknown else "a0")) == ["a0" if unknown else "a1"]


def test_the_preferred_agent_who_goes_away_releases_the_caller_at_once() -> None:
    desk = one_queue(agents=2, wrap_up_s=30)
    desk.login("a0", "a1")
    desk.caller()
    desk.answers("a0")
    desk.finishes("a0")
    entry = desk.caller(prefer="a0")
    assert desk.offered(entry) == []
    desk.feed(inputs.Paused(agent="a0"))
    assert desk.offered(entry) == ["a1"]


def test_several_callers_are_offered_at_once_where_several_agents_are_free() -> None:
    desk = one_queue(agents=3)
    desk.login("a0", "a1", "a2")
    entries = [desk.caller() for _ in range(3)]
    assert [desk.offered(e) for e in entries] == [["a0"], ["a1"], ["a2"]]


def test_without_autofill_callers_are_served_one_at_a_time() -> None:
    desk = one_queue(agents=3, autofill=False)
    desk.login("a0", "a1", "a2")
    first, second = desk.caller(), desk.caller()
    assert (desk.offered(first), desk.offered(second)) == (["a0"], [])
    desk.answers("a0")
    assert desk.offered(second) == ["a1"]


# ---- what callers are told -----------------------------------------------------------------------------------------


def test_announcements_come_after_twenty_seconds_and_every_forty_five() -> None:
    desk = one_queue(agents=1, announce=AnnounceRule(position=True))
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    entry = desk.caller()
    desk.run(120)
    assert [(x.entry_id, x.position, x.turn) for x in desk.all(Announce)] == [
        (entry, 1, 0),
        (entry, 1, 1),
        (entry, 1, 2),
    ]


def test_a_position_beyond_ten_is_not_said_and_one_said_never_rises() -> None:
    desk = one_queue(agents=1, announce=AnnounceRule(position=True))
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    entries = [desk.caller() for _ in range(12)]
    desk.run(30)
    said = {x.entry_id: x.position for x in desk.all(Announce)}
    assert said[entries[0]] == 1
    assert said[entries[9]] == 10
    assert said[entries[10]] is None
    desk.caller(priority=5)
    desk.run(70)
    again = {x.entry_id: x.position for x in desk.all(Announce)}
    assert again[entries[0]] == 1


def test_a_wait_is_not_told_where_nothing_is_known() -> None:
    desk = one_queue(agents=1, announce=AnnounceRule(wait=True))
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    desk.caller()
    desk.run(100)
    assert {x.wait_s for x in desk.all(Announce)} == {None}


# ---- callbacks -----------------------------------------------------------------------------------------------------


def taken(entry_id: str) -> inputs.CallbackTaken:
    return inputs.CallbackTaken(entry_id=entry_id, callback_id=f"cb-{entry_id}", expires_s=3600, tries=2, every_s=600)


def test_a_callback_is_offered_after_two_minutes_and_keeps_the_place() -> None:
    desk = one_queue(agents=1, callback=Callback())
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    first = desk.caller()
    desk.run(60)
    second = desk.caller()
    desk.run(120)
    assert [x.entry_id for x in desk.all(OfferCallback)] == [first]
    desk.feed(taken(first))
    assert desk.exits() == {first: "callback"}
    assert desk.core.position(second) == 2
    desk.feed(inputs.Ready(agent="a0"))
    (offer,) = desk.all(MakeOffer)
    assert offer.callback_id == "cb-e1"


def test_a_callback_is_tried_again_later_and_given_up_in_the_end() -> None:
    desk = one_queue(agents=1, callback=Callback())
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    entry = desk.caller()
    desk.feed(taken(entry))
    desk.feed(inputs.Ready(agent="a0"))
    for _ in range(2):
        desk.answers("a0")
        desk.feed(inputs.CallbackTried(callback_id="cb-e1", connected=False))
        desk.finishes("a0")
        desk.run(desk.now + 600)
    assert [x.state for x in desk.all(CallbackMoved)] == [
        "promised", "dialling", "waiting", "dialling", "failed"
    ]  # fmt: skip
    assert desk.core.entries == {}


def test_while_a_callback_is_dialled_nobody_else_is_asked_for_it() -> None:
    desk = one_queue(agents=2, callback=Callback(), relax=(RelaxRule(after_s=300, by=1),))
    desk.login("a0", "a1")
    for agent in ("a0", "a1"):
        desk.feed(inputs.Paused(agent=agent))
    entry = desk.caller(needs=(Need("billing", 1),))
    for agent in ("a0", "a1"):
        desk.feed(inputs.SkillSet(agent=agent, skill="billing", level=5))
    desk.feed(taken(entry))
    desk.feed(inputs.Ready(agent="a0"))
    desk.answers("a0")
    desk.feed(inputs.Ready(agent="a1"))
    desk.run(400)  # the need is relaxed meanwhile
    assert len(desk.all(MakeOffer)) == 1
    desk.feed(inputs.CallbackTried(callback_id="cb-e1", connected=True))
    assert desk.core.entries == {}


def test_a_callback_waits_for_open_hours_and_expires() -> None:
    desk = one_queue(agents=1, callback=Callback())
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    entry = desk.caller()
    desk.feed(taken(entry))
    desk.feed(inputs.HoursChanged(queue="q", open=False))
    desk.feed(inputs.Ready(agent="a0"))
    assert desk.all(MakeOffer) == []
    desk.run(3600)
    assert [x.state for x in desk.all(CallbackMoved)] == ["promised", "expired"]


def test_a_callback_restored_after_a_restart_comes_before_who_called_later() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.feed(inputs.Paused(agent="a0"))
    desk.caller()
    desk.feed(inputs.CallbackRestored(callback_id="old", queue="q", waited_s=300, expires_s=900, tries=3, every_s=600))
    desk.feed(inputs.Ready(agent="a0"))
    assert desk.all(MakeOffer)[0].callback_id == "old"


# ---- why -----------------------------------------------------------------------------------------------------------


def test_each_decision_says_why_each_agent_was_or_was_not_chosen() -> None:
    agents = {
        "zhang": AgentSpec("zhang", {"q": 1}, {"billing": 5}),
        "li": AgentSpec("li", {"q": 1}, {"billing": 2}),
        "wang": AgentSpec("wang", {"q": 1}, {"billing": 5}),
        "chen": AgentSpec("chen", {"q": 1}, {"billing": 5}),
        "zhao": AgentSpec("zhao", {"q": 2}, {"billing": 5}),
        "qian": AgentSpec("qian", {"q": 1}, {"billing": 5}),
        "sun": AgentSpec("sun", {"q": 1}, {"billing": 5}),
        "zhou": AgentSpec("zhou", {"q": 1}, {"billing": 5}),
    }
    desk = Desk({"q": Queue()}, agents)
    desk.login("wang", *(a for a in agents if a not in ("zhang", "wang")))
    desk.feed(inputs.Paused(agent="chen", reason="lunch"))
    desk.feed(inputs.OtherCalls(agent="qian", count=1))
    desk.feed(inputs.Reachable(agent="zhou", on=False))
    desk.caller(needs=(Need("billing", 5),))
    desk.answers("wang")
    desk.run(30)
    desk.finishes("wang")
    desk.run(41)
    desk.login("zhang")
    desk.caller(needs=(Need("billing", 3),))
    decided = desk.all(Decided)[-1]
    assert dict(line.split(": ", 1) for line in reasons(decided)) == {
        "sun": "chosen",
        "zhang": "longest-idle: another first",
        "li": "billing 2 < 3",
        "wang": "wrap-up 4 s left",
        "chen": "paused: lunch",
        "zhao": "tier 2, tier 1 first",
        "qian": "on another call",
        "zhou": "unreachable",
    }


def test_a_decision_of_a_large_queue_is_kept_short() -> None:
    desk = one_queue(agents=200)
    desk.login(*[f"a{n}" for n in range(150)])
    desk.caller()
    assert compact(desk.all(Decided)[-1]) == (
        "a0: chosen", "a1 and 148 more: longest-idle: another first", "a150 and 49 more: logged out",
    )  # fmt: skip


def test_inputs_survive_being_written_down() -> None:
    asked = inputs.Joined(entry_id="e", queue="q", needs=(Need("billing", 3, False),), prefer="a0", priority=4)
    assert loaded(dumped(asked)) == asked
