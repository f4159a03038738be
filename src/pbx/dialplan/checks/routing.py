"""Routes: patterns that are none, that say the same twice, that another one hides, contexts that nobody enters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pbx.config.config import Config
from pbx.config.dialplan import Flow, Menu, Route
from pbx.config.endpoints import Endpoint, Trunk
from pbx.config.steps import FlowStep, GotoStep, MenuStep
from pbx.config.where import Finding
from pbx.dialplan.checks.report import error, warning
from pbx.dialplan.number import COUNTRIES, RIGHTS
from pbx.dialplan.pattern import Pattern, Tree, compile_pattern
from pbx.dialplan.walk import every_step, lists_of


def patterns(config: Config) -> Iterator[Finding]:
    """Find routes that cannot be compiled; nothing else can be said before these are cured."""
    for context in config.contexts.values():
        for route in context.route:
            if not (route.match or route.match_re or route.default):
                yield error(route.where, "a route without match", 'write match = "10XX"')
            for text in route.match:
                try:
                    compile_pattern(text)
                except ValueError as problem:
                    yield error(route.where_of("match"), str(problem))
            if route.match_re:
                yield from _regex(route)
            if route.right and route.right not in RIGHTS:
                yield error(route.where_of("right"), f'no right "{route.right}"', f"there are {', '.join(RIGHTS)}")


def _regex(route: Route) -> Iterator[Finding]:
    try:
        re.compile(route.match_re)
    except re.error as problem:
        yield error(route.where_of("match_re"), f'"{route.match_re}" is no regular expression: {problem}')


def routes(config: Config) -> Iterator[Finding]:
    """Find what is ambiguous, shadowed, or never entered."""
    for name, context in config.contexts.items():
        yield from _within(name, context.route)
    yield from _included(config)
    yield from _never_entered(config)
    yield from _cycles(config)


def _within(name: str, routes: tuple[Route, ...]) -> Iterator[Finding]:
    """In one context only equally specific patterns can hide each other or compete."""
    groups: dict[object, list[tuple[Pattern, Route]]] = {}
    for route in routes:
        for text in route.match:
            pattern = compile_pattern(text)
            literals = tuple(place if len(place) == 1 else len(place) for place in pattern.places)
            groups.setdefault((literals, pattern.tail), []).append((pattern, route))
    for group in groups.values():
        for index, (pattern, route) in enumerate(group):
            for earlier, first in group[:index]:
                if first is route and earlier.text != pattern.text:
                    continue
                if earlier.places == pattern.places:
                    if not first.when or first is route:
                        yield _twice(name, pattern, route, first)
                        break
                elif first is not route and not first.when and earlier.overlaps(pattern):
                    yield warning(
                        route.where_of("match"),
                        f'"{pattern.text}" and "{earlier.text}" ({first.where}) in {name} are equally specific, '
                        "and some numbers match both: the first in the file wins",
                        "make one of them more specific",
                    )
                    break


def _twice(name: str, pattern: Pattern, route: Route, first: Route) -> Finding:
    if first is route:
        return warning(route.where_of("match"), f'"{pattern.text}" stands twice in this route', "drop one of them")
    return error(
        route.where_of("match"),
        f'"{pattern.text}" in {name} is never reached: the route at {first.where} takes the same numbers',
        "drop one of them, or give the first a when",
    )


def _included(config: Config) -> Iterator[Finding]:
    """A pattern of an includer hides what its includes name; told where nobody enters the included context itself."""
    includers: dict[str, set[str]] = {}
    for name, context in config.contexts.items():
        for included in context.include:
            includers.setdefault(included, set()).add(name)
    entered = _entered(config)
    trees: dict[str, Tree[tuple[Pattern, Route]]] = {}
    for included, above in includers.items():
        if included in entered or included not in config.contexts or len(above) != 1:
            continue
        (includer,) = above
        tree = trees.setdefault(includer, _tree(config.contexts[includer].route))
        for route in config.contexts[included].route:
            for text in route.match:
                pattern = compile_pattern(text)
                for other, hiding in tree.find(pattern.sample()):
                    if not hiding.when and other.covers(pattern):
                        yield error(
                            route.where_of("match"),
                            f'"{text}" of {included} is never reached: "{other.text}" ({hiding.where}) in {includer}, '
                            "which includes it, takes these numbers first",
                            f"put the route into {includer}, or make the other more specific",
                        )
                        break


def _tree(routes: tuple[Route, ...]) -> Tree[tuple[Pattern, Route]]:
    tree: Tree[tuple[Pattern, Route]] = Tree()
    for route in routes:
        for text in route.match:
            pattern = compile_pattern(text)
            tree.add(pattern, (pattern, route))
    return tree


def _entered(config: Config) -> set[str]:
    """Return the contexts where calls start or are sent."""
    found = {endpoint.context for endpoint in config.endpoints.values()}
    found |= {trunk.context for trunk in config.trunks.values()}
    found |= {menu.extensions for menu in config.menus.values()}
    for _, steps in lists_of(config):
        found |= {step.goto for step in every_step(steps) if isinstance(step, GotoStep)}
    return found


def _never_entered(config: Config) -> Iterator[Finding]:
    waiting = [name for name in _entered(config) if name in config.contexts]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached and name in config.contexts:
            reached.add(name)
            waiting += config.contexts[name].include
    for name, context in config.contexts.items():
        if name not in reached:
            where = context.route[0].where if context.route and not context.where.line else context.where
            yield warning(
                where, f"nothing leads to context {name}", "let an endpoint or a trunk start there, or include it"
            )
    named = {step.menu for _, steps in lists_of(config) for step in every_step(steps) if isinstance(step, MenuStep)}
    flows = {step.flow for _, steps in lists_of(config) for step in every_step(steps) if isinstance(step, FlowStep)}
    flows |= {code.flow for code in config.agent_codes.values()}
    tables: tuple[tuple[str, set[str], Mapping[str, Menu | Flow]], ...] = (
        ("menu", named, config.menus),
        ("flow", flows, config.flows),
    )
    for kind, used, table in tables:
        if any("{" in name for name in used):
            continue
        for name, spec in table.items():
            if name not in used:
                yield warning(spec.where, f"nothing leads to {kind} {name}", f'use it: {{ {kind} = "{name}" }}')


def _cycles(config: Config) -> Iterator[Finding]:
    """A context that includes itself changes nothing, but was not meant."""
    for name, context in config.contexts.items():
        waiting, seen = list(context.include), set[str]()
        while waiting:
            included = waiting.pop()
            if included == name:
                yield warning(context.where_of("include"), f"context {name} includes itself", "drop it from include")
                break
            if included not in seen and included in config.contexts:
                seen.add(included)
                waiting += config.contexts[included].include


def countries(config: Config) -> Iterator[Finding]:
    """Find countries whose numbers we do not know."""
    told: set[str] = set()
    parties: list[Endpoint | Trunk] = [*config.endpoints.values(), *config.trunks.values()]
    for party in parties:
        if party.country and party.country not in COUNTRIES and str(party.where_of("country")) not in told:
            told.add(str(party.where_of("country")))
            yield error(
                party.where_of("country"),
                f'the numbers of country "{party.country}" are not known',
                f"known: {', '.join(COUNTRIES)}; without a country numbers stay as they are dialled",
            )
