"""Why: a decision in words, one compact reason a member, for `pbx why` and the log."""

from __future__ import annotations

from collections.abc import Iterable

from pbx.acd.outputs import Decided, Face
from pbx.acd.skills import Key, shortfall

MOST_NAMED = 60  # above it, members of one reason are counted, not named


def reasons(decided: Decided) -> tuple[str, ...]:
    """Return "zhang: paused lunch" for every member, the chosen first."""
    chosen = set(decided.chosen)
    tier = min((face[1] for face in decided.faces if face[0] in chosen), default=0)
    order = sorted(decided.faces, key=lambda face: face[0] not in chosen)
    return tuple(f"{face[0]}: {_reason(decided, face, chosen, tier)}" for face in order)


def _reason(decided: Decided, face: Face, chosen: set[str], tier: int) -> str:
    name, own_tier, state, detail, until, skills = face
    if name in chosen:
        return "chosen" if decided.held_for != name else "chosen, preferred"
    if state != "ready":
        return _busy(state, detail, until - decided.at)
    if until > decided.at:
        return f"rests {_seconds(until - decided.at)}"
    if missing := shortfall(decided.needs, skills):
        return missing
    if decided.held_for:
        return f"held for {decided.held_for}"
    if name in decided.barred:
        return "asked just now"
    if decided.up_to_tier and own_tier > decided.up_to_tier:
        return f"tier {own_tier}, up to {decided.up_to_tier} so far"
    if tier and own_tier > tier:
        return f"tier {own_tier}, tier {tier} first"
    return f"{decided.strategy}: another first" if tier else "ready"


def _busy(state: str, detail: str, left_s: float) -> str:
    if state == "wrap-up":
        return f"wrap-up {_seconds(left_s)} left"
    if state == "on-call":
        return f"on call for {detail}" if detail else "on another call"
    if state == "paused":
        return f"paused: {detail}"
    return state.replace("-", " ")


def _seconds(seconds: float) -> str:
    return f"{max(0.0, seconds):.0f} s"


def compact(decided: Decided) -> tuple[str, ...]:
    """Return :func:`reasons` for the log: in a large queue the members of one reason are counted after the first."""
    found = reasons(decided)
    if len(found) <= MOST_NAMED:
        return found
    by_reason: dict[str, list[str]] = {}
    for line in found:
        name, _, reason = line.partition(": ")
        by_reason.setdefault(reason, []).append(name)
    return tuple(
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {reason}"
        for reason, names in by_reason.items()
    )


def told(needs: Key) -> str:
    return ", ".join(f"{skill} {level}" for skill, level in needs) or "nothing"


def story(at: str, queue: str, chosen: Iterable[str], why: Iterable[str]) -> str:
    """Write one decision as `pbx why` shows it."""
    names = ", ".join(chosen)
    head = f"{at}  {queue}: {f'rings {names}' if names else 'waits'}"
    return "\n".join([head, *(f"          {line}" for line in why)])


__all__ = ["compact", "reasons", "story", "told"]
