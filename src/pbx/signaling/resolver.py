"""Where a SIP URI leads (RFC 3263): SRV, then A and AAAA, best first."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pbx.sip.uri import Uri

LOOKUP_S = 5.0
SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


@dataclass(frozen=True, slots=True)
class Hop:
    """One address to try."""

    transport: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record."""

    priority: int
    weight: int
    target: str
    port: int


class Names(Protocol):
    """The questions that resolving asks; empty for what does not exist."""

    async def services(self, name: str) -> Sequence[Service]: ...
    async def addresses(self, host: str) -> Sequence[str]: ...


class Dns:
    """The system's resolvers."""

    async def services(self, name: str) -> Sequence[Service]:
        return [
            Service(record.priority, record.weight, str(record.target).rstrip("."), record.port)
            for record in await _ask(name, "SRV")
        ]

    async def addresses(self, host: str) -> Sequence[str]:
        found = await asyncio.gather(_ask(host, "A"), _ask(host, "AAAA"))
        return [str(record.address) for records in found for record in records]


async def _ask(name: str, kind: str) -> list[Any]:
    import dns.asyncresolver
    import dns.exception

    try:
        return list(await dns.asyncresolver.resolve(name, kind, lifetime=LOOKUP_S))
    except (dns.exception.DNSException, OSError):
        return []


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def resolve(uri: Uri, names: Names, chance: random.Random, *, transport: str = "") -> list[Hop]:
    """Return the hops to try, in order (§4); empty where the name leads nowhere.

    An address or a port names the hop itself (§4.2): no SRV then. *transport* overrides what the URI says.
    """
    chosen = transport or uri.transport
    default = 5061 if chosen == "tls" else 5060
    if is_address(uri.host):
        return [Hop(chosen, uri.host, uri.port or default)]
    if uri.port is None:
        services = await names.services(f"{SERVICES.get(chosen, '_sip._udp')}.{uri.host}")
        found = [
            Hop(chosen, address, service.port)
            for service in by_weight(services, chance)
            for address in await names.addresses(service.target)
        ]
        if found:
            return found
    return [Hop(chosen, address, uri.port or default) for address in await names.addresses(uri.host)]


def by_weight(services: Sequence[Service], chance: random.Random) -> list[Service]:
    """Sort by priority, and within one at random by weight (RFC 2782)."""
    found: list[Service] = []
    for priority in sorted({s.priority for s in services}):
        left = sorted((s for s in services if s.priority == priority), key=lambda s: s.weight)
        while left:
            point = chance.uniform(0, sum(s.weight for s in left))
            running = 0.0
            for service in left:
                running += service.weight
                if running >= point:
                    break
            found.append(service)
            left.remove(service)
    return found
