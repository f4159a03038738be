"""Targets of the language to INVITEs: ``endpoint/1001`` by its bindings, ``trunk/carrier`` by its proxies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pbx.config.config import Config
from pbx.errors import Unreachable
from pbx.signaling.contract import Destination
from pbx.signaling.transports import Transports
from pbx.sip.location import Location
from pbx.sip.uri import Uri, parse_uri


class Destinations:
    """Where targets are now."""

    def __init__(self, config: Config, location: Location, transports: Transports, wall: Callable[[], float]) -> None:
        self.config = config
        self._location = location
        self._transports = transports
        self._wall = wall

    def resolve(self, target: str, leg: object, *, number: str = "", caller: str = "") -> Sequence[Destination]:
        """Return where to ring.

        :raises Unreachable: where there is nothing to ring.
        """
        room, _, name = target.partition("/")
        if room == "endpoint":
            return self.endpoint(name)
        if room == "trunk":
            return [self._trunk(name, number)]
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
            Destination(f"endpoint/{number}", b.contact, b.flow, routes=b.path, codecs=endpoint.codecs)
            for b in bindings
        ]

    def _trunk(self, name: str, number: str) -> Destination:
        trunk = self.config.trunks.get(name)
        if trunk is None or not trunk.enabled or not trunk.proxy:
            raise Unreachable(f"trunk {name} is not available", status=503)
        proxy = parse_uri(trunk.proxy[0])
        transport = trunk.transport or proxy.transport
        port = proxy.port or (5061 if transport == "tls" else 5060)
        flow = self._transports.flow_to(transport, (proxy.host, port))
        if flow is None:
            raise Unreachable(f"no listener for {transport} towards trunk {name}", status=503)
        uri = Uri("sip", number, proxy.host, proxy.port, proxy.params)
        return Destination(f"trunk/{name}", uri, flow, codecs=trunk.codecs)
