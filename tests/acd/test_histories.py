"""What must hold at every instant of any history, however long and odd."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pbx.acd import inputs
from pbx.acd.agent import TABLE, AgentSpec, State
from pbx.acd.core import Core
from pbx.acd.line import up_to_tier
from pbx.acd.outputs import (
    AgentMoved,
    CancelOffer,
    Claimed,
    Entered,
    Exited,
    MakeOffer,
    OfferOver,
    TooLate,
)
from pbx.acd.queue import Entry
from pbx.acd.skills import Need, met
from pbx.config.queues import PriorityRule as Rule
from pbx.config.queues import Queue, RelaxRule, TierRule

STRATEGIES = [
    "ring-all", "ring-progressively", "longest-idle", "round-robin", "round-robin-ordered", "least-recent",
    "fewest-calls", "least-talk-time", "random", "weighted-random", "linear", "top-down", "sequential", "best-skill",
]  # fmt: skip
AGENTS = {
    "a": AgentSpec("a", {"one": 1}, {"billing": 5}),
    "b": AgentSpec("b", {"one": 1, "two": 2}, {"billing": 2, "english": 3}, wrap_up_s=0),
    "c": AgentSpec("c", {"one": 2, "two": 1}, {"english": 9}, weight=3),
    "d": AgentSpec("d", {"two": 1}, {}, ring_s=4),
    "e": AgentSpec("e", {"one": 3, "two": 1}, {"billing": 9, "english": 1}),
}
NEEDS = st.lists(
    st.builds(Need, st.sampled_from(["billing", "english"]), st.integers(1, 5), st.booleans()),
    max_size=2,
    unique_by=lambda need: need.skill,
).map(tuple)


class History:
    """A core, everything it said, and what must hold of it."""

    def __init__(self, queues: dict[str, Queue], agents: dict[str, AgentSpec], seed: int) -> None:
        self.core = Core(queues, agents, random.Random(seed))
        self.now = 0.0
        self.states = dict.fromkeys(agents, "logged-out")
        self.entered = 0
        self.exits: Counter[str] = Counter()
        self.exited: set[str] = set()
        self.connected: dict[str, str] = {}  # entry: agent
        self.ringing: dict[str, MakeOffer] = {}
        self.over: list[str] = []
        self.count = 0

    def feed(self, what: inputs.Input) -> None:
        self.core.handle(what, self.now)
        outputs = self.core.outputs()
        for output in outputs:
            self._follow(output)
        self.nobody_is_overtaken([output for output in outputs if isinstance(output, MakeOffer)])

    def _follow(self, output: object) -> None:
        match output:
            case AgentMoved():
                assert self.states[output.agent] == output.was, "an agent moved from a state they were not in"
                moves = TABLE[State(output.was)]
                assert State(output.now) in moves.values(), f"{output.was} → {output.now} is not in the table"
                self.states[output.agent] = output.now
            case Entered():
                self.entered += 1
            case Exited():
                assert output.entry_id not in self.exited, "an entry left twice"
                self.exited.add(output.entry_id)
                self.exits[output.exit] += 1
                if output.exit == "answered":
                    self.connected[output.entry_id] = output.agent
            case MakeOffer():
                held = [o for o in self.ringing.values() if o.agent == output.agent]
                assert not held, f"{output.agent} was offered two calls"
                self.ringing[output.offer_id] = output
            case OfferOver():
                made = self.ringing.pop(output.offer_id)
                assert made.agent == output.agent
                self.over.append(output.outcome)
            case Claimed():
                others = [o for o in self.ringing.values() if o.entry_id == output.entry_id]
                assert [o.agent for o in others] == [output.agent], "somebody else still rings for a claimed call"
            case CancelOffer() | TooLate():
                pass
            case _:
                pass

    # ---- the invariants --------------------------------------------------------------------------------------------

    def check(self) -> None:
        self.the_exits_add_up()
        self.one_claim_an_agent()
        self.nobody_idle_beside_a_caller_they_may_take()
        self.states_say_what_is()

    def the_exits_add_up(self) -> None:
        waiting = sum(entry.callback is None for entry in self.core.entries.values())
        assert self.entered == sum(self.exits.values()) + waiting

    def one_claim_an_agent(self) -> None:
        for agent in self.core.agents.values():
            mine = [o for o in self.ringing.values() if o.agent == agent.name]
            assert [o.offer_id for o in mine] == ([agent.offer.offer_id] if agent.offer else [])
        entries = [agent.talk.entry_id for agent in self.core.agents.values() if agent.talk]
        assert len(entries) == len(set(entries)), "one call is connected to two"

    def states_say_what_is(self) -> None:
        for agent in self.core.agents.values():
            assert self.states[agent.name] == agent.state.value
            assert (agent.offer is not None) == (agent.state in (State.RESERVED, State.RINGING))
            assert (agent.wrap is not None) == (agent.state is State.WRAP_UP)
            if agent.state is State.ON_CALL:
                assert agent.talk is not None or agent.others
            if agent.state is State.READY:
                assert agent.reachable
                assert agent.pause is None
                assert not agent.leaving
                assert not agent.others

    def nobody_idle_beside_a_caller_they_may_take(self) -> None:
        """Rule 21 in plain words, written without the core's indices."""
        for entry in self.core.entries.values():
            if entry.claimed or entry.pauses_until or entry.overdue:
                continue
            if entry.offers and entry.queue.spec.strategy != "ring-all":
                continue
            for agent, member in entry.queue.members.items():
                if agent.state is not State.READY or agent.rest_until or agent in entry.barred:
                    continue
                if entry.held_for is not None and entry.held_for is not agent:
                    continue
                if not met(entry.key, agent.skills) or not self._tier_may(entry, member.tier, agent is entry.held_for):
                    continue
                pytest.fail(f"{agent.name} is idle beside {entry.id}")

    def nobody_is_overtaken(self, made: list[MakeOffer]) -> None:
        """Who came earlier, with the same needs and priority, is not left waiting by an agent who may take them."""
        for offer in made:
            entry, agent = self.core.entries.get(offer.entry_id), self.core.agents[offer.agent]
            if entry is None or entry.held_for is agent:
                continue
            for other in entry.queue.entries.values():
                waits = not (other.offers or other.claimed or other.pauses_until or other.overdue or other.held_for)
                earlier = (other.since, other.serial) < (entry.since, entry.serial)
                alike = other.priority == entry.priority and other.key == entry.key
                if not (waits and earlier and alike) or other.callback or entry.callback or agent in other.barred:
                    continue
                if self._tier_may(other, entry.queue.members[agent].tier, preferred=False):
                    pytest.fail(f"{entry.id} overtakes {other.id}, which {agent.name} may take")

    def _tier_may(self, entry: Entry, tier: int, preferred: bool) -> bool:
        if preferred:
            return True
        last = up_to_tier(entry, self.now)
        if last and tier > last:
            return False
        return not entry.offers or tier <= min(offer.tier for offer in entry.offers)


