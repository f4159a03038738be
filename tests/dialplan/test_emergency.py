"""Help comes from every phone, by its site's line, over every limit, and reception hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pbx.signaling.virtual import Behaviour
from tests.dialplan.floor import Floor, on_floor

ANSWERS = Behaviour(answer_after_s=1)


def house(**endpoint: Any) -> dict[str, Any]:
    """A phone without any right or route, a reception, two lines."""
    return {
        "endpoints": {
            "1001": {"context": "none", "country": "CN", "rights": [], **endpoint},
            "1002": {"context": "none", "country": "CN", "rights": []},
        },
        "trunks": {"main": {"proxy": "sip:192.0.2.8"}, "branch": {"proxy": "sip:192.0.2.9"}},
        "contexts": {"none": {"route": []}},
        "emergency": {"trunks": ["main"], "notify": ["endpoint/1002"]},
        "feature_codes": {"profile": "default"},
    }


def rung(floor: Floor) -> list[tuple[str, str]]:
    return [(p.destination.party, p.destination.uri.user) for p in floor.phones.placed]


@pytest.mark.parametrize("number", ["110", "119", "120", "122"])
def test_a_phone_without_rights_reaches_help_and_reception_is_told(number: str) -> None:
    async def body() -> None:
        floor = Floor(house(), {"trunk/main": ANSWERS, "endpoint/1002": ANSWERS})
        leg, _ = floor.call("endpoint/1001", number)
        await asyncio.sleep(3)
        assert sorted(rung(floor)) == [("endpoint/1002", "1002"), ("trunk/main", number)]
        assert leg.peer is not None
        assert leg.peer.party == "trunk/main"
        reception = next(p for p in floor.phones.placed if p.destination.party == "endpoint/1002")
        assert reception.signal.state == "up"

    on_floor(body)


def test_the_line_of_the_site_comes_first_and_the_others_when_it_fails() -> None:
    async def body() -> None:
        floor = Floor(house(site="branch"), {"trunk/branch": Behaviour(status=503), "trunk/main": ANSWERS})
        floor.call("endpoint/1001", "120")
        await asyncio.sleep(3)
        assert [party for party, _ in rung(floor) if party.startswith("trunk")] == ["trunk/branch", "trunk/main"]

    on_floor(body)


def test_no_limit_and_no_wish_for_quiet_stands_in_the_way() -> None:
    async def body() -> None:
        floor = Floor(house(), {"trunk/main": ANSWERS, "endpoint/1002": ANSWERS})
        floor.calls.max_calls = 0
        floor.equipment.forwards.set_dnd("1002", True, by="test")
        floor.equipment.forwards.set("1002", "all", "9999", by="test")
        leg, _ = floor.call("endpoint/1001", "110")
        await asyncio.sleep(3)
        assert leg.peer is not None
        assert ("endpoint/1002", "1002") in rung(floor)

    on_floor(body)
