"""RFC 3263: which addresses a URI leads to, and in which order."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from pbx.signaling.resolver import Hop, Service, by_weight, resolve
from pbx.sip.uri import parse_uri


class Zone:
    def __init__(self, services: dict[str, list[Service]], addresses: dict[str, list[str]]) -> None:
        self._services, self._addresses = services, addresses
        self.asked: list[str] = []

    async def services(self, name: str) -> Sequence[Service]:
        self.asked.append(name)
        return self._services.get(name, [])

    async def addresses(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        return self._addresses.get(host, [])


ZONE = {
    "_sip._udp.carrier.example": [Service(20, 0, "b.example", 5070), Service(10, 0, "a.example", 5080)],
    "_sips._tcp.carrier.example": [Service(10, 0, "a.example", 5081)],
}
HOSTS = {"a.example": ["192.0.2.1", "2001:db8::1"], "b.example": ["192.0.2.2"], "carrier.example": ["192.0.2.3"]}


def hops(text: str, transport: str = "") -> tuple[list[Hop], list[str]]:
    zone = Zone(ZONE, HOSTS)
    found = asyncio.run(resolve(parse_uri(text), zone, random.Random(1), transport=transport))
    return found, zone.asked


def test_an_address_is_itself_and_nobody_is_asked() -> None:
    assert hops("sip:192.0.2.9") == ([Hop("udp", "192.0.2.9", 5060)], [])
    assert hops("sips:[2001:db8::9]") == ([Hop("tls", "2001:db8::9", 5061)], [])


def test_services_come_by_priority_with_every_address() -> None:
    found, _ = hops("sip:carrier.example")
    assert found == [Hop("udp", "192.0.2.1", 5080), Hop("udp", "2001:db8::1", 5080), Hop("udp", "192.0.2.2", 5070)]


def test_a_port_means_no_services() -> None:
    assert hops("sip:carrier.example:5062") == ([Hop("udp", "192.0.2.3", 5062)], ["carrier.example"])


def test_the_transport_chooses_the_service() -> None:
    assert hops("sips:carrier.example")[0][0] == Hop("tls", "192.0.2.1", 5081)
    assert hops("sip:carrier.example;transport=tcp")[0] == [Hop("tcp", "192.0.2.3", 5060)]
    assert hops("sip:carrier.example", "tls")[0][0].transport == "tls"


def test_a_name_that_leads_nowhere_is_nothing() -> None:
    assert hops("sip:nobody.example")[0] == []


def test_weights_share_the_calls() -> None:
    chance = random.Random(1)
    pair = [Service(1, 3, "heavy", 1), Service(1, 1, "light", 1)]
    first = Counter(by_weight(pair, chance)[0].target for _ in range(2000))
    assert 1400 < first["heavy"] < 1600
