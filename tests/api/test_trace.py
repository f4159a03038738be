"""The messages of a call over the API: live, afterwards, by any of its ids."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from pbx import events as ev
from pbx.api.schemas import adapter, schema
from pbx.signaling.trace import Trace
from pbx.sip.message import Flow
from tests.api.running import Running, running
from tests.sip.test_torture import message

pytestmark = pytest.mark.asyncio
FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.2", 5062))


def traced(pbx: Running, *call_ids: str) -> Trace:
    clock = iter(range(1000, 2000))
    trace = pbx.agent.trace = Trace(lambda: float(next(clock)))
    for call_id in call_ids:
        trace.note(message(Call_ID=call_id), FLOW, True)
        trace.note(message("SIP/2.0 180 Ringing", body="", Call_ID=call_id), FLOW, False)
    return trace


async def test_the_messages_of_all_legs_are_told_in_order_by_any_id(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        traced(pbx, "in@phone", "other@phone", "out@us")
        pbx.emit(ev.CallStarted(call_id="c1", source="endpoint/1001", caller="1001", dialled="9"))
        pbx.emit(ev.LegCreated(call_id="c1", leg_id="c1.1", direction="in", sip_call_id="in@phone"))
        pbx.emit(ev.LegCreated(call_id="c1", leg_id="c1.2", direction="out", sip_call_id="out@us"))
        told = await pbx.get("/v1/trace/c1")
        jsonschema.validate(told, schema("trace"))
        adapter("trace").validate_python(told, strict=True)
        assert [(m["received"], m["title"]) for m in told["messages"]] == 2 * [
            (True, "INVITE (SDP)"),
            (False, "180 Ringing"),
        ]
        assert "other@phone" not in str(told)
        assert await pbx.get("/v1/trace/out@us") == told
        late = await pbx.get("/v1/trace/c1?after=1004")
        assert [m["title"] for m in late["messages"]] == ["180 Ringing"]


async def test_a_call_that_is_going_on_says_that_more_may_come(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        traced(pbx)
        pbx.routes = {"9": pbx.script}
        leg, _ = pbx.house.caller("endpoint/1001", "9")
        told = await pbx.get(f"/v1/trace/{leg.call_id}")
        assert (told["call_id"], told["live"], told["messages"]) == (leg.call_id, True, [])


async def test_what_belongs_to_no_call_is_found_by_its_call_id_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        traced(pbx, "registration")
        assert len((await pbx.get("/v1/trace/registration"))["messages"]) == 2
        status, answer = await pbx.ask("GET", "/v1/trace/nothing")
        assert (status, "no call nothing" in answer["error"]) == (404, True)
        status, answer = await pbx.ask("GET", "/v1/trace/registration?after=noon")
        assert (status, "is no number" in answer["error"]) == (400, True)
