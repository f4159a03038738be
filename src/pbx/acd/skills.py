"""What a call needs, what an agent can do, and how needs are relaxed while the caller waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pbx.config.queues import RelaxRule

Key = tuple[tuple[str, int], ...]  # (skill, level) in order of names: equal needs are equal keys


@dataclass(frozen=True, slots=True)
class Need:
    """A skill at a level 1–9; *relax* False keeps it as it is however long the call waits."""

    skill: str
    level: int
    relax: bool = True


def key_of(needs: Iterable[Need]) -> Key:
    return tuple(sorted((need.skill, need.level) for need in needs))


def relaxed(needs: Iterable[Need], rules: Iterable[RelaxRule], waited_s: float) -> Key:
    """Return what is still needed after *waited_s*.

    Steps add up, from the original level. A step lowers to level 1 at least: only ``drop`` gives a need up.
    """
    due = [rule for rule in rules if rule.after_s <= waited_s]
    if not due:
        return key_of(needs)
    lower = sum(rule.by for rule in due)
    drop = any(rule.drop for rule in due)
    left = []
    for need in needs:
        if not need.relax:
            left.append(need)
        elif not drop:
            left.append(Need(need.skill, max(1, need.level - lower)))
    return key_of(left)


def met(key: Key, skills: Mapping[str, int]) -> bool:
    """Tell whether *skills* cover the needs; a skill that is not named is 0."""
    return all(skills.get(skill, 0) >= level for skill, level in key)


def shortfall(key: Key, skills: Mapping[str, int]) -> str:
    """Say which need is not met: "billing 2 < 3", or nothing."""
    return ", ".join(f"{s} {skills.get(s, 0)} < {level}" for s, level in key if skills.get(s, 0) < level)


def score(key: Key, skills: Mapping[str, int]) -> int:
    """Return how well *skills* fit: the sum of the levels of what is needed."""
    return sum(skills.get(skill, 0) for skill, _ in key)
