"""SIPp as both ends: many calls, none lost, nothing of ours repeated, nothing left behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from pbx.acd.replay import first_difference, replay
from pbx.cli.simulate import agent_specs, last_run
from pbx.config.loader import load
from pbx.store.audit import audit
from pbx.store.entries import entries_of, sums
from pbx.store.export import read_log
from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.conftest import registered
from tests.interop.server import ROOT, LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop


@pytest.fixture
def bench(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer.of(Path(__file__).parent / "benchconf", tmp_path / "bench", level="warning")
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def callee(net: None, tmp_path: Path) -> Iterator[Sipp]:
    sipp = Sipp(tmp_path / "uas", "uas", "-sn", "uas", "-p", "5070")
    yield sipp
    sipp.stop()


def caller(directory: Path, *arguments: str) -> Sipp:
    return Sipp(directory / "uac", "uac", "-sn", "uac", "-s", "service", "-p", "5080", *arguments, "127.0.0.1:5060")


def test_two_hundred_calls_a_second(bench: LiveServer, callee: Sipp, tmp_path: Path) -> None:
    memory = []
    for rush, calls in ((1, 3000), (2, 2000)):  # the first fills caches and pools; the second must not need more
        sipp = caller(tmp_path / str(calls), "-r", "200", "-m", str(calls), "-d", "100")
        assert sipp.finish(60) == {"Successful call": calls, "Failed call": 0}, sipp.errors()
        wait_for(lambda: bench.ask("/v1/calls") == [], 10, "calls are left")
        assert bench.ask("/v1/status")["retransmitted"] == 0
        assert bench.ask("/v1/status")["media_ports"] == 0
        # Transactions linger for 32 s; then everything is given back.
        wait_for(partial(idle, bench, rush), 45, lambda: str(bench.ask("/v1/status")))
        memory.append(bench.memory_kb())
    assert memory[1] < memory[0] + 8_000


def idle(server: LiveServer, rushes: int) -> bool:
    """Nothing is held any more, and the server has cleaned up after each rush."""
    status = server.ask("/v1/status")
    return set(status["stack"].values()) == {0} and status["clean_ups"] == rushes


def test_a_crash_with_fifty_calls_up(
    bench: LiveServer, callee: Sipp, tmp_path: Path, make_phone: Callable[..., Baresip]
) -> None:
    phones = [make_phone(number, f"bench-{number}", 440.0) for number in ("3001", "3002")]
    wait_for(lambda: registered(bench) == {"3001", "3002"}, 10, "the phones do not register")
    sipp = caller(tmp_path, "-r", "50", "-m", "50", "-d", "60000")
    wait_for(lambda: sum(c["state"] == "talking" for c in bench.ask("/v1/calls")) == 50, 15, "no fifty calls")
    up = {call["call_id"] for call in bench.ask("/v1/calls")}
    time.sleep(0.2)  # a batch of the log is at most 100 ms
    bench.kill()
    assert bench.start() < 2.0
    sipp.stop()
    assert registered(bench) == {"3001", "3002"}
    wait_for(lambda: up <= {r["call_id"] for r in bench.records()}, 5, "records are missing")
    for record in bench.records():
        if record["call_id"] in up:
            assert (record["cause"], record["ended_by"]) == ("restart", "system")
            assert record["answered_utc"] is not None
    # The phones have not registered again; they are reachable all the same.
    since = len(phones[1].events)
    phones[0].dial("3002")
    phones[1].wait("CALL_INCOMING", since=since)
    phones[1].accept()
    phones[0].wait("CALL_ESTABLISHED")


def test_nothing_unauthenticated_reaches_the_dialplan(office: LiveServer, tmp_path: Path) -> None:
    sipp = Sipp(tmp_path / "uac", "uac", "-sn", "uac", "-s", "1001", "-p", "5080", "-m", "3", "-r", "10",
                "127.0.0.1:5060")  # fmt: skip
    assert sipp.finish(40)["Successful call"] == 0
    assert re.search(r"401", sipp.errors())
    assert office.ask("/v1/calls") == []
    assert office.records() == []


def test_a_caller_hears_the_prompt_that_was_meant(
    bench: LiveServer, make_phone: Callable[..., Baresip], tmp_path: Path
) -> None:
    alice = make_phone("3001", "bench-3001", 440.0)
    wait_for(lambda: registered(bench) == {"3001"}, 10, "the phone does not register")
    alice.dial("7002")
    alice.wait("CALL_ESTABLISHED")
    with capture(tmp_path / "prompt.pcap") as heard_file:
        time.sleep(4.0)
    alice.hang_up()
    heard_sound = alaw_heard(heard_file, alice.rtp_ports)
    prompt, rate_hz = soundfile.read(ROOT / "prompts" / "en" / "welcome.flac")
    prompt = prompt[:: rate_hz // 8000]
    spectrum = np.fft.rfft(heard_sound, 2**17) * np.conj(np.fft.rfft(prompt, 2**17))
    best = float(np.abs(np.fft.irfft(spectrum)).max())
    assert best / float((prompt**2).sum()) > 0.7


def test_callers_in_a_queue_reach_agents_and_the_log_adds_up(bench: LiveServer, callee: Sipp, tmp_path: Path) -> None:
    sipp = Sipp(tmp_path / "uac", "uac", "-sn", "uac", "-s", "7200", "-p", "5080", "-r", "20", "-m", "100", "-d", "500",
                "127.0.0.1:5060")  # fmt: skip
    assert sipp.finish(60) == {"Successful call": 100, "Failed call": 0}, sipp.errors()
    wait_for(lambda: bench.ask("/v1/calls") == [], 10, "calls are left")
    bench.stop()
    entries = list(read_log(bench.directory / "var" / "bench.db"))
    queue = sums(entries_of(entries).values())["bench"]
    assert (queue.entered, queue.exits["answered"]) == (100, 100)
    assert audit(entries, time.time()) == []
    seed, fed, kept = last_run(bench.directory / "var" / "bench.db")
    config = load(bench.directory).valid()
    made = replay(config.queues, agent_specs(config), seed, fed)
    assert first_difference(((d.entry_id, d.chosen) for d in made), kept) == ""
