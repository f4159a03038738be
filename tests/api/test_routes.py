"""The control protocol: what it shows has the shape that it promises, what it does happens, and every no says why."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.api.http import Control
from pbx.api.schemas import SHAPES, adapter, schema
from pbx.call.leg import Leg
from tests.api.running import RINGS, SOON, Running, running, until

pytestmark = pytest.mark.asyncio

VIEWS = {
    "calls": "/v1/calls", "channels": "/v1/channels", "endpoints": "/v1/endpoints", "endpoint": "/v1/endpoints/1001",
    "registrations": "/v1/registrations", "trunks": "/v1/trunks", "queues": "/v1/queues", "queue": "/v1/queues/support",
    "agents": "/v1/agents", "agent": "/v1/agents/zhang", "conferences": "/v1/conferences", "codecs": "/v1/codecs",
    "limits": "/v1/limits", "threads": "/v1/threads", "uptime": "/v1/uptime", "pulse": "/v1/pulse",
    "status": "/v1/status", "cdr": "/v1/cdr", "loggers": "/v1/log", "config": "/v1/config",
    "recordings": "/v1/recordings", "parking": "/v1/parking", "mailboxes": "/v1/mailboxes",
}  # fmt: skip


async def busy(pbx: Running) -> None:
    """One caller talks with zhang, one waits, one sits in a conference."""

    async def conference(leg: Leg) -> None:
        from pbx.apps.conference import Terms

        await pbx.equipment.rooms.join(leg, "staff", Terms(announce=False))

    pbx.routes = {"800": pbx.wait, "3000": conference}
    pbx.desk.login("zhang")
    pbx.house.caller("endpoint/1001", "800")
    await until(lambda: pbx.desk.core.agents["zhang"].talk is not None)
    pbx.house.caller("trunk/carrier", "800")
    pbx.house.caller("endpoint/1002", "3000")
    await until(lambda: pbx.desk.core.queues["support"].waiting == 1)
    pbx.emit(ev.ConferenceJoined(conference="x"))
    await pbx.log.durable()


async def test_every_view_has_the_shape_that_its_schema_promises(tmp_path: Path) -> None:
    import jsonschema

    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        await busy(pbx)
        for name, path in VIEWS.items():
            data = await pbx.get(path)
            adapter(name).validate_python(data, strict=True)
            jsonschema.validate(data, schema(name))
        calls = await pbx.get("/v1/calls")
        assert [call["state"] for call in calls] == ["talking", "waiting", "answered"]
        one = await pbx.get(f"/v1/calls/{calls[1]['call_id']}")
        jsonschema.validate(one, schema("call"))
        assert one["waiting"]["queue"] == "support"
        assert one["waiting"]["position"] == 1
        elsewhere = {
            "call",
            "did",
            "recording",
            "verified",
            "why",
            "callbacks",
            "versions",
            "trace",
        }  # tested elsewhere
        assert set(VIEWS) | elsewhere == set(SHAPES)


async def test_a_queue_shows_its_members_its_callers_and_its_day(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        await busy(pbx)
        seen = await pbx.get("/v1/queues/support")
        assert [(m["agent"], m["tier"], m["state"]) for m in seen["members"]] == [
            ("zhang", 1, "on-call"),
            ("li", 2, "logged-out"),
        ]
        assert [(c["position"], c["caller"]) for c in seen["callers"]] == [(1, "carrier")]
        assert seen["today"]["entered"] == 2
        assert seen["today"]["answered"] == 1
        assert seen["today"]["service_level"] == 1.0
        assert seen["today"]["waiting"] == 1
        agent = await pbx.get("/v1/agents/zhang")
        assert agent["call"]["queue"] == "support"
        assert agent["answered_today"] == 1


async def test_a_party_is_rung_and_connected_to_a_number(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/1001": SOON, "endpoint/1002": SOON}) as pbx:

        async def second(leg: Leg) -> None:
            async with leg.dial("endpoint/1002") as other:
                await leg.bridge(other)

        pbx.routes = {"1002": second}
        status, said = await pbx.ask("POST", "/v1/calls", {"target": "1001", "number": "1002"})
        assert status == 200, said
        call = pbx.calls.find(said["call_id"])
        assert call is not None
        await until(lambda: any(leg.peer is not None for leg in call.legs.values()))
        assert [leg.party for leg in call.legs.values()] == ["endpoint/1001", "endpoint/1002"]
        assert pbx.house.phones.placed[1].caller.uri.user == "1001"
        status, said = await pbx.ask("DELETE", f"/v1/calls/{call.call_id}")
        assert status == 200
        assert len(said["legs"]) == 2
        await pbx.calls.drained()
        await pbx.log.durable()
        (record,) = await pbx.get("/v1/cdr")
        assert (record["caller"], record["dialled"], record["cause"]) == ("1001", "1002", "answered")
        did = [e.event.what for e in await pbx.reader.after(0, 1000) if isinstance(e.event, ev.OperatorDid)]
        assert did == ["originate", "hangup"]


async def test_a_party_that_does_not_answer_ends_the_call_with_one_record(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/1001": RINGS}) as pbx:
        pbx.routes = {"1002": pbx.script}
        status, said = await pbx.ask("POST", "/v1/calls", {"target": "1001", "number": "1002", "ring_s": 1})
        assert status == 200, said
        await pbx.calls.drained()
        await pbx.log.durable()
        (record,) = await pbx.get("/v1/cdr")
        assert record["cause"] == "no-answer"
        assert not [port for port in pbx.house.media.ports if not port.closed]


async def test_a_caller_who_waits_is_sent_to_a_number_and_leaves_the_queue_as_moved(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        pbx.routes = {"800": pbx.wait, "1002": pbx.script}
        pbx.desk.login("zhang")
        pbx.desk.pause("zhang")
        pbx.house.caller("endpoint/1001", "800")
        await until(lambda: pbx.desk.core.queues["support"].waiting == 1)
        (call,) = pbx.calls.calls.values()
        status, said = await pbx.ask("POST", f"/v1/calls/{call.call_id}/transfer", {"to": "1002"})
        assert status == 200, said
        await until(lambda: not pbx.desk.core.entries and call.task is not None and not call.task.done())
        leg = next(iter(call.legs.values()))
        await until(lambda: leg.media is not None and leg.media.port in leg.media.port.hears)  # the echo
        await pbx.log.durable()
        (left,) = [e.event for e in await pbx.reader.after(0, 1000) if isinstance(e.event, ev.QueueLeft)]
        assert left.exit == "moved"


async def test_a_conversation_is_sent_elsewhere_and_the_other_party_is_let_go(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/1002": SOON}) as pbx:

        async def second(leg: Leg) -> None:
            async with leg.dial("endpoint/1002") as other:
                await leg.bridge(other)

        pbx.routes = {"1002": second, "2001": pbx.script}
        pbx.house.caller("endpoint/1001", "1002")
        (call,) = pbx.calls.calls.values()
        first = next(iter(call.legs.values()))
        await until(lambda: first.peer is not None)
        status, said = await pbx.ask("POST", f"/v1/calls/{call.call_id}/transfer", {"to": "2001"})
        assert status == 200, said
        await until(lambda: first.media is not None and first.media.port in first.media.port.hears)
        assert [leg.state.name for leg in call.legs.values()] == ["UP", "ENDED"]


async def test_agents_are_logged_in_paused_and_given_skills(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        agent = "/v1/agents/zhang"
        assert (await pbx.ask("POST", agent + "/login", {"seat": "2002"}))[1]["did"] == "zhang is ready"
        assert (await pbx.get(agent))["seat"] == "2002"
        assert (await pbx.ask("POST", agent + "/pause", {"reason": "1"}))[1]["did"] == "zhang is paused"
        assert (await pbx.get(agent))["reason"] == "lunch"
        assert (await pbx.ask("POST", agent + "/ready"))[1]["state"] == "ready"
        assert (await pbx.ask("PUT", agent + "/skills/english", {"level": 7}))[0] == 200
        assert (await pbx.get(agent))["skills"] == {"english": 7}
        assert (await pbx.ask("PUT", "/v1/queues/sales/members/zhang", {"tier": 2}))[0] == 200
        assert (await pbx.get(agent))["queues"] == {"support": 1, "sales": 2}
        assert (await pbx.ask("DELETE", "/v1/queues/sales/members/zhang"))[0] == 200
        assert (await pbx.get(agent))["queues"] == {"support": 1}
        assert (await pbx.ask("POST", agent + "/logout"))[1]["state"] == "logged-out"


async def test_what_is_given_until_an_instant_ends_then_and_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        pbx.desk.login("zhang")
        soon = time.time() + 0.15
        path = "/v1/agents/zhang/skills/english"
        status, said = await pbx.ask("PUT", path, {"level": 9, "until": soon})
        assert status == 200
        assert ", until " in said["did"]
        assert (await pbx.ask("POST", "/v1/agents/zhang/pause", {"reason": "lunch", "until": soon}))[0] == 200
        later = time.time() + 3600
        assert (await pbx.ask("PUT", "/v1/queues/sales/members/zhang", {"tier": 3, "until": later}))[0] == 200
        assert (await pbx.get("/v1/agents/zhang"))["until"]
        await until(lambda: pbx.desk.core.agents["zhang"].skills == {"english": 3})
        await until(lambda: pbx.desk.state("zhang").value == "ready")
        # A restart: the end that is still to come is taken up again; one that fell into the pause is caught up with.
        (key,) = [key for key, text in pbx.texts.kept.items() if text]
        pbx.texts.kept[key] = re.sub(r'"at":[0-9.]+', '"at":1', pbx.texts.kept[key])
        from pbx.apps.timed import Timed

        Timed(pbx.desk, pbx.texts, time.time).start()
        assert "sales" not in pbx.desk.core.agents["zhang"].members


async def test_a_caller_is_moved_and_given_another_priority(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        pbx.routes = {"800": pbx.wait}
        pbx.desk.login("li")
        pbx.desk.pause("li")
        for _ in range(2):
            pbx.house.caller("endpoint/1001", "800")
        await until(lambda: pbx.desk.core.queues["support"].waiting == 2)
        first, second = (caller["entry_id"] for caller in (await pbx.get("/v1/queues/support"))["callers"])
        status, said = await pbx.ask("POST", f"/v1/queues/support/callers/{second}/priority", {"priority": 50})
        assert (status, said["did"]) == (200, f"{second} has priority 50: position 1")
        call_id = first.partition(".")[0]
        status, said = await pbx.ask("POST", f"/v1/queues/support/callers/{call_id}/move", {"to": "sales"})
        assert status == 200, said
        await until(lambda: pbx.desk.core.queues["sales"].waiting == 1)
        assert (await pbx.get("/v1/queues/sales"))["callers"][0]["call_id"] == call_id


async def test_a_draining_server_refuses_new_calls_and_stops_when_the_last_is_over(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        pbx.routes = {"800": pbx.script}
        pbx.house.caller("endpoint/1001", "800")
        (call,) = pbx.calls.calls.values()
        status, said = await pbx.ask("POST", "/v1/drain", {"stop": True})
        assert (status, said["calls"]) == (200, 1)
        assert (await pbx.ask("GET", "/health"))[0] == 503
        status, said = await pbx.ask("POST", "/v1/calls", {"target": "1001", "number": "800"})
        assert (status, said["error"]) == (503, "the server takes no new calls")
        assert not pbx.stopped
        await pbx.ask("DELETE", f"/v1/calls/{call.call_id}")
        await until(lambda: pbx.stopped)
        assert (await pbx.ask("POST", "/v1/drain", {"on": False}))[1]["did"] == "new calls are taken again"
        assert (await pbx.ask("GET", "/health"))[0] == 200


async def test_log_levels_are_set_by_room(tmp_path: Path) -> None:
    import logging

    async with running(tmp_path) as pbx:
        try:
            assert (await pbx.ask("PUT", "/v1/log", {"level": "debug", "room": "sip"}))[0] == 200
            levels = {row["room"]: row["level"] for row in await pbx.get("/v1/log")}
            assert levels["sip"] == "debug"
            assert levels["media"] != "debug"
        finally:
            logging.getLogger("pbx.sip").setLevel(logging.NOTSET)


REFUSED = [
    ("GET", "/v1/nothing", None, 404, "Not Found"),
    ("PATCH", "/v1/calls", None, 405, "Method Not Allowed"),
    ("GET", "/v1/calls/none", None, 404, "no call none"),
    ("DELETE", "/v1/calls/none", None, 404, "no call none"),
    ("GET", "/v1/endpoints/77", None, 404, "no endpoint 77; there are 1001, 1002, 2001, 2002"),
    ("GET", "/v1/queues/nope", None, 404, "no queue nope; there are support, sales"),
    ("GET", "/v1/agents/wang", None, 404, "no agent wang; there are zhang, li"),
    ("GET", "/v1/cdr?limit=0", None, 400, "limit must be a number from 1 to 100000"),
    ("GET", "/v1/cdr?limit=٣", None, 400, "limit must be a number from 1 to 100000"),
    ("POST", "/v1/calls", b"{", 400, "the body is no JSON"),
    ("POST", "/v1/calls", {"target": "1001"}, 400, "number: field required"),
    ("POST", "/v1/calls", {"target": "1001", "number": "1", "x": 1}, 400, "x: extra inputs are not permitted"),
    ("POST", "/v1/calls", {"target": "77", "number": "1"}, 404, "no endpoint 77"),
    ("POST", "/v1/calls", {"target": "1001", "number": "1", "ring_s": 9999}, 400, "ring_s must be from 1 to 600"),
    ("POST", "/v1/calls", {"target": "1001", "number": "77"}, 409, "endpoint/1001 cannot dial 77: 404 Not Found"),
    ("POST", "/v1/calls", {"target": "nobody/x", "number": "77"}, 409, "nobody/x is not registered"),
    ("POST", "/v1/agents/zhang/login", {"seat": "77"}, 404, "no endpoint 77"),
    ("POST", "/v1/agents/zhang/pause", {}, 409, "zhang is logged out: log in first"),
    ("POST", "/v1/agents/zhang/ready", {}, 409, "zhang is logged out: log in first"),
    ("POST", "/v1/agents/zhang/pause", {"reason": "nap"}, 400, "no reason nap for a pause; there are lunch, training"),
    ("POST", "/v1/agents/zhang/wrap-up", {"by_s": 10}, 409, "zhang is not in wrap-up"),
    ("POST", "/v1/agents/zhang/disposition", {"code": "x", "call_id": "1"}, 400, "no disposition x; there are sold"),
    ("PUT", "/v1/agents/zhang/skills/english", {"level": 12}, 400, "level: input should be less than or equal to 9"),
    ("PUT", "/v1/agents/zhang/skills/english", {"level": 2, "until": 5}, 400, "that instant is over"),
    ("PUT", "/v1/queues/nope/members/zhang", {"tier": 1}, 404, "no queue nope"),
    ("DELETE", "/v1/queues/sales/members/zhang", None, 409, "zhang is no member of sales"),
    ("POST", "/v1/queues/support/callers/e1/move", {"to": "sales"}, 404, "no caller in support named e1"),
    ("POST", "/v1/trunks/nope/disable", None, 404, "no trunk nope; there are carrier"),
    ("PUT", "/v1/log", {"level": "loud"}, 400, "level: input should be 'debug', 'info', 'warning' or 'error'"),
    ("PUT", "/v1/log", {"level": "info", "room": "attic"}, 400, "no room attic"),
]


async def test_every_no_is_a_4xx_that_says_why(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        for method, path, data, status, why in REFUSED:
            got, said = await pbx.ask(method, path, data)
            assert (got, why in said["error"]) == (status, True), (method, path, data, got, said)


async def test_a_trunk_is_switched_off_and_on(tmp_path: Path) -> None:
    async with running(tmp_path) as pbx:
        assert (await pbx.ask("POST", "/v1/trunks/carrier/disable"))[0] == 200
        assert (await pbx.get("/v1/trunks"))[0]["state"] == "disabled"
        assert (await pbx.ask("POST", "/v1/trunks/carrier/enable"))[0] == 200
        assert (await pbx.get("/v1/trunks"))[0]["state"] == "up"


async def test_a_configuration_is_shown_without_what_opens_something(tmp_path: Path) -> None:
    config = {"endpoints": {"1001": {"secret": "open sesame", "voicemail": {"pin": "1234"}}, "2001": {}, "2002": {}}}
    async with running(tmp_path, **config) as pbx:
        seen = str(await pbx.get("/v1/config"))
        assert "sesame" not in seen
        assert "1234" not in seen
        assert "support" in seen


async def test_metrics_have_the_names_that_dashboards_use(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        await busy(pbx)
        pbx.emit(ev.LegQuality(packets=100, lost=2, jitter_ms=4.0, mos=4.2))
        async with pbx.session.get("/metrics") as response:
            text = await response.text()
        for line in (
            "pbx_calls 3.0", 'pbx_sip_responses_total{status="486"} 1.0', "pbx_rtp_packets_lost_total 2.0",
            'pbx_rtp_jitter_ms_bucket{le="5"} 1.0', 'pbx_mos_bucket{le="4.3"} 1.0',
            'pbx_queue_waiting{queue="support"} 1.0', 'pbx_queue_answered_today{queue="support"} 1.0',
            'pbx_queue_abandoned_today{queue="support"} 0.0', 'pbx_queue_overflowed_today{queue="support"} 0.0',
            'pbx_queue_service_level{queue="support"} 1.0', 'pbx_agents{state="on-call"} 1.0',
            'pbx_media_tick_lateness_seconds_bucket{le="0.0001"} 99.0',
            'pbx_media_thread_load{thread="media-1"} 0.5',
        ):  # fmt: skip
            assert line in text, line
        assert re.search(r'pbx_queue_longest_wait_seconds\{queue="support"\} 0\.\d', text)
        assert "pbx_event_loop_lag_seconds_bucket" in text


async def test_the_tcp_port_serves_metrics_and_health_and_nothing_else(tmp_path: Path) -> None:
    import socket

    import aiohttp

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with running(tmp_path) as pbx:
        control = Control(pbx)  # type: ignore[arg-type]
        await control.start(tmp_path / "other.sock", f"127.0.0.1:{port}")
        try:
            assert (tmp_path / "other.sock").stat().st_mode & 0o777 == 0o600
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                for path, status in (("/health", 200), ("/metrics", 200), ("/v1/calls", 404), ("/v1/drain", 404)):
                    async with session.get(path) as response:
                        assert response.status == status, path
        finally:
            await control.stop()
        await asyncio.sleep(0)
