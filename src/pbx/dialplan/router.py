"""From an introduction to a script: emergency first, then the context's routes and the rights of who calls."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime

from pbx.apps.parking import places
from pbx.apps.recording import policy, recorded
from pbx.call.contract import Refusal, Routed
from pbx.call.leg import Leg
from pbx.config.calendar import Calendars
from pbx.config.condition import Value, compile_condition
from pbx.config.config import Config
from pbx.config.steps import FeatureStep
from pbx.dialplan.charging import charging, minutes_left_s
from pbx.dialplan.codes import Codes
from pbx.dialplan.emergency import call_for_help
from pbx.dialplan.equipment import Equipment
from pbx.dialplan.incall import keys_of
from pbx.dialplan.number import emergency_numbers, normalise, number_class
from pbx.dialplan.routes import Match, Routes
from pbx.dialplan.script import Script
from pbx.dialplan.variables import Variables
from pbx.dialplan.walk import Reach
from pbx.signaling.contract import Introduction

log = logging.getLogger(__name__)


class Dialplan:
    """The routes of one configuration, as the call room's Router. Calls keep the one that they began with."""

    def __init__(self, config: Config, equipment: Equipment) -> None:
        self.config = config
        self.equipment = equipment
        self.routes = Routes(config)
        self.codes = Codes(config.feature_codes)
        self.calendars = Calendars(config.calendars, self.switch)
        self.places = frozenset(places(config.parking.lots)) if config.parking is not None else frozenset()
        self._reach = Reach(config)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.equipment.wall(), UTC)

    def switch(self, name: str) -> str:
        """Return a switch's state."""
        spec = self.config.switches.get(name)
        return self.equipment.switches.state(name, spec.first if spec is not None else "auto")

    def route(self, introduction: Introduction) -> Routed | Refusal:
        """Find the script for a call."""
        values = self._values(introduction)
        if self.is_emergency(introduction):
            return Routed(
                self._emergency(values), introduction.dialled, "emergency", introduction.dialled, over_limits=True
            )
        context = self.context_of(introduction.source)
        found = self.choose(context, introduction.dialled, values)
        if isinstance(found, Refusal):
            coded = self._coded(introduction, values, context) if found.status == 404 else None
            return coded or found
        values.take_match(found)

        async def script(leg: Leg) -> None:
            await self._script(leg, values, found.context, introduction).run(found.route.do)

        return Routed(script, found.number, found.context, found.pattern, str(found.route.where))

    def _script(self, leg: Leg, values: Variables, context: str, introduction: Introduction) -> Script:
        """Make the script of a leg that begins with a route or a code."""
        leg.language = str(values.get("language") or self.config.language)
        leg.variables["values"] = values
        trunk = self.config.trunks.get(introduction.source.removeprefix("trunk/"))
        if trunk is not None and trunk.ring:
            leg.variables["ring"] = trunk.ring
        script = Script(self, leg, values, context)
        if introduction.peer in ("transfer", "api") and leg.party != introduction.source:
            script.transferred_by = introduction.source
        return script

    def _coded(self, introduction: Introduction, values: Variables, context: str) -> Routed | None:
        """Return the script of a feature code or of a place for parked calls; a route wins over both."""
        room, _, name = introduction.source.partition("/")
        dialled = introduction.dialled
        if room != "endpoint" or name not in self.config.endpoints:
            return None
        code = ("place", dialled) if dialled in self.places else self.codes.find(dialled)
        if code is None:
            return None
        action, number = code
        step = FeatureStep(feature=action, value=number)

        async def script(leg: Leg) -> None:
            await self._script(leg, values, context, introduction).run([step])

        return Routed(script, dialled, "feature-codes", action)

    def in_call(self, leg: Leg) -> Mapping[str, Callable[[Leg], Awaitable[None]]]:
        """Return the keys that a leg's party may press during a conversation."""
        return keys_of(self, leg)

    def minutes_left_s(self, party: str) -> float:
        """Return how long an endpoint's forwards and transfers may yet talk outside today; others are not counted."""
        room, _, name = party.partition("/")
        return minutes_left_s(self, name) if room == "endpoint" else math.inf

    async def converse(self, leg: Leg, other: Leg, *, charged: str = "") -> None:
        """Let two legs talk until one hangs up; recorded where a step or an endpoint says so."""
        account = charged.removeprefix("endpoint/") if charged.startswith("endpoint/") else ""
        async with charging(self, account, leg.log.info):
            await self._converse(leg, other)

    async def _converse(self, leg: Leg, other: Leg) -> None:
        said: list[str | None] = [str(found) for one in (leg, other) if (found := one.variables.get("record"))]
        for party in (leg.party, other.party):
            endpoint = self.config.endpoints.get(party.removeprefix("endpoint/"))
            said.append(endpoint.record if endpoint is not None and party.startswith("endpoint/") else None)
        if policy(*said) != "always":
            await leg.bridge(other)
            return
        await leg.answer()
        async with recorded(leg, other, self.equipment.recording_path(leg.call_id), self.equipment.emit):
            await leg.bridge(other)

    def is_emergency(self, introduction: Introduction) -> bool:
        """Say whether an endpoint calls for help: over any limit, whatever its rights."""
        room, _, name = introduction.source.partition("/")
        endpoint = self.config.endpoints.get(name) if room == "endpoint" else None
        spec = self.config.emergency
        if endpoint is None or not spec.trunks:
            return False
        return introduction.dialled in emergency_numbers(endpoint.country, spec.numbers)

    def choose(self, context: str, dialled: str, values: Variables) -> Match | Refusal:
        """Return the route that *dialled* takes for this caller: 404 where there is none, 403 without the right."""
        country, area = self._numbering(values.source)
        normalised = normalise(dialled, country, area)
        for match in self.routes.find(context, dialled, normalised):
            if not match.route.when or self._holds(match, values):
                return match if self.permits(match, normalised, values.source) else Refusal(403)
        if values.source.startswith("trunk/"):
            for match in self.routes.default(context, dialled):
                log.warning("%s delivers %s, which no route names", values.source, dialled)
                return match
        return Refusal(404)

    def choose_for(self, endpoint: str, number: str) -> Match | Refusal:
        """Return the route that an endpoint would take with *number*, if it dialled it now."""
        introduction = Introduction(f"endpoint/{endpoint}", endpoint, "", number, number, "", "", None)
        return self.choose(self.context_of(introduction.source), number, self._values(introduction))

    def _holds(self, match: Match, values: Variables) -> bool:
        with values.trying(match):
            return compile_condition(match.route.when).evaluate(values)

    def permits(self, match: Match, normalised: str, source: str) -> bool:
        """Say whether the rights of an endpoint let it take a route; who comes by a trunk has no rights to lack."""
        room, _, name = source.partition("/")
        endpoint = self.config.endpoints.get(name) if room == "endpoint" else None
        if endpoint is None:
            return True
        needed = match.route.right
        if not needed:
            leaves = self._reach.leaves(match.route)
            needed = number_class(normalised, endpoint.country, endpoint.area_code) if leaves else "internal"
        return needed in endpoint.rights

    def context_of(self, source: str) -> str:
        """Return where the calls of a source start."""
        room, _, name = source.partition("/")
        if room == "endpoint":
            return self.config.endpoints[name].context if name in self.config.endpoints else ""
        return self.config.trunks[name].context if name in self.config.trunks else ""

    def _numbering(self, source: str) -> tuple[str, str]:
        room, _, name = source.partition("/")
        party = (self.config.endpoints if room == "endpoint" else self.config.trunks).get(name)
        return (party.country, party.area_code) if party is not None else ("", "")

    def _values(self, introduction: Introduction) -> Variables:
        room, _, name = introduction.source.partition("/")
        caller = introduction.caller
        country, area = self._numbering(introduction.source)
        endpoint = self.config.endpoints.get(name) if room == "endpoint" else None
        did = normalise(introduction.did, country, area)
        values: dict[str, Value] = {
            "number": introduction.dialled,
            "dialled": introduction.dialled,
            "from": normalise(caller, country, area) if room == "trunk" else caller,
            "from-name": introduction.caller_name,
            "did": did,
            "endpoint": name if room == "endpoint" else "",
            "trunk": name if room == "trunk" else "",
            "language": endpoint.language if endpoint is not None and endpoint.language else self.config.language,
        }
        return Variables(self, introduction.source, values)

    def _emergency(self, values: Variables) -> Callable[[Leg], Coroutine[None, None, None]]:
        async def script(leg: Leg) -> None:
            await call_for_help(Script(self, leg, values, "emergency"))

        return script
