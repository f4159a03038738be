"""Why a call went where it went, and the callbacks that were promised."""

from __future__ import annotations

import asyncio
from pathlib import Path

import jsonschema
import pytest

from pbx import events as ev
from pbx.acd import inputs
from pbx.api.schemas import adapter, schema
from tests.api.running import RINGS, SOON, running, until

pytestmark = pytest.mark.asyncio


async def test_a_decision_is_told_with_a_reason_for_each_agent(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        pbx.routes = {"800": pbx.wait}
        pbx.desk.login("li")
        pbx.desk.pause("li", "lunch")
        pbx.desk.login("zhang")
        leg, _ = pbx.house.caller("trunk/carrier", "800")
        await until(lambda: pbx.desk.core.agents["zhang"].talk is not None)
        told = await pbx.get(f"/v1/why/{leg.call_id}")
        jsonschema.validate(told, schema("why"))
        adapter("why").validate_python(told, strict=True)
        texts = [moment["text"] for moment in told["moments"]]
        assert texts[0] == "carrier by trunk/carrier dials 800"
        assert "support: rings zhang" in texts
        assert "connected zhang" in texts
        (decision,) = [m for m in told["moments"] if m["text"] == "support: rings zhang"]
        assert decision["reasons"] == ["zhang: chosen", "li: paused: lunch"]
        by_leg = await pbx.get(f"/v1/why/{leg.call_id}.1")
        assert by_leg["call_id"] == leg.call_id
        took = asyncio.get_running_loop().time()
        await pbx.get(f"/v1/why/{leg.call_id}")
        assert asyncio.get_running_loop().time() - took < 0.1
        status, answer = await pbx.ask("GET", "/v1/why/nobody")
        assert (status, "no call nobody" in answer["error"]) == (404, True)


async def test_a_call_is_found_by_its_sip_call_id(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        pbx.emit(ev.CallStarted(call_id="c1", source="endpoint/1001", caller="1001", dialled="9"))
        pbx.emit(ev.LegCreated(call_id="c1", leg_id="c1.1", direction="in", sip_call_id="abc@phone"))
        pbx.emit(ev.CallEnded(call_id="c1", cause="busy", status=486, by="callee"))
        told = await pbx.get("/v1/why/abc@phone")
        assert [m["text"] for m in told["moments"]] == ["1001 by endpoint/1001 dials 9", "ended: busy, by callee"]


async def test_callbacks_are_listed_and_taken_back(tmp_path: Path) -> None:
    rule = {"queues": {"support": {"callback": {"trunk": "carrier"}}, "sales": {}}}
    async with running(tmp_path, {"endpoint/2001": RINGS}, **rule) as pbx:
        pbx.routes = {"800": pbx.wait}
        pbx.desk.login("zhang")
        pbx.desk.pause("zhang")
        leg, _ = pbx.house.caller("trunk/carrier", "800")
        await until(lambda: pbx.desk.core.queues["support"].waiting == 1)
        asked = inputs.Joined(entry_id=f"{leg.call_id}.q1", queue="support")
        assert pbx.desk.callbacks.take(asked, leg.call_id, "+8613800138000", "800", 3600)
        (row,) = await pbx.get("/v1/callbacks")
        jsonschema.validate([row], schema("callbacks"))
        assert (row["number"], row["queue"], row["position"], row["attempts"]) == ("+8613800138000", "support", 1, 0)
        status, answer = await pbx.ask("DELETE", f"/v1/callbacks/{row['callback_id']}")
        assert (status, answer["did"].startswith("+8613800138000 is not called back")) == (200, True)
        assert await pbx.get("/v1/callbacks") == []
        status, answer = await pbx.ask("DELETE", "/v1/callbacks/x")
        assert (status, "pbx callback list" in answer["error"]) == (404, True)
