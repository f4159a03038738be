"""Feature codes and places for parked calls: known actions, no two alike, none hidden by a route."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pbx.apps.parking import places
from pbx.config.config import Config
from pbx.config.steps import FeatureStep, PageStep, ParkStep, PickupStep, StepSpec
from pbx.config.where import Finding
from pbx.dialplan.checks.report import error, unknown, warning
from pbx.dialplan.codes import ACTIONS, IN_CALL, PLACE, Codes
from pbx.dialplan.features import ACTIONS as BUILT
from pbx.dialplan.number import emergency_numbers
from pbx.dialplan.routes import Routes
from pbx.dialplan.walk import every_step, lists_of

_CODE = re.compile(r"[0-9*#]+")


def codes(config: Config, routes: Routes) -> Iterator[Finding]:
    """Find codes that cannot work."""
    yield from _parking(config)
    yield from _steps(config)
    spec = config.feature_codes
    if spec is None:
        return
    for action, texts in spec.codes.items():
        if action not in ACTIONS:
            yield unknown(spec.where_of(action), "feature", action, ACTIONS)
        for text in texts:
            if text and not _CODE.fullmatch(text.replace(PLACE, "")):
                yield error(spec.where_of(action), f'"{text}" is no code: digits, * and #, with {PLACE} at most once')
    chosen = Codes(spec)
    yield from _alike(config, chosen)
    yield from _hidden(config, chosen, routes)


def _alike(config: Config, chosen: Codes) -> Iterator[Finding]:
    spec = config.feature_codes
    assert spec is not None
    seen: dict[str, str] = {}
    for code in chosen.dialled:
        if code.text in seen:
            yield error(spec.where_of(code.action), f'the code "{code.text}" is {seen[code.text]} and {code.action}',
                        "give one of them another code")  # fmt: skip
        seen[code.text] = code.action
    numbers = {n for e in config.endpoints.values() for n in emergency_numbers(e.country, config.emergency.numbers)}
    taken = set(places(config.parking.lots)) if config.parking is not None else set()
    for text, action in seen.items():
        if text in numbers or text in taken:
            what = "an emergency number" if text in numbers else "a place for parked calls"
            yield error(spec.where_of(action), f'the code "{text}" of {action} is {what}')
    if chosen.of("park") and config.parking is None:
        yield warning(
            spec.where, "feature codes park calls, and there is no [parking]", 'add [parking] lots = "701-720"'
        )
    keys = chosen.in_call
    for key in keys:
        other = next((k for k in [*keys, *config.agent_codes] if k != key and k.startswith(key)), "")
        if other:
            yield error(spec.where_of(keys[key]), f"the key {key} ends before {other} can be pressed")


def _hidden(config: Config, chosen: Codes, routes: Routes) -> Iterator[Finding]:
    """A route wins over a code: tell where that happens."""
    spec = config.feature_codes
    assert spec is not None
    for context in sorted({endpoint.context for endpoint in config.endpoints.values()}):
        for code in chosen.dialled:
            number = code.text.replace(PLACE, "1002")
            found = next(routes.find(context, number, number), None)
            if found is not None:
                yield warning(
                    found.route.where, f"this route hides the feature code {code.text} ({code.action})",
                    f'take the code away: [feature-codes] {code.action} = ""',
                )  # fmt: skip


def _parking(config: Config) -> Iterator[Finding]:
    spec = config.parking
    if spec is None:
        return
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?", spec.lots) or len(places(spec.lots)) not in range(1, 1001):
        yield error(spec.where_of("lots"), f'"{spec.lots}" is no range of places', 'write lots = "701-720"')
        return
    for place in places(spec.lots):
        if place in config.endpoints:
            yield error(spec.where_of("lots"), f"{place} is an endpoint, and a place for parked calls")


def _steps(config: Config) -> Iterator[Finding]:
    for _, steps in lists_of(config):
        for step in every_step(steps):
            yield from _step(config, step)


def _step(config: Config, step: StepSpec) -> Iterator[Finding]:
    match step:
        case FeatureStep() if "{" not in step.feature and (step.feature not in BUILT or step.feature in IN_CALL):
            yield unknown(step.where_of("feature"), "feature", step.feature, BUILT)
        case ParkStep() if config.parking is None:
            yield error(step.where, "there is no [parking]", 'add [parking] lots = "701-720"')
        case PickupStep() if "{" not in step.pickup and step.pickup not in ("group", *config.endpoints):
            yield unknown(step.where_of("pickup"), "endpoint", step.pickup, config.endpoints)
        case PageStep():
            for target in step.page:
                room, _, name = target.partition("/")
                known = config.endpoints if room == "endpoint" else config.groups if room == "group" else {}
                if "{" not in target and name not in known:
                    yield error(step.where_of("page"), f'"{target}" is nothing to page',
                                'write "endpoint/1001" or "group/NAME"')  # fmt: skip
