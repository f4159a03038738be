"""A day at the office, on real phones: what is pressed, shown, heard, mailed and recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import events as ev
from pbx.cli.client import ask
from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.conftest import registered
from tests.interop.day import GOOD, Keep, day, events, make, press, sipp
from tests.interop.server import LiveServer
from tests.interop.sipphone import phone, register
from tests.interop.sound import loudness
from tests.interop.waiting import wait_for
from tests.interop.walker import found_at
from tests.interop.watcher import watch

pytestmark = pytest.mark.interop
__all__ = ["day", "make", "sipp"]  # fixtures


def test_page_and_intercom_ask_phones_to_answer_by_themselves(
    day: LiveServer, make: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    speaker = make("1001", 440.0)
    wanted = ["Call-Info: .*answer-after=0", "Alert-Info: .*info=alert-autoanswer"]
    for number, port in (("1005", 5105), ("1006", 5106)):
        register(tmp_path / number, number, f"day-{number}", port)
    with capture(tmp_path / "page.pcap") as pcap:
        pages = [sipp(phone(tmp_path / n, "page", port, expect=wanted)) for n, port in (("1005", 5105), ("1006", 5106))]
        speaker.dial("600")
        speaker.wait("CALL_ESTABLISHED")
        wait_for(lambda: speaker.said_s() > 1.5, 10, "the speaker says nothing")
        speaker.hang_up()
        for page in pages:
            assert page.finish(10) == GOOD, page.errors()
    for port in (9105, 9106):
        assert loudness(alaw_heard(pcap, range(port, port + 1)), 8000, 440.0) > 0.8
    wait_for(lambda: day.ask("/v1/calls") == [], 5, "the page goes on")
    called = sipp(phone(tmp_path / "1005", "intercom", 5105, expect=wanted))
    since = len(speaker.events)
    speaker.dial("*801005")
    speaker.wait("CALL_ESTABLISHED", since=since)
    speaker.hang_up()
    assert called.finish(10) == GOOD, called.errors()


def test_a_transfer_returns_and_phones_say_no_in_their_own_ways(
    day: LiveServer, make: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    bob, carol = make("1002", 1000.0), make("1004", 440.0)
    register(tmp_path / "1005", "1005", "day-1005", 5105)
    turns = ["</dialog-info>", "<state>early</state>", "<state>confirmed</state>"]
    night = sipp(watch(tmp_path / "lamps", "1003", "day-1003", "*28", "dialog", turns, 5090))
    wait_for(lambda: day.ask("/v1/status")["stack"]["dialogs"] >= 1, 10, "the lamp is not watched")
    for _ in range(2):  # forced open, then closed
        since = len(carol.events)
        carol.dial("*28")
        carol.wait("CALL_CLOSED", since=since)
    assert night.finish(10) == GOOD, night.errors()
    carol.dial("1002")
    bob.wait("CALL_INCOMING")
    bob.accept()
    bob.wait("CALL_ESTABLISHED")
    wait_for(lambda: len(events(day, ev.LegBridged)) == 1, 5, "they do not talk")
    ringing = sipp(phone(tmp_path / "1005", "rings", 5105, "rings"))
    since = len(bob.events)
    bob.command("transfer", "sip:1005@127.0.0.1")
    bob.wait("CALL_INCOMING", 10, since=since)  # it comes back after the limit
    assert ringing.finish(10) == GOOD, ringing.errors()
    bob.accept()
    bob.wait("CALL_ESTABLISHED", since=since)
    wait_for(lambda: [e.outcome for e in events(day, ev.LegTransferred)] == ["started", "returned"], 5, "not returned")
    shown = sipp(phone(tmp_path / "1005", "shown", 5105, expect=['From: "Desk 1004" <sip:1004@']))
    since = len(bob.events)
    bob.command("transfer", "sip:1005@127.0.0.1")
    bob.wait("CALL_CLOSED", since=since)
    wait_for(lambda: len(events(day, ev.LegBridged)) == 3, 10, "nobody answers")
    time.sleep(0.3)
    carol.hang_up()
    assert shown.finish(10) == GOOD, shown.errors()
    for does, cause in (("486", "busy"), ("480", "unreachable"), ("302 1002", "answered")):
        said = sipp(phone(tmp_path / "1005", does.replace(" ", "-"), 5105, does))
        since, mine = len(carol.events), len(bob.events)
        carol.dial("1005")
        if cause == "answered":
            bob.wait("CALL_INCOMING", since=mine)
            bob.accept()
            carol.wait("CALL_ESTABLISHED", since=since)
            carol.hang_up()
        carol.wait("CALL_CLOSED", since=since)
        assert said.finish(10) == GOOD, said.errors()
        wait_for(lambda wanted=cause: day.records()[0]["cause"] == wanted, 5, lambda: f"{day.records()[0]}")  # type: ignore[misc]


def test_a_conference_with_pin_moderator_mute_lock_and_a_guest(
    day: LiveServer, make: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    chair, member = make("1001", 440.0), make("1002", 1000.0)
    register(tmp_path / "1005", "1005", "day-1005", 5105)
    with capture(tmp_path / "pins.pcap") as pcap:
        for one, pin in ((chair, "99#"), (member, "12#")):
            one.dial("801")
            one.wait("CALL_ESTABLISHED")
            time.sleep(0.5)
            press(one, pin)
        time.sleep(1.8)  # until the member is told that the PIN is wrong
        press(member, "11#")
        wait_for(lambda: len(members(day)) == 2, 10, lambda: f"{members(day)}")
    assert found_at(alaw_heard(pcap, member.rtp_ports), "en", "wrong-pin") is not None
    time.sleep(1.0)
    assert heard_by(tmp_path, [chair, member]) == ["b", "a"]
    press(chair, "*4")  # mute everybody
    time.sleep(0.4)
    assert heard_by(tmp_path, [chair, member]) == ["", "a"]
    press(chair, "*4*9*3", 0.2)  # let them speak, record, lock
    wait_for(lambda: len(events(day, ev.RecordingStarted)) == 2, 10, "nobody is recorded")
    late = make("1004", 1700.0)
    with capture(tmp_path / "locked.pcap") as pcap:
        late.dial("801")
        late.wait("CALL_ESTABLISHED")
        time.sleep(0.5)
        press(late, "11#")
        late.wait("CALL_CLOSED")
    assert found_at(alaw_heard(pcap, late.rtp_ports), "en", "conference-locked") is not None
    guest = sipp(phone(tmp_path / "1005", "guest", 5105))
    press(chair, "*5")  # call somebody in
    time.sleep(0.5)
    press(chair, "1005#")
    wait_for(lambda: len(members(day)) == 3, 10, lambda: f"{members(day)}")
    press(chair, "*8")  # remove who came last
    assert guest.finish(10) == GOOD, guest.errors()
    chair.hang_up()
    member.hang_up()
    wait_for(lambda: members(day) == [], 5, "the room is not empty")


def members(server: LiveServer) -> list[str]:
    rooms = server.ask("/v1/conferences")
    return [member["party"] for room in rooms for member in room["members"]]


def heard_by(directory: Path, phones: list[Baresip]) -> list[str]:
    """Return, for each phone (a says 440 Hz, b 1000), whom it hears."""
    path = directory / f"ears-{time.monotonic_ns()}.pcap"
    with capture(path) as pcap:
        time.sleep(0.8)
    found = []
    for one in phones:
        sound = alaw_heard(pcap, one.rtp_ports)
        found.append("".join(who for who, hz in (("a", 440.0), ("b", 1000.0)) if loudness(sound, 8000, hz) > 0.5))
    return found


def test_duty_is_confirmed_and_escalated_and_the_last_caller_outlives_a_restart(
    day: LiveServer, make: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    wang, caller = make("1002", 1000.0), make("1004", 440.0)
    register(tmp_path / "1005", "1005", "day-1005", 5105)
    first = events_of_today() % 2  # whose turn it is: li has a phone that nobody answers
    li = sipp(phone(tmp_path / "1005", "li", 5105, "rings")) if first == 0 else None
    with capture(tmp_path / "duty.pcap") as pcap:
        caller.dial("802")
        wang.wait("CALL_INCOMING", 20)
        wang.accept()
        wang.wait("CALL_ESTABLISHED")
        time.sleep(1.9)
        press(wang, "1")
        wait_for(lambda: any(c["state"] == "talking" for c in day.ask("/v1/calls")), 10, "they do not talk")
    if li is not None:
        assert li.finish(10) == GOOD, li.errors()
    assert found_at(alaw_heard(pcap, wang.rtp_ports), "en", "press-to-accept") is not None
    caller.hang_up()
    wang.wait("CALL_CLOSED")
    day.kill()
    day.start()
    wait_for(lambda: "1002" in registered(day), 10, "the registrations are gone")
    since, calls = len(wang.events), len(caller.events)
    with capture(tmp_path / "back.pcap") as pcap:
        wang.dial("*69")
        wang.wait("CALL_ESTABLISHED", since=since)
        time.sleep(3.0)
        press(wang, "1")
        caller.wait("CALL_INCOMING", since=calls)
        caller.accept()
        caller.wait("CALL_ESTABLISHED", since=calls)
        wang.hang_up()
    assert found_at(alaw_heard(pcap, wang.rtp_ports), "en", "last-caller") is not None


def events_of_today() -> int:
    """Return the turn of the rota: days since 2026-01-01 UTC."""
    return int((time.time() - 1_767_225_600) // 86_400)


class Letters:
    """A mail server and a webhook, each in a thread of its own network."""

    def __init__(self) -> None:
        import http.server
        import socketserver

        self.mails: list[bytes] = []
        self.posts: list[bytes] = []
        outer = self

        class Smtp(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 ready\r\n")
                while line := self.rfile.readline():
                    word = line.split()[0].upper()
                    if word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        text = b""
                        while not text.endswith(b"\r\n.\r\n"):
                            text += self.rfile.readline()
                        outer.mails.append(text)
                    self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                    if word == b"QUIT":
                        break

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.posts.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        socketserver.TCPServer.allow_reuse_address = True
        self._servers = [
            socketserver.ThreadingTCPServer(("127.0.0.1", 9025), Smtp),
            http.server.ThreadingHTTPServer(("127.0.0.1", 9080), Hook),
        ]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def test_a_message_is_mailed_posted_and_heard_from_outside_and_the_boss_is_screened(
    day: LiveServer, make: Callable[..., Baresip], make_phone: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    letters = Letters()
    try:
        outsider = make_phone("13812345678", "none", 1700.0, register=False)
        outsider.dial("804")
        outsider.wait("CALL_ESTABLISHED")
        wait_for(lambda: outsider.said_s() > 2.5, 10, "the outsider says nothing")
        outsider.hang_up()
        wait_for(lambda: bool(letters.mails and letters.posts), 15, "nothing is delivered")
        assert b"To: boss@day.example" in letters.mails[0]
        assert b'filename="' in letters.mails[0]
        assert len(letters.mails[0]) > 4000  # the sound is in it
        assert b"13812345678" in letters.posts[0]
        since = len(outsider.events)
        with capture(tmp_path / "box.pcap") as pcap:
            outsider.dial("803")
            outsider.wait("CALL_ESTABLISHED", since=since)
            time.sleep(1.8)
            press(outsider, "4711#")
            time.sleep(3.5)
            press(outsider, "3")
            wait_for(lambda: "deleted" in [e.state for e in events(day, ev.VoicemailChanged)], 15, "not deleted")
            outsider.hang_up()
        sound = alaw_heard(pcap, outsider.rtp_ports)
        assert found_at(sound, "en", "enter-pin") is not None
        assert found_at(sound, "en", "voicemail-you-have") is not None
    finally:
        letters.close()

    secretary = make("1002", 1000.0)
    register(tmp_path / "1001", "1001", "day-1001", 5101)
    ask(day.socket, "POST", "/v1/endpoints/1001/filter", {"on": True})
    since = len(outsider.events)
    outsider.dial("1001")
    secretary.wait("CALL_INCOMING")
    secretary.accept()
    secretary.wait("CALL_ESTABLISHED")
    through = sipp(phone(tmp_path / "1001", "through", 5101, expect=["Alert-Info: .*Bellcore-dr3"]))
    secretary.command("transfer", "sip:1001@127.0.0.1")
    secretary.wait("CALL_CLOSED")
    wait_for(lambda: len(events(day, ev.LegTransferred)) == 1, 5, "nobody is put through")
    wait_for(lambda: any("endpoint/1001" in [leg["party"] for leg in c["legs"] if leg["state"] == "up"]
                         for c in day.ask("/v1/calls")), 10, "the boss is not there")  # fmt: skip
    outsider.hang_up()
    assert through.finish(10) == GOOD, through.errors()


def test_help_comes_over_any_limit_by_the_line_of_the_site_and_reception_is_told(
    day: LiveServer, make: Callable[..., Baresip], sipp: Keep, tmp_path: Path
) -> None:
    reception = make("1005", 440.0)
    caller = make("1006", 1000.0)
    ask(day.socket, "POST", "/v1/drain", {"on": True})  # nothing else is taken any more
    branch = sipp(phone(tmp_path / "branch", "branch", 5075, expect=["INVITE sip:120@", "02188880006|2188880006"]))
    with capture(tmp_path / "help.pcap") as pcap:
        caller.dial("120")
        caller.wait("CALL_ESTABLISHED")
        reception.wait("CALL_INCOMING")
        reception.accept()
        reception.wait("CALL_ESTABLISHED")
        reception.wait("CALL_CLOSED", 15)
    assert found_at(alaw_heard(pcap, reception.rtp_ports), "en", "emergency-call") is not None
    since = len(reception.events)
    reception.dial("1006")
    reception.wait("CALL_CLOSED", since=since)
    assert "CALL_ESTABLISHED" not in reception.kinds()[since:]
    caller.hang_up()
    assert branch.finish(10) == GOOD, branch.errors()
    assert [(e.endpoint, e.number) for e in events(day, ev.CallEmergency)] == [("1006", "120")]
