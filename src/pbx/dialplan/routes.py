"""The routes of every context, compiled: which one a number takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pbx.config.config import Config
from pbx.config.dialplan import Route
from pbx.dialplan.pattern import Pattern, Tree, compile_pattern


@dataclass(frozen=True, slots=True)
class Match:
    """One way in which a number fits a route."""

    route: Route
    context: str
    pattern: str  # as written
    number: str  # the form that matched
    groups: Mapping[str, str] = field(default_factory=dict)  # named groups of a regular expression


class Routes:
    """Every context of one configuration; built once, asked for each call."""

    def __init__(self, config: Config) -> None:
        self._trees: dict[str, Tree[tuple[Route, Pattern]]] = {}
        self._regexes: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        self._defaults: dict[str, list[Route]] = {}
        self.patterns: dict[str, list[Pattern]] = {}
        self.includes = {name: context.include for name, context in config.contexts.items()}
        for name, context in config.contexts.items():
            self._trees[name], self._regexes[name], self._defaults[name] = Tree(), [], []
            self.patterns[name] = []
            for route in context.route:
                self._add(name, route)

    def _add(self, context: str, route: Route) -> None:
        for text in route.match:
            pattern = compile_pattern(text)
            self.patterns[context].append(pattern)
            self._trees[context].add(pattern, (route, pattern))
        if route.match_re:
            self._regexes[context].append((re.compile(route.match_re), route))
        if route.default:
            self._defaults[context].append(route)

    def find(self, context: str, dialled: str, normalised: str) -> Iterator[Match]:
        """Yield every route that fits, in the order in which they are asked.

        Per context: patterns on the dialled form, patterns on the normalised form, regular expressions on both in
        file order; then the includes, one after the other.
        """
        forms = (dialled,) if dialled == normalised else (dialled, normalised)
        return self._find(context, forms, set())

    def _find(self, context: str, forms: tuple[str, ...], seen: set[str]) -> Iterator[Match]:
        if context in seen or context not in self._trees:
            return
        seen.add(context)
        for number in forms:
            for route, pattern in self._trees[context].find(number):
                yield Match(route, context, pattern.text, number)
        for regex, route in self._regexes[context]:
            for number in forms:
                found = regex.fullmatch(number)
                if found is not None:
                    groups = {name: text or "" for name, text in found.groupdict().items()}
                    yield Match(route, context, route.match_re, number, groups)
                    break
        for name in self.includes[context]:
            yield from self._find(name, forms, seen)

    def default(self, context: str, dialled: str) -> Iterator[Match]:
        """Yield the routes that catch what nobody matched."""
        for name in self.reach(context):
            for route in self._defaults[name]:
                yield Match(route, name, "default", dialled)

    def reach(self, context: str) -> list[str]:
        """Return *context* and everything that it includes, in the order of asking."""
        found: list[str] = []
        waiting = [context]
        while waiting:
            name = waiting.pop(0)
            if name in found or name not in self._trees:
                continue
            found.append(name)
            waiting = [*self.includes[name], *waiting]
        return found

    def may_become(self, context: str, start: str) -> bool:
        """Say whether a longer number that begins with *start* may have a route: a caller still types."""
        return any(p.may_become(start) for name in self.reach(context) for p in self.patterns[name])
