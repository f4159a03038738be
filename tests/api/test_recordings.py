"""Recordings over the control protocol: found, heard, exported, held, deleted, forgotten; each touch is logged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import jsonschema
import pytest

from pbx import events as ev
from pbx.api.schemas import schema
from pbx.apps.recording import recorded
from pbx.call.leg import Leg
from tests.api.running import SOON, Running, running, until

pytestmark = pytest.mark.asyncio
CALLER = "13800138000"


async def made(pbx: Running, *, agent: str = "zhang") -> str:
    """A caller talks and is recorded; return the recording."""
    names: list[str] = []

    async def script(leg: Leg) -> None:
        await leg.answer()
        async with leg.dial("endpoint/2001") as other:
            path = pbx.directory / "recordings" / "2026" / "11" / "25" / f"{leg.call_id}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"RIFF" + leg.call_id.encode())
            names.append(path.stem)
            async with recorded(leg, other, path, pbx.emit, queue="support", agent=agent):
                await leg.bridge(other)

    pbx.routes = {"800": script}
    leg, signal = pbx.house.caller(f"trunk/{CALLER}", "800")
    await until(lambda: leg.peer is not None)
    signal.leave()
    await until(lambda: not pbx.calls.calls)
    await until(lambda: not pbx.archive._open)
    return names[0]


async def test_a_recording_is_found_heard_and_every_touch_is_logged(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        name = await made(pbx)
        (row,) = await pbx.get(f"/v1/recordings?caller={CALLER}&agent=zhang&queue=support")
        jsonschema.validate([row], schema("recordings"))
        assert (row["recording_id"], row["path"]) == (name, f"2026/11/25/{name}.wav")
        assert row["leg_id"] != row["other"]
        async with pbx.session.get(f"/v1/recordings/{name}/audio") as response:
            assert await response.read() == b"RIFF" + name.encode()
        async with pbx.session.get(f"/v1/recordings/{name}/audio?as=export") as response:
            assert response.headers["X-Pbx-Sha256"] == row["sha256"]
        assert (await pbx.ask("POST", f"/v1/recordings/{name}/hold"))[0] == 200
        status, said = await pbx.ask("DELETE", f"/v1/recordings/{name}")
        assert (status, "is held" in said["error"]) == (409, True)
        assert (await pbx.ask("POST", f"/v1/recordings/{name}/release"))[0] == 200
        assert (await pbx.ask("DELETE", f"/v1/recordings/{name}"))[0] == 200
        status, said = await pbx.ask("GET", f"/v1/recordings/{name}/audio")
        assert (status, "was deleted by" in said["error"]) == (410, True)
        assert (await pbx.get("/v1/recordings?deleted=true"))[0]["deleted_by"]
        await pbx.log.durable()
        touched = [e.event.what for e in await pbx.reader.after(0, 10_000) if isinstance(e.event, ev.RecordingTouched)]
        assert touched == ["played", "exported", "held", "released", "deleted"]


async def test_a_recording_is_heard_on_a_phone(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON, "endpoint/1001": SOON}) as pbx:
        name = await made(pbx)
        status, said = await pbx.ask("POST", f"/v1/recordings/{name}/play", {"target": "1001"})
        assert status == 200, said
        call = pbx.calls.find(said["call_id"])
        assert call is not None
        await until(lambda: any(port.said for port in pbx.house.media.ports))
        assert [said.what for port in pbx.house.media.ports for said in port.said] == ["recording"]


async def test_a_changed_file_is_named(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        name = await made(pbx)
        status, said = await pbx.ask("POST", "/v1/recordings/verify")
        assert (status, said["faults"]) == (200, [])
        jsonschema.validate(said, schema("verified"))
        path = tmp_path / "recordings" / "2026" / "11" / "25" / f"{name}.wav"
        path.write_bytes(path.read_bytes().replace(b"RIFF", b"RIFE"))
        _, said = await pbx.ask("POST", "/v1/recordings/verify")
        assert [fault["recording_id"] for fault in said["faults"]] == [name]


async def test_a_caller_is_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path, {"endpoint/2001": SOON}) as pbx:
        await made(pbx)
        held = await made(pbx)
        await pbx.ask("POST", f"/v1/recordings/{held}/hold")
        status, said = await pbx.ask("POST", "/v1/forget", {"number": CALLER})
        assert (status, said["recordings"], said["held"]) == (200, 1, 1)
        assert await pbx.get(f"/v1/recordings?caller={CALLER}&deleted=true") == []
        (row,) = await pbx.get(f"/v1/recordings?caller={said['pseudonym']}")
        assert row["recording_id"] == held
        records = await pbx.get("/v1/cdr")
        assert {record["caller"] for record in records} == {said["pseudonym"]}
        assert len(records) == 2
        status, said = await pbx.ask("POST", "/v1/forget", {"number": "1001"})
        assert (status, "is an endpoint" in said["error"]) == (400, True)
        status, said = await pbx.ask("POST", "/v1/forget", {"number": "12"})
        assert (status, "fewer than 6 digits" in said["error"]) == (400, True)
        await asyncio.sleep(0)
