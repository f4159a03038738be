"""What a lamp shows: the number that its key dials, read as the phone's own context would."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pbx.call.contract import Refusal
from pbx.config.steps import (
    AgentStep,
    ConferenceStep,
    DialStep,
    QueueStep,
    StepSpec,
    SuperviseStep,
    SwitchStep,
)
from pbx.dialplan.router import Dialplan
from pbx.dialplan.walk import every_step


def shown_by(plan: Dialplan, number: str, watcher: str) -> str:
    """Return the thing that *number* lights for endpoint *watcher*: ``endpoint/1002``, ``switch/night``.

    "" where this phone may not dial the number, or it leads to nothing that has a state.
    """
    config = plan.config
    if watcher not in config.endpoints:
        return ""
    if number == watcher:
        return f"endpoint/{number}"
    found = plan.choose_for(watcher, number)
    if isinstance(found, Refusal):
        return _of_code(plan, number, watcher) if found.status == 404 else ""
    return _first_thing(found.route.do, number, watcher, plan)


def _of_code(plan: Dialplan, number: str, watcher: str) -> str:
    """Return what a feature code or a place for parked calls shows."""
    if number in plan.places:
        return f"place/{number}"
    action, value = plan.codes.find(number) or ("", "")
    if action.startswith("forward-"):
        return f"{action.removesuffix('-on').removesuffix('-off')}/{watcher}"
    if action == "filter":
        config = plan.config.endpoints
        bosses = [boss for boss, spec in config.items() if watcher in (*spec.secretary, boss) and spec.secretary]
        chosen = value or (watcher if config[watcher].secretary else next(iter(bosses), ""))
        return f"filter/{chosen}" if chosen in bosses else ""
    if action.startswith("dnd-"):
        return f"dnd/{watcher}"
    if action in ("pickup", "intercom") and value in plan.config.endpoints:
        return f"endpoint/{value}"
    if action in ("agent-login", "agent-pause", "agent-ready"):
        return f"{action.removeprefix('agent-')}/{watcher}"
    if action == "wrap-up-more":
        return f"wrap-up/{watcher}"
    if action == "supervise":
        return _of_hand(plan, value, watcher)
    names = list(plan.config.switches)
    index = int(value) - 1 if value.isdigit() else 0
    return f"switch/{names[index]}" if action == "night-switch" and 0 <= index < len(names) else ""


def _of_hand(plan: Dialplan, named: str, watcher: str) -> str:
    """Return the raised hand of an agent, or of any whom the watcher may supervise; "" for who may not."""
    desk = plan.equipment.desk
    if desk is None:
        return ""
    if not named:
        return f"hands/{watcher}"
    agent = desk.agent_named(named)
    return f"hand/{agent}" if agent and desk.may_supervise(watcher, agent) else ""


def _first_thing(steps: Sequence[StepSpec], number: str, watcher: str, plan: Dialplan) -> str:
    for step in every_step(steps):
        if isinstance(step, SuperviseStep):
            named = step.supervise
            if found := re.fullmatch(r"\{(?:number|dialled)(?::(\d+))?\}", named):
                named = number[int(found[1] or 0) :]
            return _of_hand(plan, named, watcher)
        thing = _thing(step, number, watcher)
        room, _, name = thing.partition("/")
        if room == "endpoint" and name not in plan.config.endpoints:
            continue
        if thing:
            return thing
    return ""


def _thing(step: StepSpec, number: str, watcher: str) -> str:
    match step:
        case DialStep() if step.dial and step.dial[0].startswith("endpoint/"):
            return step.dial[0].replace("{number}", number).replace("{dialled}", number)
        case SwitchStep():
            return f"switch/{step.switch}"
        case ConferenceStep():
            return f"conference/{step.conference.replace('{number}', number)}"
        case QueueStep():
            return f"queue/{step.queue}"
        case AgentStep() if step.agent.endswith("login"):
            return f"login/{watcher}"
        case AgentStep() if step.agent.endswith("pause"):
            return f"pause/{watcher}"
        case AgentStep() if step.agent == "ready":
            return f"ready/{watcher}"
    return ""


def may_pick_up(plan: Dialplan, number: str, watcher: str) -> bool:
    """Say whether a phone may take calls that ring at *number*: it may dial it, and shares a group where there are."""
    owner, asker = plan.config.endpoints.get(number), plan.config.endpoints.get(watcher)
    if owner is None or asker is None or number == watcher:
        return owner is not None and number == watcher
    if isinstance(plan.choose_for(watcher, number), Refusal):
        return False
    return not owner.groups or bool(set(owner.groups) & set(asker.groups))
