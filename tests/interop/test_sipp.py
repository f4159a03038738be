"""SIPp as both ends: many calls, none lost, nothing of ours repeated, nothing left behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.conftest import registered
from tests.interop.server import LiveServer
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
