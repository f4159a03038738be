"""Each strategy against a written table of expected choices, ties included."""

from __future__ import annotations

import random
from collections import Counter
from typing import get_args

import pytest

from pbx.acd import inputs
from pbx.acd.agent import AgentSpec
from pbx.acd.outputs import CancelOffer, Claimed, MakeOffer, OfferOver
from pbx.acd.skills import Need
from pbx.acd.strategy import STRATEGIES
from pbx.config.queues import Queue, Strategy
from tests.acd.desk import Desk, one_queue


def serve(desk: Desk, *, talk_s: float = 10, gap_s: float = 1, **ask: object) -> str:
    """Let one caller in, have them answered and served; return by whom."""
    entry = desk.caller(**ask)
    agent = desk.offered(entry)[-1]
    desk.answers(agent)
    desk.run(desk.now + talk_s)
    desk.finishes(agent)
    desk.run(desk.now + gap_s)
    return agent


def test_every_configured_strategy_has_a_function() -> None:
    assert set(STRATEGIES) == set(get_args(Strategy))


# Three agents log in at 0, 1 and 2 s; callers come one after the other and talk 10 s each.
ONE_BY_ONE = {
    "longest-idle": "a0 a1 a2 a0 a1 a2",
    "round-robin": "a0 a1 a2 a0 a1 a2",
    "round-robin-ordered": "a0 a1 a2 a0 a1 a2",
    "least-recent": "a0 a1 a2 a0 a1 a2",
    "fewest-calls": "a0 a1 a2 a0 a1 a2",
    "least-talk-time": "a0 a1 a2 a0 a1 a2",
    "linear": "a0 a0 a0 a0 a0 a0",
    "top-down": "a0 a0 a0 a0 a0 a0",
    "sequential": "a0 a0 a0 a0 a0 a0",
    "best-skill": "a0 a1 a2 a0 a1 a2",
    "ring-progressively": "a0 a1 a2 a0 a1 a2",
}


@pytest.mark.parametrize(("strategy", "expected"), ONE_BY_ONE.items())
def test_one_caller_after_the_other(strategy: str, expected: str) -> None:
    desk = one_queue(strategy)
    for n in range(3):
        desk.run(n)
        desk.login(f"a{n}")
    assert [serve(desk) for _ in range(6)] == expected.split()


# The same, but a1 talked 100 s to a caller of another queue: who is first now?
AFTER_OTHER_WORK = {
    "longest-idle": "a0 a2 a1",  # idle over all queues
    "least-recent": "a0 a2 a1",  # within the queue: nobody has had one, so the idle time decides
    "fewest-calls": "a0 a2 a1",  # nobody has had one: who is idle longest
    "least-talk-time": "a0 a2 a0",
    "round-robin": "a0 a1 a2",
    "sequential": "a0 a0 a0",
}


@pytest.mark.parametrize(("strategy", "expected"), AFTER_OTHER_WORK.items())
def test_after_work_in_another_queue(strategy: str, expected: str) -> None:
    queues = {"q": Queue(strategy=strategy, wrap_up_s=0), "other": Queue(wrap_up_s=0)}  # type: ignore[arg-type]
    agents = {f"a{n}": AgentSpec(f"a{n}", {"q": 1, **({"other": 1} if n == 1 else {})}) for n in range(3)}
    desk = Desk(queues, agents)
    desk.login("a0", "a1", "a2")
    serve(desk, queue="other", talk_s=100)
    assert [serve(desk) for _ in range(3)] == expected.split()


def test_round_robin_goes_on_after_the_last_agent_offered_not_the_last_who_answered() -> None:
    desk = one_queue("round-robin")
    desk.login("a0", "a1", "a2")
    entry = desk.caller()
    desk.declines("a0")
    assert desk.offered(entry) == ["a0", "a1"]
    desk.answers("a1")
    assert desk.offered(desk.caller()) == ["a2"]


def test_round_robin_takes_members_in_the_order_they_came_and_ordered_in_that_of_the_configuration() -> None:
    for strategy, expected in (("round-robin", "a1 a2 a0"), ("round-robin-ordered", "a0 a1 a2")):
        desk = one_queue(strategy)
        desk.feed(inputs.MemberSet(agent="a0", queue="q", tier=None))
        desk.feed(inputs.MemberSet(agent="a0", queue="q", tier=1))
        desk.login("a0", "a1", "a2")
        assert [serve(desk) for _ in range(3)] == expected.split()


def test_linear_goes_down_the_list_for_each_caller_and_sequential_begins_anew() -> None:
    for strategy, expected in (
        ("linear", ["a0", "a1", "a2", "a0"]),
        ("top-down", ["a0", "a1", "a2", "a0"]),
        ("sequential", ["a0", "a1", "a0", "a1"]),
    ):
        desk = one_queue(strategy, same_agent_after_s=3, ring_s=4, auto_pause_after=0)
        desk.login("a0", "a1", "a2")
        entry = desk.caller()
        for _ in range(3):
            desk.rings(desk.offered(entry)[-1])
            desk.run(desk.now + 4)
        assert desk.offered(entry) == expected


