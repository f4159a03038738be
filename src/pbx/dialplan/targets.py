"""Targets of the language to destinations: agents to their seats, rotas to people, numbers as each trunk wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pbx.call.contract import Targets
from pbx.call.leg import Leg
from pbx.config.config import Config
from pbx.config.endpoints import Trunk
from pbx.dialplan.number import Wanted, outward
from pbx.dialplan.rota import on_duty
from pbx.errors import Busy, CallFailed, Unreachable
from pbx.signaling.contract import AUTO_ANSWER, Destination, alert_info
from pbx.sip.headers import NameAddr
from pbx.sip.uri import Uri

MAX_NESTING = 5


def wanted(trunk: Trunk) -> Wanted:
    """Return how a trunk wants its numbers."""
    return Wanted(trunk.country, trunk.area_code, trunk.sends, trunk.callers, trunk.caller_else)


class PlanTargets:
    """Resolve what a dialplan may name; *inner* knows endpoints and trunks, *seat_of* where an agent sits."""

    def __init__(
        self,
        config: Callable[[], Config],
        inner: Targets,
        wall: Callable[[], float],
        seat_of: Callable[[str], str] = lambda agent: "",
        disturb_not: Callable[[str], bool] = lambda endpoint: False,
    ) -> None:
        self._config = config
        self._inner = inner
        self._wall = wall
        self._seat_of = seat_of
        self._disturb_not = disturb_not

    def resolve(self, target: str, leg: Leg, *, number: str = "", caller: str = "") -> Sequence[Destination]:
        """Return where to ring.

        :raises CallFailed: where there is nothing to ring.
        """
        return self._resolve(target, leg, number, caller, 0)

    def _resolve(self, target: str, leg: Leg, number: str, caller: str, depth: int) -> Sequence[Destination]:
        room, _, name = target.partition("/")
        if depth > MAX_NESTING:
            raise Unreachable(f"{target} names itself")
        if room == "trunk":
            return self._trunk(name, leg, number, caller)
        if room == "agent":
            inner, number = self._agent(name, number)
            return self._resolve(inner, leg, number, caller, depth + 1)
        if room == "rota":
            return self._resolve(self._rota(name), leg, number, caller, depth + 1)
        if room == "group":
            return self._group(name, leg, number, caller, depth)
        if room == "endpoint" and self._disturb_not(name) and not leg.over_limits:
            raise Busy(f"{target} does not want to be disturbed")
        found = self._introduced(self._inner.resolve(target, leg, number=number, caller=caller), leg, caller)
        found = self._diverted(found, leg)
        if room == "endpoint" and leg.variables.get("auto-answer"):
            found = [replace(d, headers=tuple(dict.fromkeys((*d.headers, *AUTO_ANSWER)))) for d in found]
        if room == "endpoint" and (ring := str(leg.variables.get("ring", ""))) and not leg.variables.get("auto-answer"):
            found = [replace(d, headers=(*d.headers, alert_info(ring))) for d in found]
        return found

    def _introduced(self, found: Sequence[Destination], leg: Leg, caller: str) -> list[Destination]:
        """Let a step's ``caller`` and ``caller-name`` be seen."""
        name = str(leg.variables.get("caller-name", ""))
        if not caller and not name:
            return list(found)
        shown = NameAddr(Uri("sip", caller or leg.caller.number, "invalid"), name or leg.caller.name)
        return [d if d.from_ is not None else replace(d, from_=shown) for d in found]

    def _trunk(self, name: str, leg: Leg, number: str, caller: str) -> list[Destination]:
        name, _, own_number = name.partition("/")
        trunk = self._config().trunks.get(name)
        if trunk is None:
            raise Unreachable(f"no trunk {name}", status=503)
        called, calling = outward(own_number or number, caller or leg.caller.number, wanted(trunk))
        found = self._inner.resolve(f"trunk/{name}", leg, number=called, caller=calling)
        return self._diverted(self._introduced(found, leg, calling), leg)

    def _diverted(self, found: list[Destination], leg: Leg) -> list[Destination]:
        """Say who forwarded a call, before those who did so earlier."""
        diversion = str(leg.variables.get("diversion", ""))
        return [replace(d, headers=(("Diversion", diversion), *d.headers)) for d in found] if diversion else found

    def _agent(self, name: str, number: str) -> tuple[str, str]:
        agent = self._config().agents.get(name)
        if agent is None:
            raise Unreachable(f"no agent {name}")
        if agent.contact:
            return agent.contact, agent.number or number
        seat = self._seat_of(name) or agent.endpoint
        if not seat:
            raise Unreachable(f"agent {name} has no seat")
        return f"endpoint/{seat}", number

    def _rota(self, name: str) -> str:
        rota, _, word = name.partition("/")
        spec = self._config().rotas.get(rota)
        target = on_duty(spec, datetime.fromtimestamp(self._wall(), UTC), word or "now") if spec is not None else ""
        if not target:
            raise Unreachable(f"nobody is on duty in rota {name}")
        return target

    def _group(self, name: str, leg: Leg, number: str, caller: str, depth: int) -> list[Destination]:
        group = self._config().groups.get(name)
        if group is None:
            raise Unreachable(f"no group {name}")
        found: list[Destination] = []
        failure: CallFailed = Unreachable(f"nobody in group {name} can be reached")
        for member in group.members:
            try:
                found += self._resolve(member, leg, number, caller, depth + 1)
            except CallFailed as error:
                failure = error
        if not found:
            raise failure
        return found
