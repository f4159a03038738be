"""A history written down and fed back makes the same decisions."""

from __future__ import annotations

import json
import random
from typing import Any

from pbx.acd import inputs
from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.outputs import Decided, MakeOffer
from pbx.acd.replay import first_difference, name_of_run, replay
from pbx.acd.skills import Need
from pbx.config.queues import Queue

QUEUES = {"q": Queue(strategy="weighted-random", wrap_up_s=3)}
AGENTS = {f"a{n}": AgentSpec(f"a{n}", {"q": 1}, {"billing": n}, weight=n + 1) for n in range(6)}


def history(seed: int) -> tuple[list[tuple[float, dict[str, Any]]], list[tuple[str, tuple[str, ...]]]]:
    """Run a busy minute; return what was fed, as JSON keeps it, and what was decided."""
    core, rng = Core(QUEUES, AGENTS, random.Random(seed), name_of_run(seed)), random.Random(99)
    fed: list[tuple[float, dict[str, Any]]] = []
    decided: list[tuple[str, tuple[str, ...]]] = []

    def feed(what: inputs.Input, at: float) -> None:
        fed.append((at, json.loads(json.dumps(inputs.dumped(what)))))
        core.handle(what, at)
        for output in core.outputs():
            if isinstance(output, Decided):
                decided.append((output.entry_id, output.chosen))
            elif isinstance(output, MakeOffer) and rng.random() < 0.7:
                feed(inputs.OfferRang(offer_id=output.offer_id), at)
                feed(inputs.OfferAnswered(offer_id=output.offer_id), at)
                feed(inputs.OfferJoined(offer_id=output.offer_id), at)

    for name in AGENTS:
        feed(inputs.LoggedIn(agent=name), 0.0)
    for n in range(60):
        needs = (Need("billing", rng.randint(1, 4)),) if n % 3 == 0 else ()
        feed(inputs.Joined(entry_id=f"e{n}", queue="q", needs=needs), n + 0.1)
        for agent in list(core.agents.values()):
            if agent.talk is not None and rng.random() < 0.5:
                feed(inputs.CallOver(agent=agent.name, entry_id=agent.talk.entry_id), n + 0.6)
    return fed, decided


def test_the_same_inputs_make_the_same_decisions_draws_included() -> None:
    fed, decided = history(7)
    made = [(d.entry_id, d.chosen) for d in replay(QUEUES, AGENTS, 7, fed)]
    assert len(decided) > 50
    assert first_difference(made, decided) == ""


def test_another_seed_is_told_with_the_first_decision_that_differs() -> None:
    fed, decided = history(7)
    made = [(d.entry_id, d.chosen) for d in replay(QUEUES, AGENTS, 8, fed)]
    assert first_difference(made, decided).startswith("decision ")


def test_a_run_that_stops_early_is_told_by_its_length() -> None:
    assert first_difference([("e", ("a",))], [("e", ("a",)), ("f", ())]) == "1 decisions now, 2 then"