class Histories(RuleBasedStateMachine):
    """Anything, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.history: History | None = None

    @rule(one=st.sampled_from(STRATEGIES), two=st.sampled_from(STRATEGIES), seed=st.integers(0, 99),
          tiers=st.booleans(), retry_s=st.sampled_from([0, 3]), autofill=st.booleans())  # fmt: skip
    def start(self, one: str, two: str, seed: int, tiers: bool, retry_s: float, autofill: bool) -> None:
        if self.history is not None:
            return
        self.history = History(
            {
                "one": Queue(
                    strategy=one,  # type: ignore[arg-type]
                    relax=(RelaxRule(after_s=20, by=1), RelaxRule(after_s=50, drop=True)),
                    tiers=(TierRule(after_s=15, up_to=2), TierRule(after_s=40, up_to=3)) if tiers else (),
                    retry_s=retry_s,
                    max_wait_s=120,
                    max_callers=6,
                    priority=(Rule(per_wait_s=10, add=1),),
                    wrap_up_s=5,
                ),
                "two": Queue(strategy=two, weight=2, autofill=autofill, max_wait_s=60, empty_after_s=20),  # type: ignore[arg-type]
            },
            AGENTS,
            seed,
        )
        for agent in AGENTS:
            self.feed(inputs.LoggedIn(agent=agent))

    def feed(self, what: inputs.Input) -> None:
        if self.history is not None:
            self.history.feed(what)

    def _pick(self, names: list[str], index: int) -> str | None:
        return names[index % len(names)] if names else None

    @rule(queue=st.sampled_from(["one", "two"]), priority=st.integers(0, 3), needs=NEEDS,
          prefer=st.sampled_from(["", "", "a", "c"]))  # fmt: skip
    def a_caller_joins(self, queue: str, priority: int, needs: tuple[Need, ...], prefer: str) -> None:
        if self.history is not None:
            self.history.count += 1
            entry_id = f"e{self.history.count}"
            self.feed(inputs.Joined(entry_id=entry_id, queue=queue, priority=priority, needs=needs, prefer=prefer))

    @rule(index=st.integers(0, 20), how=st.sampled_from(["abandoned", "key", "moved", "lost"]))
    def a_caller_leaves(self, index: int, how: str) -> None:
        if self.history and (entry_id := self._pick(list(self.history.core.entries), index)):
            self.feed(inputs.Left(entry_id=entry_id, exit=how))

    @rule(index=st.integers(0, 20))
    def a_callback_is_taken(self, index: int) -> None:
        if self.history and (entry_id := self._pick(list(self.history.core.entries), index)):
            self.feed(
                inputs.CallbackTaken(entry_id=entry_id, callback_id=f"c{entry_id}", expires_s=100, tries=2, every_s=10)
            )

    @rule(index=st.integers(0, 20), connected=st.booleans())
    def a_callback_is_tried(self, index: int, connected: bool) -> None:
        if self.history:
            talking = [a for a in self.history.core.agents.values() if a.talk and a.talk.entry_id.startswith("c")]
            if talking:
                agent = talking[index % len(talking)]
                assert agent.talk is not None
                self.feed(inputs.CallbackTried(callback_id=agent.talk.entry_id, connected=connected))

    @rule(index=st.integers(0, 20))
    def a_phone_rings(self, index: int) -> None:
        if self.history and (offer_id := self._pick(list(self.history.ringing), index)):
            self.feed(inputs.OfferRang(offer_id=offer_id))

    @rule(index=st.integers(0, 20), twice=st.booleans())
    def an_agent_answers(self, index: int, twice: bool) -> None:
        if self.history and (offer_id := self._pick(list(self.history.ringing), index)):
            self.feed(inputs.OfferAnswered(offer_id=offer_id))
            if twice:
                self.feed(inputs.OfferAnswered(offer_id=offer_id))

    @rule(index=st.integers(0, 20))
    def both_are_joined(self, index: int) -> None:
        if self.history and (offer_id := self._pick(list(self.history.ringing), index)):
            self.feed(inputs.OfferJoined(offer_id=offer_id))

    @rule(index=st.integers(0, 20), outcome=st.sampled_from(["declined", "failed", "missed"]))
    def an_offer_fails(self, index: int, outcome: str) -> None:
        if self.history and (offer_id := self._pick(list(self.history.ringing), index)):
            self.feed(inputs.OfferFailed(offer_id=offer_id, outcome=outcome))

    @rule(agent=st.sampled_from(list(AGENTS)))
    def a_call_is_over(self, agent: str) -> None:
        if self.history and (talk := self.history.core.agents[agent].talk):
            self.feed(inputs.CallOver(agent=agent, entry_id=talk.entry_id))

    @rule(what=st.sampled_from([
        lambda a: inputs.LoggedIn(agent=a), lambda a: inputs.LoggedOut(agent=a),
        lambda a: inputs.Paused(agent=a, reason="lunch"), lambda a: inputs.Paused(agent=a, reason="tea"),
        lambda a: inputs.Ready(agent=a), lambda a: inputs.Ready(agent=a),
        lambda a: inputs.WrapUpExtended(agent=a, by_s=30),
        lambda a: inputs.OtherCalls(agent=a, count=1), lambda a: inputs.OtherCalls(agent=a, count=0),
        lambda a: inputs.Reachable(agent=a, on=False), lambda a: inputs.Reachable(agent=a, on=True),
        lambda a: inputs.MemberSet(agent=a, queue="one", tier=1),
        lambda a: inputs.MemberSet(agent=a, queue="two", tier=3),
        lambda a: inputs.MemberSet(agent=a, queue="one", tier=None),
        lambda a: inputs.SkillSet(agent=a, skill="billing", level=4),
        lambda a: inputs.SkillSet(agent=a, skill="english", level=0),
        lambda a: inputs.DayBegan(),
    ]), agent=st.sampled_from(list(AGENTS)))  # fmt: skip
    def something_happens_to_an_agent(self, what, agent: str) -> None:  # type: ignore[no-untyped-def]
        self.feed(what(agent))

    @rule(index=st.integers(0, 20), priority=st.integers(0, 9))
    def a_supervisor_moves_somebody_up(self, index: int, priority: int) -> None:
        if self.history and (entry_id := self._pick(list(self.history.core.entries), index)):
            self.feed(inputs.Prioritised(entry_id=entry_id, priority=priority))

    @rule(queue=st.sampled_from(["one", "two"]), on=st.booleans())
    def the_hours_change(self, queue: str, on: bool) -> None:
        self.feed(inputs.HoursChanged(queue=queue, open=on or queue == "one"))

    @rule(by_s=st.sampled_from([0.0, 0.5, 2.0, 3.0, 7.0, 12.0]))
    def time_passes(self, by_s: float) -> None:
        if self.history is None:
            return
        until = self.history.now + by_s
        while (deadline := self.history.core.deadline) is not None and deadline <= until:
            self.history.now = max(self.history.now, deadline)
            self.feed(inputs.TimePassed())
            self.history.check()
        self.history.now = until

    @invariant()
    def what_must_hold_holds(self) -> None:
        if self.history is not None:
            self.history.check()


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=100,
    stateful_step_count=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 2)),  # which needs
        st.tuples(st.just("finish"), st.integers(0, 2)),  # which agent
        st.tuples(st.just("wait"), st.integers(1, 30)),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([name for name in STRATEGIES if name != "ring-all"]), OPS)
def test_callers_who_need_the_same_are_served_in_the_order_in_which_they_came(
    strategy: str, ops: list[tuple[str, int]]
) -> None:
    needs = ((), (Need("billing", 3),), (Need("billing", 6),))
    queue = Queue(strategy=strategy, wrap_up_s=0, max_wait_s=1e6, same_agent_after_s=0)  # type: ignore[arg-type]
    agents = {f"a{n}": AgentSpec(f"a{n}", {"q": 1}, {"billing": 2 + 2 * n}) for n in range(4)}
    history = History({"q": queue}, agents, 1)
    for agent in agents:
        history.feed(inputs.LoggedIn(agent=agent))
    came: dict[int, list[str]] = {0: [], 1: [], 2: []}
    answered: list[str] = []

    def pick_up() -> None:
        while history.ringing:
            offer = next(iter(history.ringing.values()))
            answered.append(offer.entry_id)
            history.feed(inputs.OfferRang(offer_id=offer.offer_id))
            history.feed(inputs.OfferAnswered(offer_id=offer.offer_id))
            history.feed(inputs.OfferJoined(offer_id=offer.offer_id))

    for number, (what, which) in enumerate(ops):
        if what == "join":
            came[which].append(f"e{number}")
            history.feed(inputs.Joined(entry_id=f"e{number}", queue="q", needs=needs[which]))
        elif what == "finish":
            talk = history.core.agents[f"a{which}"].talk
            if talk is not None:
                history.feed(inputs.CallOver(agent=f"a{which}", entry_id=talk.entry_id))
        else:
            history.now += which
            history.feed(inputs.TimePassed())
        pick_up()
    for alike in came.values():
        served = [entry for entry in answered if entry in alike]
        assert served == alike[: len(served)]
