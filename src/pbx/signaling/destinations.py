"""Targets of the language to INVITEs: ``endpoint/1001`` by its bindings, ``trunk/carrier`` by its proxies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pbx.config.config import Config
from pbx.errors import Unreachable
from pbx.signaling.contract import AUTO_ANSWER, Destination, Introduction
from pbx.signaling.presentation import UNNAMED, presented, wants_privacy
from pbx.signaling.trunk import Trunks
from pbx.sip.location import Location
from pbx.sip.uri import Uri


class Destinations:
    """Where targets are now."""

    def __init__(
        self,
        config: Config,
        location: Location,
        trunks: Trunks,
        active: Callable[[str], int],
        wall: Callable[[], float],
    ) -> None:
        """Take *active*, how many calls a party has now."""
        self.config = config
        self._location = location
        self._trunks = trunks
        self._active = active
        self._wall = wall

    def resolve(self, target: str, leg: object, *, number: str = "", caller: str = "") -> Sequence[Destination]:
        """Return where to ring.

        :raises Unreachable: where there is nothing to ring.
        """
        room, _, name = target.partition("/")
        if room == "endpoint":
            found = self.endpoint(name)
            if wants_privacy(_headers_of(leg)):
                return [replace(d, from_=UNNAMED, headers=(*d.headers, ("Privacy", "id"))) for d in found]
            return found
        if room == "trunk":
            return [self._trunk(name, number, leg, caller)]
        raise Unreachable(f"no such target: {target}")

    def endpoint(self, number: str) -> list[Destination]:
        """Return where an endpoint is registered.

        :raises Unreachable: where it is not.
        """
        if number not in self.config.endpoints:
            raise Unreachable(f"no endpoint {number}")
        endpoint = self.config.endpoints[number]
        bindings = self._location.bindings(number, self._wall())
        if not bindings:
            raise Unreachable(f"endpoint {number} is not registered")
        return [
            Destination(
                f"endpoint/{number}",
                b.contact,
                b.flow,
                routes=b.path,
                codecs=endpoint.codecs,
                headers=AUTO_ANSWER if endpoint.auto_answer else (),
            )
            for b in bindings
        ]

    def _trunk(self, name: str, number: str, leg: object, caller: str) -> Destination:
        """Return the way out of a trunk, with its other proxies to fall back on.

        :raises Unreachable: where it is down, or full (reason trunk-full).
        """
        line, flows = self._trunks.flows(name)
        spec = line.spec
        if self._active(f"trunk/{name}") >= spec.max_calls and not getattr(leg, "over_limits", False):
            raise Unreachable(f"trunk {name} is full", status=503, reason="trunk-full")
        proxy = line.proxies[0].uri if line.hop_uri is not None else line.proxies[0].uri.at(flows[0].remote)
        shown = presented(spec, *_caller_of(leg, caller), self.config.sip.domain, _headers_of(leg))
        return Destination(
            f"trunk/{name}",
            Uri("sip", number, proxy.host, proxy.port, proxy.params),
            flows[0],
            credentials=line.credentials,
            from_=shown.from_,
            headers=shown.headers,
            routes=(f"<{line.hop_uri};lr>",) if line.hop_uri is not None else (),
            codecs=spec.codecs,
            alternatives=tuple(flows[1:]),
            redirects=3 if spec.redirects == "obey" else 0,
        )


def _caller_of(leg: object, caller: str) -> tuple[str, str]:
    """Return number and name of who calls: what the step says, else the leg's own caller."""
    own = getattr(leg, "caller", None)
    number, name = getattr(own, "number", ""), getattr(own, "name", "")
    return (caller, "") if caller and caller != number else (number, name)


def _headers_of(leg: object) -> dict[str, list[str]]:
    """Return the headers of the INVITE that this call continues, empty where it began here."""
    variables = getattr(leg, "variables", None)
    introduction = variables.get("introduction") if isinstance(variables, dict) else None
    return introduction.headers if isinstance(introduction, Introduction) else {}
