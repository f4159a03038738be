"""Everyday telephony on real phones: park with its lamp, pickup, and what an agent's code keeps secret."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from pbx import events as ev
from pbx.store.export import read_log
from tests.interop.baresip import Baresip
from tests.interop.capture import capture, datagrams
from tests.interop.referrer import connect
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.sound import heard, loudness
from tests.interop.waiting import wait_for
from tests.interop.watcher import watch

pytestmark = pytest.mark.interop

Make = Callable[..., Baresip]
EVENTS_PT = 101
GOOD = {"Successful call": 1, "Failed call": 0}


def customer(directory: Path, number: str, talk_ms: int) -> Sipp:
    """Let somebody call in by the trunk, and hang up *talk_ms* after the answer."""
    return Sipp(directory / "uac", f"uac-{number}", "-sn", "uac", "-s", number, "-p", "5080", "-m", "1",
                "-d", str(talk_ms), "127.0.0.1:5060")  # fmt: skip


def talkers(server: LiveServer) -> set[str]:
    """Return who talks with whom now."""
    return {leg["party"] for call in server.ask("/v1/calls") for leg in call["legs"] if leg["state"] == "up"}


def events(server: LiveServer, kind: type[ev.Event]) -> list[ev.Event]:
    found = read_log(server.directory / "var" / "pbx.db")
    return [logged.event for logged in found if isinstance(logged.event, kind)]


def test_a_parked_call_lights_its_lamp_and_a_pickup_tells_the_loser(
    desk: LiveServer, desk_phone: Make, tmp_path: Path
) -> None:
    alice, bob = desk_phone("1001", 440.0), desk_phone("1002", 1000.0)
    lamp = watch(tmp_path / "lamps", "1003", "desk-1003", "701", "dialog",
                 ["</dialog-info>", "<state>confirmed</state>", "version=\"2\".*</dialog-info>"], 5090)  # fmt: skip
    wait_for(lambda: desk.ask("/v1/status")["stack"]["dialogs"] >= 1, 10, "the lamp is not watched")
    caller = customer(tmp_path, "1002", 4000)
    bob.wait("CALL_INCOMING")
    bob.accept()
    bob.wait("CALL_ESTABLISHED")
    bob.command("transfer", "sip:70@127.0.0.1")
    wait_for(lambda: [e.state for e in events(desk, ev.CallParked)] == ["parked"], 10, "the call is not parked")  # type: ignore[attr-defined]
    bob.wait("CALL_CLOSED")
    assert [(p["place"], p["by"]) for p in desk.ask("/v1/parking")] == [("701", "endpoint/1002")]
    alice.dial("701")
    alice.wait("CALL_ESTABLISHED")
    assert caller.finish(20) == GOOD, caller.errors()
    alice.wait("CALL_CLOSED")
    assert lamp.finish(20) == GOOD, lamp.errors()

    since = len(alice.events)
    caller = customer(tmp_path, "1002", 1000)
    bob.wait("CALL_INCOMING", since=len(bob.events))
    alice.dial("**1002")
    alice.wait("CALL_ESTABLISHED", since=since)
    assert caller.finish(20) == GOOD, caller.errors()
    assert 'Reason: SIP;cause=200;text="Call completed elsewhere"' in bob.output()


def test_no_digit_of_a_payment_reaches_the_agent_or_the_recording(
    desk: LiveServer, desk_phone: Make, tmp_path: Path
) -> None:
    agent, buyer = desk_phone("1002", 1000.0), desk_phone("1004", 440.0)
    with capture(tmp_path / "wire.pcap") as wire:
        buyer.dial("5004")
        agent.wait("CALL_INCOMING")
        agent.accept()
        wait_for(lambda: len(events(desk, ev.RecordingStarted)) == 1, 15, "nobody is recorded")
        time.sleep(1.0)
        agent.command("sndcode", "*")
        time.sleep(0.4)
        agent.command("sndcode", "7")
        time.sleep(0.4)
        agent.command("sndcode", "1")
        wait_for(lambda: marks(desk) == ["paused"], 10, lambda: f"not paused: {marks(desk)}")
        for digit in "4111#":
            buyer.command("sndcode", digit)
            time.sleep(0.3)
        wait_for(lambda: marks(desk) == ["paused", "resumed"], 15, lambda: f"not resumed: {marks(desk)}")
        time.sleep(1.0)
        buyer.hang_up()
        wait_for(lambda: len(events(desk, ev.RecordingEnded)) == 1, 10, "the recording does not end")
    to_agent = [
        p for _, _, target, p in datagrams(wire) if target in agent.rtp_ports and len(p) >= 12 and target % 2 == 0
    ]
    from_buyer = [p for _, source, _, p in datagrams(wire) if source in buyer.rtp_ports and len(p) >= 12]
    assert sum(p[1] & 127 == EVENTS_PT for p in from_buyer) > 10  # they were typed
    assert sum(p[1] & 127 == EVENTS_PT for p in to_agent) == 0
    name = events(desk, ev.RecordingStarted)[0].path  # type: ignore[attr-defined]
    path = desk.directory / "var" / "recordings" / name
    paused, resumed = (e.at_ms for e in events(desk, ev.RecordingMarked))  # type: ignore[attr-defined]
    samples, rate_hz = soundfile.read(path)
    whole_ms = events(desk, ev.RecordingEnded)[0].duration_ms  # type: ignore[attr-defined]
    assert resumed - paused > 1500
    assert abs(len(samples) / rate_hz - (whole_ms - resumed + paused) / 1000) < 0.3  # those seconds are not in the file
    assert loudness(samples[:, 0], rate_hz, 440.0) > 0.9
    assert not [e for e in events(desk, ev.LegDigit) if e.digit == "4"]  # type: ignore[attr-defined]


def marks(server: LiveServer) -> list[str]:
    return [e.mark for e in events(server, ev.RecordingMarked)]  # type: ignore[attr-defined]


def test_two_are_connected_by_refer_with_replaces(desk: LiveServer, desk_phone: Make, tmp_path: Path) -> None:
    alice, bob = desk_phone("1001", 440.0, answer="auto"), desk_phone("1002", 1000.0, answer="auto")
    clerk = connect(tmp_path / "clerk", "1001", "1002", 5085)
    assert clerk.finish(30) == GOOD, clerk.errors()
    wait_for(lambda: talkers(desk) == {"endpoint/1001", "endpoint/1002"}, 5, lambda: f"{talkers(desk)}")
    begun = alice.said_s()
    wait_for(lambda: alice.said_s() > begun + 1.5, 10, "alice says nothing")
    samples, rate_hz = heard(alice.heard())
    assert loudness(samples[-rate_hz:], rate_hz, 1000.0) > 0.9
    assert [e.outcome for e in events(desk, ev.LegTransferred)] == ["started", "connected"]  # type: ignore[attr-defined]
    assert "P-Asserted-Identity: <sip:1002@127.0.0.1>" in alice.output()  # its display was told
    alice.hang_up()
    bob.wait("CALL_CLOSED")


def test_a_greeting_that_was_recorded_by_phone_is_heard_by_the_next_caller(desk: LiveServer, desk_phone: Make) -> None:
    bob, carol = desk_phone("1002", 1000.0), desk_phone("1004", 440.0)
    greetings = desk.directory / "var" / "voicemail" / "1002" / "greetings"
    draft, kept = greetings / "unavailable.draft.wav", greetings / "unavailable.wav"
    bob.dial("*97")
    bob.wait("CALL_ESTABLISHED")
    for key in "01":  # settings, the greeting for who does not answer
        bob.command("sndcode", key)
        time.sleep(0.4)
    wait_for(lambda: draft.is_file() and draft.stat().st_size > 20_000, 30, "nothing is recorded")
    bob.command("sndcode", "#")
    time.sleep(0.4)
    bob.command("sndcode", "1")
    wait_for(kept.is_file, 10, "the greeting is not kept")
    bob.hang_up()
    carol.dial("5005")
    carol.wait("CALL_ESTABLISHED")
    wait_for(lambda: carol.said_s() > 1.3, 10, "carol is not there")
    samples, rate_hz = heard(carol.heard())
    assert loudness(samples[: int(1.2 * rate_hz)], rate_hz, 1000.0) > 0.8  # bob's voice
    carol.hang_up()


def test_a_phone_forwards_its_calls_by_code_and_is_not_disturbed(desk: LiveServer, desk_phone: Make) -> None:
    alice, bob = desk_phone("1001", 440.0), desk_phone("1002", 1000.0)
    dave = desk_phone("1004", 700.0, answer="auto")
    code(alice, "*721004")
    wait_for(lambda: settings(desk)[-1:] == [("forward-all", "1004")], 10, lambda: f"{settings(desk)}")
    bob.dial("1001")
    dave.wait("CALL_ESTABLISHED")  # where alice is not
    bob.wait("CALL_ESTABLISHED")
    assert not [kind for kind in alice.kinds() if kind == "CALL_INCOMING"]
    bob.hang_up()
    dave.wait("CALL_CLOSED")
    code(alice, "*73")
    code(alice, "*78")
    wait_for(lambda: settings(desk)[-2:] == [("forward-all", ""), ("dnd", "on")], 10, lambda: f"{settings(desk)}")
    since = len(bob.events)
    bob.dial("1001")  # her mailbox answers at once
    bob.wait("CALL_ESTABLISHED", since=since)
    assert not [kind for kind in alice.kinds() if kind == "CALL_INCOMING"]
    bob.hang_up()
    code(alice, "*79")
    wait_for(lambda: settings(desk)[-1:] == [("dnd", "off")], 10, lambda: f"{settings(desk)}")
    bob.dial("1001")
    alice.wait("CALL_INCOMING")
    bob.hang_up()


def code(phone: Baresip, dialled: str) -> None:
    """Dial a code, hear it confirmed, and wait until the system hangs up."""
    since = len(phone.events)
    phone.dial(dialled)
    phone.wait("CALL_ESTABLISHED", since=since)
    phone.wait("CALL_CLOSED", limit_s=15, since=since)


def settings(server: LiveServer) -> list[tuple[str, str]]:
    return [(e.what, e.value) for e in events(server, ev.EndpointSet)]  # type: ignore[attr-defined]
