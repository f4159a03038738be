"""kill -9 at random moments of a server with recorded and queued calls: nothing that was told is untrue after it.

Twenty kills in ``make test``, two hundred with PBX_PROVE=1. A reader of the event feed stands beside: what it was told
was on the disk, so it must be in the log, once and the same. Recordings play and miss at most their last second; the
audit, which reads every file and every half-hour too, finds nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import soundfile

from pbx import events as ev
from pbx.store.export import read_log
from tests.interop.server import ROOT, LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

KILLS = 200 if os.environ.get("PBX_PROVE") == "1" else 20
MISSING_S = 1.0  # of a recording's end, at most

TALKER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="talker">
  <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:13800138000@[local_ip]:[local_port]>;tag=[pid]-[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:talker@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=talker 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rtd="true" rrs="true" timeout="3000"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:13800138000@[local_ip]:[local_port]>;tag=[pid]-[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
  <nop><action><exec rtp_stream="{sound},-1,8,PCMA/8000"/></action></nop>
  <pause distribution="uniform" min="300" max="2500"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[routes]
From: <sip:13800138000@[local_ip]:[local_port]>;tag=[pid]-[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" timeout="2000"/>
</scenario>
"""


class FeedReader(threading.Thread):
    """Follows the feed over every restart; keeps what it was told."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.told: dict[int, dict[str, Any]] = {}
        self.twice: list[int] = []
        self._path = path
        self._over = threading.Event()

    def run(self) -> None:
        asyncio.run(self._follow())

    def finish(self) -> None:
        self._over.set()
        self.join(10)

    async def _follow(self) -> None:
        while not self._over.is_set():
            with suppress(aiohttp.ClientError, OSError):
                connector = aiohttp.UnixConnector(str(self._path))
                async with aiohttp.ClientSession(connector=connector) as session:
                    await self._read(session)
            await asyncio.sleep(0.02)

    async def _read(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"http://pbx/v1/feed?since={max(self.told, default=0)}") as feed:
            while not self._over.is_set():
                with suppress(TimeoutError):
                    message = await feed.receive(timeout=0.2)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return
                    told = message.json()
                    if "kind" in told:
                        self.twice += [told["seq"]] if told["seq"] in self.told else []
                        self.told[told["seq"]] = told


@pytest.fixture
def callee(net: None, tmp_path: Path) -> Iterator[Sipp]:
    sipp = Sipp(tmp_path / "uas", "uas", "-sn", "uas", "-p", "5070", "-rtp_echo", "-mp", "12000")
    yield sipp
    sipp.stop()


@pytest.fixture
def loaded(net: None, callee: Sipp, tmp_path: Path) -> Iterator[LiveServer]:
    """A server with callers who come whatever happens: five a second to be recorded, five a second into the queue."""
    server = LiveServer.of(Path(__file__).parent / "benchconf", tmp_path / "bench", level="error")
    server.start()
    sound = tmp_path / "talk.wav"
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    soundfile.write(sound, tone, 8000, subtype="ALAW")
    scenario = tmp_path / "talker.xml"
    scenario.write_text(TALKER.format(sound=sound))
    callers = [
        Sipp(tmp_path / number, "uac", "-sf", str(scenario), "-s", number, "-p", port, "-mp", ports, "-r", "5",
             "-recv_timeout", "8000", "127.0.0.1:5060")
        for number, port, ports in (("7001", "5080", "13000"), ("7200", "5081", "14000"))
    ]  # fmt: skip
    yield server
    for sipp in callers:
        sipp.stop()
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


def test_nothing_that_was_told_is_untrue_after_a_kill(loaded: LiveServer) -> None:
    reader = FeedReader(loaded.socket)
    reader.start()
    chance = random.Random(1)
    killed: list[float] = []
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 1.6))  # the moment of the kill
        loaded.kill()
        killed.append(time.time())
        assert loaded.start() < 10.0
    wait_for(lambda: len(loaded.ask("/v1/recordings?limit=1000")) > KILLS, 20, "hardly anything was recorded")
    loaded.stop()
    reader.finish()
    _told_is_logged(loaded, reader)
    _recordings_play(loaded, killed)
    audit = subprocess.run(
        [sys.executable, "-m", "pbx", "audit", "-c", str(loaded.directory)],
        capture_output=True, text=True, check=False, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert audit.returncode == 0, audit.stderr[-3000:]


def _told_is_logged(server: LiveServer, reader: FeedReader) -> None:
    logged = {entry.seq: entry for entry in read_log(server.directory / "var" / "bench.db")}
    assert len(reader.told) > 20 * KILLS
    assert reader.twice == []
    for seq, told in reader.told.items():
        assert seq in logged, f"{told} was told and is not there"
        assert (logged[seq].event.KIND, logged[seq].event.call_id) == (told["kind"], told["call_id"])


def _recordings_play(server: LiveServer, killed: list[float]) -> None:
    """Every recording opens; what a kill cut misses at most its last second."""
    began: dict[str, tuple[float, str]] = {}
    ended: set[str] = set()
    with_calls: set[str] = set()  # the others' calls a kill took before they were on the disk
    for entry in read_log(server.directory / "var" / "bench.db"):
        event = entry.event
        if isinstance(event, ev.RecordingStarted):
            began[event.recording_id] = (entry.at_utc, event.path)
            with_calls |= {event.recording_id} if event.leg_id else set()
        elif isinstance(event, ev.RecordingEnded):
            ended.add(event.recording_id)
    cut = 0
    for recording_id, (at_utc, name) in began.items():
        samples, rate_hz = soundfile.read(server.directory / "var" / "bench-recordings" / name)
        cut_at = min((at for at in killed if at > at_utc), default=0.0)
        if recording_id in with_calls and recording_id not in ended and cut_at:
            cut += 1
            assert len(samples) / rate_hz > cut_at - at_utc - MISSING_S, name
    assert cut > KILLS / 2