def test_least_talk_time_counts_over_all_queues_and_starts_anew_with_the_day() -> None:
    desk = one_queue("least-talk-time", agents=2)
    desk.login("a0", "a1")
    assert serve(desk, talk_s=50) == "a0"
    assert serve(desk, talk_s=20) == "a1"
    assert serve(desk, talk_s=20) == "a1"
    desk.feed(inputs.DayBegan())
    assert serve(desk) == "a0"


def test_fewest_calls_counts_the_calls_of_this_queue() -> None:
    desk = one_queue("fewest-calls", agents=2)
    desk.login("a0")
    assert [serve(desk) for _ in range(3)] == ["a0"] * 3
    desk.login("a1")
    assert [serve(desk) for _ in range(4)] == ["a1", "a1", "a1", "a0"]


def test_best_skill_takes_the_highest_levels_of_what_is_needed() -> None:
    agents = {
        "good": AgentSpec("good", {"q": 1}, {"billing": 5, "english": 2}),
        "best": AgentSpec("best", {"q": 1}, {"billing": 5, "english": 5}),
        "other": AgentSpec("other", {"q": 1}, {"technical": 9, "billing": 3}),
    }
    desk = Desk({"q": Queue(strategy="best-skill", wrap_up_s=0)}, agents)
    desk.login(*agents)
    assert desk.offered(desk.caller(needs=(Need("billing", 3), Need("english", 1)))) == ["best"]
    assert desk.offered(desk.caller(needs=(Need("billing", 3),))) == ["good"]
    assert desk.offered(desk.caller(needs=(Need("billing", 3),))) == ["other"]


def test_random_draws_evenly_and_weighted_random_by_weight() -> None:
    def draws(strategy: str) -> Counter[str]:
        agents = {f"a{n}": AgentSpec(f"a{n}", {"q": 1}, weight=n + 1) for n in range(3)}
        queue = Queue(strategy=strategy, wrap_up_s=0)  # type: ignore[arg-type]
        desk = Desk({"q": queue}, agents, seed=7)
        desk.login(*agents)
        return Counter(serve(desk) for _ in range(600))

    even = draws("random")
    assert all(160 < even[a] < 240 for a in ("a0", "a1", "a2"))
    weighted = draws("weighted-random")
    assert 70 < weighted["a0"] < 130
    assert 160 < weighted["a1"] < 240
    assert 260 < weighted["a2"] < 340


def test_random_repeats_with_its_seed() -> None:
    def run(seed: int) -> list[str]:
        desk = one_queue("random", agents=5)
        desk.core._floor.random = random.Random(seed)
        desk.login(*[f"a{n}" for n in range(5)])
        return [serve(desk) for _ in range(10)]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_ring_all_rings_everybody_free_and_who_becomes_free_joins_in() -> None:
    desk = one_queue("ring-all")
    desk.login("a0", "a1")
    entry = desk.caller()
    assert desk.offered(entry) == ["a0", "a1"]
    desk.login("a2")
    assert desk.offered(entry) == ["a0", "a1", "a2"]


def test_ring_progressively_rings_one_more_after_each_step() -> None:
    desk = one_queue("ring-progressively", ring_step_s=5, ring_s=30)
    desk.login("a0", "a1", "a2")
    entry = desk.caller()
    times = []
    for _ in range(3):
        times.append((desk.now, desk.offered(entry)))
        for agent in desk.offered(entry):
            if desk.state(agent) == "reserved":
                desk.rings(agent)
        desk.run(desk.now + 5)
    assert times == [(0, ["a0"]), (5, ["a0", "a1"]), (10, ["a0", "a1", "a2"])]
    desk.answers("a1")
    assert {x.agent for x in desk.all(CancelOffer)} == {"a0", "a2"}


def test_ring_all_with_fifty_agents_answering_in_the_same_millisecond_connects_one() -> None:
    desk = one_queue("ring-all", agents=50)
    desk.login(*[f"a{n}" for n in range(50)])
    entry = desk.caller()
    offers = {o.agent: o.offer_id for o in desk.all(MakeOffer)}
    assert len(offers) == 50
    for offer_id in offers.values():
        desk.feed(inputs.OfferRang(offer_id=offer_id))
    for offer_id in offers.values():
        desk.feed(inputs.OfferAnswered(offer_id=offer_id))
    (claimed,) = desk.all(Claimed)
    assert {(x.agent, x.why) for x in desk.all(CancelOffer)} == {(a, "elsewhere") for a in offers if a != claimed.agent}
    desk.feed(inputs.OfferJoined(offer_id=claimed.offer_id))
    assert desk.exits() == {entry: "answered"}
    assert Counter(x.outcome for x in desk.all(OfferOver)) == {"answered": 1, "cancelled": 49}
    assert Counter(desk.state(f"a{n}") for n in range(50)) == {"on-call": 1, "ready": 49}
