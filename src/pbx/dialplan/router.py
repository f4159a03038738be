"""From an introduction to a script: the context's routes, most specific first, then its includes."""

from __future__ import annotations

from pbx.call.contract import Refusal, Routed
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.config.dialplan import Route
from pbx.dialplan.interpreter import Interpreter
from pbx.dialplan.pattern import Pattern, compile_pattern
from pbx.signaling.contract import Introduction


class Dialplan:
    """The routes of one configuration, as the call room's Router."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._routes: dict[str, list[tuple[Pattern, Route]]] = {}
        for name, context in config.contexts.items():
            routes = [(compile_pattern(text), route) for route in context.route for text in route.match]
            self._routes[name] = sorted(routes, key=lambda pair: pair[0].rank)

    def route(self, introduction: Introduction) -> Routed | Refusal:
        """Find the script for a call."""
        context = self.context_of(introduction.source)
        found = self.find(context, introduction.dialled)
        if found is None:
            return Refusal(404)
        pattern, route, where = found
        values = {
            "number": introduction.dialled,
            "dialled": introduction.dialled,
            "from": introduction.caller,
            "did": introduction.did,
            "endpoint": introduction.source.removeprefix("endpoint/") if "endpoint/" in introduction.source else "",
            "trunk": introduction.source.removeprefix("trunk/") if "trunk/" in introduction.source else "",
        }

        async def script(leg: Leg) -> None:
            await Interpreter(self._config, leg, values).run(route.do)

        return Routed(script, introduction.dialled, where, pattern.text, str(route.where))

    def context_of(self, source: str) -> str:
        room, _, name = source.partition("/")
        if room == "endpoint":
            return self._config.endpoints[name].context if name in self._config.endpoints else ""
        return self._config.trunks[name].context if name in self._config.trunks else ""

    def find(self, context: str, number: str, seen: frozenset[str] = frozenset()) -> tuple[Pattern, Route, str] | None:
        """Return the pattern, the route and the context that hold *number*."""
        if context in seen or context not in self._routes:
            return None
        for pattern, route in self._routes[context]:
            if pattern.matches(number):
                return pattern, route, context
        for name in self._config.contexts[context].include:
            found = self.find(name, number, seen | {context})
            if found is not None:
                return found
        return None
