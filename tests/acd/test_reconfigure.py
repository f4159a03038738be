"""A configuration swapped under a core at work."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

from pbx.acd import inputs
from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.outputs import AgentMoved, Exited
from pbx.config.queues import Queue
from tests.acd.desk import Desk, one_queue

Q = Queue(wrap_up_s=0)


def agents(*names: str, queue: str = "q", **spec: object) -> dict[str, AgentSpec]:
    return {name: AgentSpec(name, {queue: 1}, **spec) for name in names}  # type: ignore[arg-type]


def reload(desk: Desk, queues: Mapping[str, Queue], people: Mapping[str, AgentSpec]) -> None:
    what = inputs.Configured(queues=queues, agents=people)
    kept = inputs.loaded(json.loads(json.dumps(inputs.dumped(what))))
    assert inputs.dumped(kept) == inputs.dumped(what)  # a log that is replayed says the same
    desk.feed(kept)


def test_who_waits_keeps_the_place_and_follows_the_new_rules() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    first, second, third = desk.caller(), desk.caller(), desk.caller()
    assert desk.offered(first) == ["a0"]
    reload(desk, {"q": Queue(wrap_up_s=0, strategy="ring-all")}, agents("a0", "a1"))
    desk.login("a1")
    assert desk.offered(second) == ["a1"]
    desk.answers("a0")
    desk.finishes("a0")
    assert desk.offered(second) == ["a1", "a0"]  # ring-all from now on
    desk.answers("a1")
    assert desk.offered(third) == ["a0"]


def test_a_queue_that_is_gone_serves_who_waits_in_it() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    first, second = desk.caller(), desk.caller()
    reload(desk, {"other": Q}, agents("a0", queue="other"))
    desk.answers("a0")
    desk.finishes("a0")
    assert desk.offered(second) == ["a0"]
    desk.answers("a0")
    desk.finishes("a0")
    reload(desk, {"other": Q}, agents("a0", queue="other"))
    assert list(desk.core.queues) == ["other"]
    assert desk.exits() == {first: "answered", second: "answered"}


def test_a_removed_agent_finishes_the_call_and_is_gone() -> None:
    desk = one_queue(agents=2)
    desk.login("a0", "a1")
    desk.caller()
    talking = next(name for name, agent in desk.core.agents.items() if agent.offer is not None)
    idle = "a1" if talking == "a0" else "a0"
    desk.answers(talking)
    reload(desk, {"q": Q}, agents("a9"))
    assert desk.state(talking) == "on-call"
    assert idle not in desk.core.agents
    desk.finishes(talking)
    assert desk.state(talking) == "logged-out"
    reload(desk, {"q": Q}, agents("a9"))
    assert list(desk.core.agents) == ["a9"]


def test_an_offer_to_a_removed_agent_goes_to_the_next() -> None:
    desk = one_queue(agents=2)
    desk.login("a0")
    entry = desk.caller()
    desk.rings("a0")
    desk.login("a1")
    reload(desk, {"q": Q}, agents("a1"))
    assert desk.offered(entry) == ["a0", "a1"]


def test_tiers_and_skills_follow_the_files() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    reload(desk, {"q": Q}, {"a0": AgentSpec("a0", {"q": 3}, {"billing": 7})})
    member = next(iter(desk.core.queues["q"].members.values()))
    assert (member.tier, desk.core.agents["a0"].skills) == (3, {"billing": 7})
    reload(desk, {"q": Q, "r": Q}, {"a0": AgentSpec("a0", {"r": 1})})
    assert not desk.core.queues["q"].members
    assert desk.core.agents["a0"].skills == {}
    assert desk.state("a0") == "ready"  # nobody is logged out by a reload


def test_whose_last_agent_is_taken_away_is_let_go_in_time() -> None:
    desk = one_queue(agents=1)
    desk.login("a0")
    desk.caller()
    entry = desk.caller()
    reload(desk, {"q": Queue(empty_after_s=60), "r": Q}, agents("a0", queue="r"))
    desk.run(120)
    assert desk.exits()[entry] == "emptied"


def test_a_reload_that_changes_nothing_is_not_noticed() -> None:
    desk = one_queue(agents=3)
    desk.login("a0", "a1")
    desk.caller()
    reload(desk, {"q": Queue(strategy="longest-idle", wrap_up_s=0)}, agents("a0", "a1", "a2"))
    assert not [x for x in desk.said if isinstance(x, Exited)]
    assert len(desk.all(AgentMoved)) == 3  # two log-ins, one offer


def test_a_core_without_anybody_becomes_the_same_call_centre() -> None:
    queues, people = {"q": Q}, agents("a0", "a1")
    made = Desk(queues, people)
    empty = Desk({}, {})
    empty.core = Core({}, {}, random.Random(1))
    reload(empty, queues, people)
    for desk in (made, empty):
        desk.login("a0", "a1")
        desk.caller()
        desk.caller()
    assert [str(x) for x in made.said] == [str(x) for x in empty.said]
