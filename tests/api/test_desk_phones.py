"""What the console sets at desks: known endpoints, known words, and only what the phone itself may do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pbx.call.leg import Leg
from tests.api.running import Running, running

pytestmark = pytest.mark.asyncio


async def post(pbx: Running, path: str, data: object) -> Any:
    return (await pbx.ask("POST", path, data))[1]


async def test_forwards_and_quiet_are_set_and_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        forwards = pbx.equipment.forwards
        assert await post(pbx, "/v1/endpoints/1001/forward", {"what": "busy", "to": "1002"}) == {
            "did": "endpoint 1001: forward busy to 1002"
        }
        assert forwards.of("1001", None).busy == "1002"
        await post(pbx, "/v1/endpoints/1001/forward", {"what": "busy", "to": ""})
        assert forwards.of("1001", None).busy == ""
        await post(pbx, "/v1/endpoints/1001/dnd", {"on": True})
        assert forwards.disturb_not("1001")
        assert (
            "what must be one of" in (await post(pbx, "/v1/endpoints/1001/forward", {"what": "x", "to": "1"}))["error"]
        )
        assert "no endpoint 7" in (await post(pbx, "/v1/endpoints/7/dnd", {"on": True}))["error"]


async def test_a_phone_that_is_not_registered_cannot_be_asked_to_fetch(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        pbx.agent.pump = lambda: None
        assert "1 phones" in (await post(pbx, "/v1/endpoints/1001/sync", {"reboot": True}))["did"]
        assert "not registered" in (await post(pbx, "/v1/endpoints/1002/sync", {}))["error"]


async def test_parked_calls_are_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        caller, _ = pbx.house.caller("trunk/carrier", "2")
        assert isinstance(caller, Leg)
        pbx.equipment.lots = SimpleNamespace(
            all=lambda: {"701": SimpleNamespace(leg=caller, by="endpoint/1001", since_wall=0.0)}
        )
        (row,) = await pbx.get("/v1/parking")
        assert (row["place"], row["by"], row["caller"]) == ("701", "endpoint/1001", "carrier")
