"""An agent's day, on real phones: help, results, figures, a silent phone; and a callback over a crash."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.cli.client import ask
from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.conftest import registered
from tests.interop.day import GOOD, Keep, agent, day, events, make, press, sipp
from tests.interop.server import LiveServer
from tests.interop.waiting import wait_for
from tests.interop.walker import found_at
from tests.interop.watcher import watch

pytestmark = pytest.mark.interop
__all__ = ["day", "make", "sipp"]  # fixtures


def test_an_agent_asks_for_help_notes_a_result_pauses_and_hears_the_day(
    day: LiveServer, make: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    seat, customer = make("1002", 1000.0), make("1004", 440.0)
    blinks = ["</dialog-info>", "<state>early</state>", "</dialog-info>"]
    lamp = sipp(watch(tmp_path / "lamps", "1003", "day-1003", "*55", "dialog", blinks, 5090))
    lit = ["<state>confirmed</state>", "</dialog-info>", "<state>confirmed</state>"]
    ready = sipp(watch(tmp_path / "lamps", "1002", "day-1002", "*42", "dialog", lit, 5094))
    wait_for(lambda: day.ask("/v1/status")["stack"]["dialogs"] >= 2, 10, "the lamps are not watched")
    customer.dial("800")
    seat.wait("CALL_INCOMING")
    assert "Bellcore-dr2" in seat.output()
    assert 'From: "Sales Desk 1004 1004" <sip:1004@' in seat.output()
    seat.accept()
    seat.wait("CALL_ESTABLISHED")
    wait_for(lambda: agent(day)["call"] is not None, 5, "the agent has no call")
    press(seat, "*0")
    wait_for(lambda: agent(day)["help_s"] is not None, 5, "the hand is not up")
    ask(day.socket, "POST", "/v1/agents/zhang/help", {"on": False})
    assert agent(day)["help_s"] is None
    assert lamp.finish(10) == GOOD, lamp.errors()
    time.sleep(1.5)
    press(seat, "*4")
    press(seat, "1")
    wait_for(lambda: [e.code for e in events(day, ev.CallDisposition)] == ["sold"], 5, "no result is noted")
    customer.hang_up()
    seat.wait("CALL_CLOSED")
    wait_for(lambda: agent(day)["state"] == "wrap-up", 5, lambda: f"{agent(day)}")
    since = len(seat.events)
    with capture(tmp_path / "codes.pcap") as pcap:
        seat.dial("*492")  # thought better of it: the last one counts
        seat.wait("CALL_CLOSED", since=since)
        since = len(seat.events)
        seat.dial("*42")
        seat.wait("CALL_CLOSED", since=since)
        wait_for(lambda: agent(day)["state"] == "ready", 5, lambda: f"{agent(day)}")
        since = len(seat.events)
        seat.dial("*48")
        seat.wait("CALL_ESTABLISHED", since=since)
        time.sleep(4.5)
        seat.hang_up()
    sound = alaw_heard(pcap, seat.rtp_ports)
    heard = [found_at(sound, "en", name) for name in ("disposition-kept", "agent-ready", "figures-calls",
             "figures-handling")]  # fmt: skip
    assert None not in heard, heard
    assert heard == sorted(heard)  # type: ignore[type-var]
    assert ready.finish(10) == GOOD, ready.errors()
    call_id = next(e.call_id for e in events(day, ev.QueueEntered))
    story = [moment["text"] for moment in day.ask(f"/v1/why/{call_id}")["moments"]]
    assert "disposition lost zhang" in story
    assert "help raised zhang" in story
    assert agent(day)["handling_s"] > 0
    os.kill(seat.process.pid, signal.SIGSTOP)  # the phone is registered, and answers nothing
    wait_for(lambda: agent(day)["state"] == "unreachable", 10, lambda: f"{agent(day)}")
    os.kill(seat.process.pid, signal.SIGCONT)
    wait_for(lambda: agent(day)["state"] == "ready", 10, lambda: f"{agent(day)}")
    wait_for(lambda: [e.state for e in events(day, ev.RegistrationAnswers)] == ["silent", "back"], 5, "not told")


def test_a_callback_that_was_promised_before_a_crash_is_made_after_it(
    day: LiveServer, make: Callable[..., Baresip], make_phone: Callable[..., Baresip], tmp_path: Path
) -> None:
    customer = make_phone("13812345678", "none", 1700.0, register=False)
    zhang = make("1002", 1000.0)
    ask(day.socket, "POST", "/v1/agents/zhang/pause", {"reason": ""})
    with capture(tmp_path / "promise.pcap") as pcap:
        customer.dial("806")
        customer.wait("CALL_ESTABLISHED")
        wait_for(lambda: "offered" in [e.state for e in events(day, ev.CallbackChanged)], 10, "nothing is offered")
        press(customer, "1")
        time.sleep(1.5)
        press(customer, "1")  # that number
        customer.wait("CALL_CLOSED", 30)
    assert found_at(alaw_heard(pcap, customer.rtp_ports), "en", "callback-promised") is not None
    (before,) = day.ask("/v1/callbacks")
    day.kill()
    day.start()
    (after,) = day.ask("/v1/callbacks")
    assert (after["number"], after["queue"], after["position"]) == (before["number"], "later", 1)
    assert agent(day)["state"] == "paused"
    assert [e.exit for e in events(day, ev.QueueLeft)] == ["callback"]
    wait_for(lambda: "1002" in registered(day), 10, "the phone is gone")
    since = len(customer.events)
    ask(day.socket, "POST", "/v1/agents/zhang/ready")
    zhang.wait("CALL_INCOMING")
    zhang.accept()
    customer.wait("CALL_INCOMING", since=since)
    customer.accept()
    customer.wait("CALL_ESTABLISHED", since=since)
    time.sleep(1.5)
    press(customer, "1")
    wait_for(lambda: events(day, ev.CallbackChanged)[-1].state == "connected", 10, "not connected")
    customer.hang_up()
    zhang.wait("CALL_CLOSED")
