"""How long one decision takes: 200 agents, 500 callers waiting, 20 skills; and a simulated day."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from pbx.acd import inputs
from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.explain import compact
from pbx.acd.outputs import Decided, MakeOffer
from pbx.acd.simulate import Shift
from pbx.acd.skills import Need
from pbx.acd.whatif import Load, Plan, day_of, run
from pbx.config.queues import Announce, PriorityRule, Queue, RelaxRule

AGENTS, WAITING, SKILLS, ROUNDS = 200, 500, 20, 3000
NAMES = [f"skill-{n}" for n in range(SKILLS)]


def centre(seed: int, strategy: str) -> tuple[Core, random.Random]:
    """Build the hall: each agent in one or two of four queues, with six skills."""
    rng = random.Random(seed)
    rules = {
        "wrap_up_s": 0,
        "strategy": strategy,
        "priority": (PriorityRule(per_wait_s=30, add=1),),
        "relax": (RelaxRule(after_s=4000, by=1),),
        "max_wait_s": 1e9,
    }
    queues = {f"q{n}": Queue(weight=n + 1, **rules) for n in range(4)}  # type: ignore[arg-type]
    agents = {}
    for n in range(AGENTS):
        skills = {name: rng.randint(1, 9) for name in rng.sample(NAMES, 6)}
        mine = rng.sample(list(queues), rng.randint(1, 2))
        agents[f"a{n}"] = AgentSpec(f"a{n}", {q: rng.randint(1, 2) for q in mine}, skills)
    core = Core(queues, agents, random.Random(seed))
    for name in agents:
        core.handle(inputs.LoggedIn(agent=name), 0.0)
    return core, rng


def someone(rng: random.Random, n: int) -> inputs.Joined:
    needs = tuple(Need(name, rng.randint(1, 5)) for name in rng.sample(NAMES, rng.randint(0, 2)))
    return inputs.Joined(entry_id=f"e{n}", queue=f"q{rng.randrange(4)}", priority=rng.randrange(3), needs=needs)


def timed(what: Callable[[], None], into: list[float]) -> None:
    start = time.perf_counter()
    what()
    into.append((time.perf_counter() - start) * 1e6)


def busy_hall(strategy: str) -> tuple[list[float], list[float], list[float]]:
    """Everybody talks and 500 wait: an agent becomes free, and a caller joins. Returns µs of both, and of the words."""
    core, rng = centre(1, strategy)
    now, count = 1.0, 0
    freed: list[float] = []
    came: list[float] = []
    words: list[float] = []

    def settle() -> None:
        for output in core.outputs():
            if isinstance(output, MakeOffer):
                core.handle(inputs.OfferRang(offer_id=output.offer_id), now)
                core.handle(inputs.OfferAnswered(offer_id=output.offer_id), now)
                core.handle(inputs.OfferJoined(offer_id=output.offer_id), now)
            elif isinstance(output, Decided) and len(words) < ROUNDS:
                timed(lambda decided=output: compact(decided), words)  # type: ignore[misc]

    while len(core.entries) < WAITING:
        count += 1
        now += 0.01
        core.handle(someone(rng, count), now)
        settle()
    for _ in range(ROUNDS):
        now += 0.05
        talking = [a for a in core.agents.values() if a.talk]
        agent = rng.choice(talking)
        assert agent.talk is not None
        over = inputs.CallOver(agent=agent.name, entry_id=agent.talk.entry_id)
        timed(lambda over=over, now=now: core.handle(over, now), freed)  # type: ignore[misc]
        settle()
        while len(core.entries) < WAITING:
            count += 1
            joining = someone(rng, count)
            timed(lambda joining=joining, now=now: core.handle(joining, now), came)  # type: ignore[misc]
            settle()
    return freed, came, words


def idle_hall(strategy: str) -> list[float]:
    """Everybody is free and a caller joins."""
    core, rng = centre(2, strategy)
    took: list[float] = []
    for n in range(ROUNDS):
        joining = someone(rng, n)
        timed(lambda joining=joining, n=n: core.handle(joining, 1.0 + n), took)  # type: ignore[misc]
        core.handle(inputs.Left(entry_id=f"e{n}"), 1.0 + n)
        core.outputs()
    return took


def whole_day() -> dict[str, Any]:
    """Simulate 200 agents and 20,000 calls."""
    queues = {f"q{n}": Queue(wrap_up_s=10, announce=Announce(position=True, wait=True)) for n in range(4)}
    rng = random.Random(3)
    agents = {
        f"a{n}": AgentSpec(f"a{n}", {q: rng.randint(1, 2) for q in rng.sample(list(queues), 2)}) for n in range(AGENTS)
    }
    plan = Plan(queues, agents, tuple(Shift(name, 0.0, 36_000.0) for name in agents))
    loads = [Load(name, (500.0,) * 10, 330, 300) for name in queues]
    callers = day_of(loads, 1)
    start = time.process_time()
    run(plan, lambda seed: callers, 1, 1)
    took = time.process_time() - start
    what = f"a simulated day: {AGENTS} agents, {len(callers):,} calls (must be under 10 s)"
    return {"what": what, "mean_us": round(took / len(callers) * 1e6), "p50_us": "", "p99_us": "",
            "cpu_s": round(took, 1)}  # fmt: skip


def row(what: str, times: list[float]) -> dict[str, Any]:
    ordered = sorted(times)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return {"what": what, "mean_us": round(statistics.fmean(times), 1), "p50_us": round(p50, 1),
            "p99_us": round(p99, 1), "cpu_s": ""}  # fmt: skip


def measure() -> list[dict[str, Any]]:
    """Measure decisions by strategy, and a whole day."""
    rows = []
    for strategy in ("longest-idle", "best-skill", "round-robin"):
        freed, came, words = busy_hall(strategy)
        rows += [
            row(f"{strategy}: all talk, {WAITING} wait, an agent becomes free: offer made", freed),
            row(f"{strategy}: all talk, {WAITING} wait, a caller joins and waits", came),
            row(f"{strategy}: all free, a caller joins: offer made", idle_hall(strategy)),
            row(f"{strategy}: the decision in words, for the log", words),
        ]
    return [*rows, whole_day()]


if __name__ == "__main__":
    for line in measure():
        print(line)
