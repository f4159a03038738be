"""Two real phones call each other through the office of `make run`; what counts is what is heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.server import LiveServer
from tests.interop.sound import heard, level, loudness
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

Make = Callable[..., Baresip]


def talk(one: Baresip, other: Baresip) -> None:
    """Let one call the other, and the other answer."""
    one.dial(other.number)
    other.wait("CALL_INCOMING")
    other.accept()
    one.wait("CALL_ESTABLISHED")
    other.wait("CALL_ESTABLISHED")


def listen(phone: Baresip, seconds: float) -> tuple[object, int, int]:
    """Return the samples that a phone hears during the next seconds."""
    start = len(heard(phone.heard())[0])
    time.sleep(seconds)
    samples, rate_hz = heard(phone.heard())
    return samples[start:], rate_hz, start


def hears(phone: Baresip, hz: float) -> bool:
    samples, rate_hz, _ = listen(phone, 1.0)
    return loudness(samples, rate_hz, hz) > 0.9  # type: ignore[arg-type]


def test_each_hears_the_other_and_the_record_is_right(office: LiveServer, phone: Make, tmp_path: Path) -> None:
    alice, bob = phone("1001", 440.0), phone("1002", 1000.0)
    assert {r["endpoint"] for r in office.ask("/v1/registrations")} == {"1001", "1002"}
    began = time.time()
    talk(alice, bob)
    answered = time.time()
    time.sleep(0.5)
    assert hears(alice, 1000.0)
    assert hears(bob, 440.0)

    for digit in "159#":
        alice.command("sndcode", digit)
        time.sleep(0.3)
    wait_for(lambda: digits(bob) == "159#", 5, lambda: f"bob saw the digits {digits(bob)!r}")

    alice.command("hold")
    wait_for(lambda: held(office), 5, "the server does not know of the hold")
    time.sleep(0.3)
    samples, rate_hz, _ = listen(bob, 0.6)
    assert level(samples) > 0.01  # type: ignore[arg-type] # music …
    assert loudness(samples, rate_hz, 440.0) < 0.5  # type: ignore[arg-type] # … and not alice
    alice.command("resume")
    wait_for(lambda: not held(office), 5, "the call is still held")
    time.sleep(0.3)
    assert hears(bob, 440.0)
    with capture(tmp_path / "after.pcap") as after:  # this phone stops its recording when it holds
        time.sleep(1.0)
    assert loudness(alaw_heard(after, alice.rtp_ports), 8000, 1000.0) > 0.9

    hung_up = time.monotonic()
    alice.hang_up()
    bob.wait("CALL_CLOSED")
    assert bob.at("CALL_CLOSED") - hung_up < 0.2
    ended = time.time()
    wait_for(lambda: len(office.records()) == 1, 5, "no record")
    (record,) = office.records()
    assert (record["caller"], record["dialled"]) == ("1001", "1002")
    assert (record["source"], record["answered_by"]) == ("endpoint/1001", "endpoint/1002")
    assert (record["cause"], record["status"], record["ended_by"]) == ("answered", 200, "caller")
    assert record["started_utc"] == pytest.approx(began, abs=0.5)
    assert record["answered_utc"] == pytest.approx(answered, abs=0.5)
    assert record["ended_utc"] == pytest.approx(ended, abs=0.5)
    assert record["talk_ms"] == pytest.approx((ended - answered) * 1000, abs=500)
    assert office.ask("/v1/calls") == []


def digits(phone: Baresip) -> str:
    phone.poll()
    return "".join(str(e.get("param")) for _, e in phone.events if e.get("type") == "CALL_DTMF_START")


def held(office: LiveServer) -> bool:
    return any(leg["held"] for call in office.ask("/v1/calls") for leg in call["legs"])


def test_the_callee_is_busy(office: LiveServer, phone: Make) -> None:
    alice, bob = phone("1001", 440.0), phone("1002", 1000.0)
    alice.dial("1002")
    bob.wait("CALL_INCOMING")
    bob.hang_up()
    closed = alice.wait("CALL_CLOSED")
    assert "486" in str(closed.get("param")), closed
    wait_for(lambda: [r["cause"] for r in office.records()] == ["busy"], 5, lambda: str(office.records()))


def test_the_caller_gives_up(office: LiveServer, phone: Make) -> None:
    alice, bob = phone("1001", 440.0), phone("1002", 1000.0)
    alice.dial("1002")
    bob.wait("CALL_INCOMING")
    alice.hang_up()
    bob.wait("CALL_CLOSED")
    wait_for(lambda: [r["cause"] for r in office.records()] == ["cancelled"], 5, lambda: str(office.records()))


def test_an_extension_that_is_not_registered(office: LiveServer, phone: Make) -> None:
    alice = phone("1001", 440.0)
    alice.dial("1003")
    closed = alice.wait("CALL_CLOSED")
    assert "480" in str(closed.get("param")), closed


def test_echo(office: LiveServer, phone: Make) -> None:
    alice = phone("1001", 440.0)
    alice.dial("*43")
    alice.wait("CALL_ESTABLISHED")
    time.sleep(0.5)
    assert hears(alice, 440.0)
    alice.hang_up()
    wait_for(lambda: len(office.records()) == 1, 5, "no record")


def test_a_phone_over_tcp_calls_one_over_udp(office: LiveServer, phone: Make) -> None:
    alice, bob = phone("1001", 440.0, transport="tcp"), phone("1002", 1000.0)
    talk(alice, bob)
    time.sleep(0.5)
    assert hears(alice, 1000.0)
    assert hears(bob, 440.0)
    bob.hang_up()
    alice.wait("CALL_CLOSED")


def test_a_caller_who_vanishes_is_noticed(office: LiveServer, phone: Make) -> None:
    alice, bob = phone("1001", 440.0), phone("1002", 1000.0)
    talk(alice, bob)
    time.sleep(0.5)
    alice.process.kill()
    alice.process.wait(5)
    states: list[str] = []

    def told() -> bool:
        states[:] = [line for line in office.log.read_text().splitlines() if "media: stopped" in line]
        return bool(states)

    wait_for(told, 6, "nobody noticed that the caller's sound stopped")
    bob.hang_up()
    wait_for(lambda: len(office.records()) == 1, 5, "no record")
