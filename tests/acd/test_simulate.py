"""The simulator against the formulas, against the clock, and its promises over a month."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import pytest

from pbx.acd.agent import AgentSpec
from pbx.acd.erlang import erlang_a, erlang_b, erlang_c
from pbx.acd.simulate import Caller, People, Result, Shift, Simulation
from pbx.acd.whatif import Load, Plan, day_of, figures, interval, run
from pbx.config.queues import Announce, Queue

HANDLING_S = 100.0
WITHIN_S = 20.0
AT_ONCE = People(answer_s=0.0)
Z999 = 3.29  # 99.9 %


def test_erlang_b_and_c_give_the_figures_of_the_tables() -> None:
    assert erlang_b(10, 5) == pytest.approx(0.018385, abs=1e-6)
    assert erlang_c(10, 5 / 180, 180, 20).p_wait == pytest.approx(0.036105, abs=1e-6)
    assert erlang_c(1, 0.5, 1, 0).p_wait == pytest.approx(0.5)
    assert erlang_c(1, 0.5, 1, 0).wait_s == pytest.approx(1.0)


def test_a_load_that_nobody_can_serve_is_refused() -> None:
    with pytest.raises(ValueError, match="without end"):
        erlang_c(5, 0.05, 100, 20)


def test_erlang_a_with_endless_patience_is_erlang_c() -> None:
    patient = erlang_a(10, 8 / 100, 100, 1e9, 20)
    formula = erlang_c(10, 8 / 100, 100, 20)
    assert patient.p_wait == pytest.approx(formula.p_wait, rel=1e-4)
    assert patient.wait_s == pytest.approx(formula.wait_s, rel=1e-3)
    assert patient.service_level == pytest.approx(formula.service_level, rel=1e-4)
    assert patient.p_abandon == pytest.approx(0, abs=1e-6)


def test_erlang_a_with_no_patience_at_all_loses_what_erlang_b_loses() -> None:
    assert erlang_a(10, 8 / 100, 100, 1e-6, 20).p_abandon == pytest.approx(erlang_b(10, 8), rel=1e-3)


def simulated(agents: int, load: float, patience_s: float, calls: int, seed: int) -> Result:
    """Run one queue of equal agents; the first fifth warms up and is not counted."""
    rng = random.Random(seed)
    rate = load / HANDLING_S
    at, callers = 0.0, []
    for _ in range(calls):
        at += rng.expovariate(rate)
        patience = rng.expovariate(1 / patience_s) if patience_s < math.inf else math.inf
        callers.append(Caller(at, "q", rng.expovariate(1 / HANDLING_S), patience))
    queue = Queue(wrap_up_s=0, max_wait_s=1e9, max_callers=10**9, service_level_s=WITHIN_S, short_abandon_s=0)
    team = {f"a{n}": AgentSpec(f"a{n}", {"q": 1}) for n in range(agents)}
    shifts = [Shift(name, 0.0, at) for name in team]
    return Simulation({"q": queue}, team, callers, shifts, seed=seed, people=AT_ONCE, count_from_s=at * 0.2).run()


def agrees(values: list[float], expected: float, *, at_least: float = 0.0) -> None:
    """Hold a mean of independent runs against a figure, within 99.9 % limits."""
    half = Z999 * stdev(values) / math.sqrt(len(values)) + at_least
    assert abs(fmean(values) - expected) <= half, f"{fmean(values):.4f} ± {half:.4f}, formula {expected:.4f}"


AGENTS = (1, 2, 3, 5, 8, 12, 20, 35, 60, 100)


@pytest.mark.parametrize("agents", AGENTS)
def test_the_simulator_agrees_with_erlang_c(agents: int) -> None:
    load = agents - 0.8 * math.sqrt(agents) if agents > 1 else 0.6
    results = [simulated(agents, load, math.inf, 1200 + 40 * agents, seed) for seed in range(12)]
    days = [result.queues["q"] for result in results]
    formula = erlang_c(agents, load / HANDLING_S, HANDLING_S, WITHIN_S)
    agrees([day.wait_all_s / day.entered for day in days], formula.wait_s)
    agrees([day.waited / day.entered for day in days], formula.p_wait)
    agrees([day.answered_in_time / day.entered for day in days], formula.service_level)


@pytest.mark.parametrize("agents", AGENTS)
def test_the_simulator_agrees_with_erlang_a(agents: int) -> None:
    load, patience_s = agents + 0.3 * math.sqrt(agents), 60.0  # more than the agents can serve
    results = [simulated(agents, load, patience_s, 800 + 20 * agents, seed) for seed in range(100, 112)]
    days = [result.queues["q"] for result in results]
    formula = erlang_a(agents, load / HANDLING_S, HANDLING_S, patience_s, WITHIN_S)
    agrees([day.abandoned / day.entered for day in days], formula.p_abandon)
    agrees([day.wait_all_s / day.entered for day in days], formula.wait_s)
    agrees([day.answered_in_time / day.entered for day in days], formula.service_level)


def centre(agents: int, announce: bool = False) -> Plan:
    rule = Announce(wait=True, first_s=1, every_s=45) if announce else None
    queues = {name: Queue(wrap_up_s=10, max_callers=10**6, announce=rule) for name in ("support", "sales")}
    team = {
        f"a{n}": AgentSpec(f"a{n}", {"support": 1, "sales": 2} if n % 2 else {"sales": 1, "support": 2})
        for n in range(agents)
    }
    return Plan(queues, team, tuple(Shift(name, 0.0, 36_000.0) for name in team))


def test_everybody_who_entered_left_by_one_exit() -> None:
    plan = centre(10)
    loads = (Load("support", (200.0,) * 10, 60, 90), Load("sales", (200.0,) * 10, 60, 90))
    (result,) = run(plan, lambda seed: day_of(loads, seed), 1, 5)
    for day in result.queues.values():
        assert day.entered == day.answered + day.abandoned + day.timed_out + day.emptied
    assert result.occupancy is not None
    assert 0.5 < result.occupancy < 1


def test_a_promise_holds_for_nine_in_ten_callers_over_a_month() -> None:
    plan = centre(10, announce=True)
    rates = tuple(128.0 + 45 * math.sin(hour) for hour in range(10))
    loads = (Load("support", rates, 100, 600), Load("sales", rates, 100, 600))
    month: list[Caller] = []
    for day in range(20):
        month += [Caller(c.at + day * 36_000, c.queue, c.handling_s, c.patience_s) for c in day_of(loads, 700 + day)]
    shifts = [Shift(name, 0.0, 20 * 36_000.0) for name in plan.agents]
    result = Simulation(plan.queues, plan.agents, month, shifts, seed=3).run()
    told = result.promises_kept + result.promises_broken
    assert told > 1000
    assert 0.85 <= result.promises_kept / told <= 0.95


def test_two_more_agents_help_and_the_limits_say_how_surely() -> None:
    plan = centre(8)
    loads = (Load("support", (120.0,) * 10, 100, 120), Load("sales", (100.0,) * 10, 100, 120))
    before = figures("support", run(plan, lambda seed: day_of(loads, seed), 5, 1))
    after = figures("support", run(plan.with_agents(2), lambda seed: day_of(loads, seed), 5, 1))
    assert before.service_level.high is not None
    assert after.service_level.low is not None
    assert after.service_level.low > before.service_level.high


def test_agents_may_be_taken_away_but_not_all() -> None:
    assert len(centre(8).with_agents(-3).agents) == 5
    with pytest.raises(ValueError, match="only 8"):
        centre(8).with_agents(-8)


def test_an_interval_is_student_s_and_of_nothing_is_nothing() -> None:
    found = interval([1.0, 2.0, 3.0, None])
    assert found.mean == 2.0
    assert found.half == pytest.approx(4.30 / math.sqrt(3))
    assert interval([]).mean is None
    assert interval([4.0]).half is None
