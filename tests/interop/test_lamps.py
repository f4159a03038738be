"""Lamps as phones see them: a colleague's calls, messages, the night switch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.store.export import read_log
from tests.interop.baresip import Baresip
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for
from tests.interop.watcher import watch

pytestmark = pytest.mark.interop

IDLE = "</dialog-info>"


def subscribed(server: LiveServer) -> int:
    return int(server.ask("/v1/status")["stack"]["dialogs"])


def test_a_lamp_follows_a_colleague_and_a_message_lights_another(
    desk: LiveServer, desk_phone: Callable[..., Baresip], tmp_path: Path
) -> None:
    bob = desk_phone("1002", 440.0)
    lamp = watch(
        tmp_path / "lamps", "1003", "desk-1003", "1002", "dialog",
        [IDLE, "<state>early</state>", "direction=\"recipient\".*<state>confirmed</state>", IDLE,
         "direction=\"initiator\".*<state>trying</state>", "<state>confirmed</state>", IDLE],
        5090,
    )  # fmt: skip
    contact = watch(
        tmp_path / "lamps", "1004", "desk-1004", "1002", "presence",
        ["<basic>open</basic>.*Available", "on-the-phone", "on-the-phone", "Available"], 5093,
    )  # fmt: skip
    night = watch(tmp_path / "lamps", "1003", "desk-1003", "5003", "dialog", [IDLE], 5091)
    assert night.finish(15) == {"Successful call": 1, "Failed call": 0}, night.errors()
    mail = watch(
        tmp_path / "lamps", "1002", "desk-1002", "1002", "message-summary",
        ["Voice-Message: 0/0", "Messages-Waiting: yes.*Voice-Message: 1/0", "Voice-Message: 0/0"],
        5092,
    )  # fmt: skip
    wait_for(lambda: subscribed(desk) >= 2, 10, "the watchers do not come")
    caller = Sipp(tmp_path / "uac", "uac", "-sn", "uac", "-s", "1002", "-p", "5080", "-m", "1", "-d", "500",
                  "127.0.0.1:5060")  # fmt: skip
    bob.wait("CALL_INCOMING")
    bob.accept()
    assert caller.finish(20) == {"Successful call": 1, "Failed call": 0}, caller.errors()
    bob.wait("CALL_CLOSED")
    assert contact.finish(15) == {"Successful call": 1, "Failed call": 0}, contact.errors()

    # A colleague's message lights bob's lamp; bob hears it and deletes it by key.
    leave_a_message(desk_phone, "5001")
    wait_for(lambda: shown(bob) == "yes", 10, lambda: f"bob's lamp shows {shown(bob)!r}")
    since = len(bob.events)
    bob.dial("5002")
    bob.wait("CALL_ESTABLISHED", since=since)
    bob.command("sndcode", "3")
    wait_for(lambda: "deleted" in states(desk), 10, lambda: f"not deleted: {states(desk)}")
    bob.hang_up()
    for sipp in (lamp, mail):
        assert sipp.finish(20) == {"Successful call": 1, "Failed call": 0}, sipp.errors()


def leave_a_message(desk_phone: Callable[..., Baresip], number: str) -> None:
    carol = desk_phone("1004", 700.0)
    carol.dial(number)
    carol.wait("CALL_ESTABLISHED")
    wait_for(lambda: carol.said_s() > 2.5, 10, "carol says nothing")
    carol.hang_up()


def shown(phone: Baresip) -> str:
    """Return what a phone's own message lamp was last told."""
    phone.poll()
    texts = [str(event.get("param", "")) for _, event in phone.events if event.get("type") == "MWI_NOTIFY"]
    lines = [line for line in texts[-1].splitlines() if line.startswith("Messages-Waiting")] if texts else []
    return lines[0].partition(":")[2].strip() if lines else ""


def states(server: LiveServer) -> list[str]:
    log = read_log(server.directory / "var" / "pbx.db")
    return [logged.event.state for logged in log if isinstance(logged.event, ev.VoicemailChanged)]
