"""Feed what was logged back to a core and compare: the same inputs make the same decisions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pbx.acd.agent import AgentSpec
from pbx.acd.core import Core
from pbx.acd.inputs import loaded
from pbx.acd.outputs import Decided
from pbx.config.queues import Queue

Verdict = tuple[str, tuple[str, ...]]  # the entry, and who was chosen


def name_of_run(seed: int) -> str:
    """Return what tells the offers of a run from those of others: its seed is drawn anew at each start."""
    return f"{seed:x}-"


def replay(
    queues: Mapping[str, Queue], agents: Mapping[str, AgentSpec], seed: int, fed: Iterable[tuple[float, dict[str, Any]]]
) -> Iterator[Decided]:
    """Yield the decisions of a run; *fed* are its inputs, each with the instant that the core was given."""
    core = Core(queues, agents, random.Random(seed), name_of_run(seed))
    for at, values in fed:
        core.handle(loaded(values), at)
        for output in core.outputs():
            if isinstance(output, Decided):
                yield output


def first_difference(made: Iterable[Verdict], kept: Iterable[Verdict]) -> str:
    """Say where two runs part, "" where they do not."""
    ours, theirs = list(made), list(kept)
    for number, (mine, logged) in enumerate(zip(ours, theirs, strict=False), start=1):
        if mine != logged:
            return f"decision {number}: {_told(mine)} now, {_told(logged)} then"
    if len(ours) != len(theirs):
        return f"{len(ours)} decisions now, {len(theirs)} then"
    return ""


def _told(verdict: Verdict) -> str:
    entry, chosen = verdict
    return f"{entry} to {', '.join(chosen)}" if chosen else f"{entry} waits"
