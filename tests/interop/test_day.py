"""A day at the office, on real phones: what is pressed, shown, heard, mailed and recorded."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pbx import events as ev
from pbx.cli.client import ask
from pbx.store.export import read_log
from tests.interop.baresip import Baresip
from tests.interop.capture import alaw_heard, capture
from tests.interop.conftest import registered
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.sipphone import phone, register
from tests.interop.sound import loudness
from tests.interop.waiting import wait_for
from tests.interop.walker import found_at
from tests.interop.watcher import watch

pytestmark = pytest.mark.interop

Keep = Callable[[Sipp], Sipp]
GOOD = {"Successful call": 1, "Failed call": 0}
CONFIG = """
[sip]
listen = ["udp:127.0.0.1:5060"]
domain = "day.example"
[media]
ports = "20000-20999"
codecs = ["pcma"]
[limits]
transfer-returns-s = 2
max-calls = 20
[endpoint-defaults]
context = "in"
country = "CN"
area-code = "021"
rights = ["internal", "local", "mobile"]
[endpoints."1001..1009"]
name = "Desk {number}"
secret = "day-{number}"
[endpoints.1002]
qualify-s = 1
[endpoints.1001]
secretary = "1002"
[endpoints.1007]
voicemail = { pin = "4711", mail = "boss@day.example", webhook = "http://127.0.0.1:9080/voicemail" }
[endpoints.1006]
site = "branch"
caller = "02188880006"
[emergency]
trunks = ["line"]
notify = ["endpoint/1005"]
[mail]
smtp = "127.0.0.1:9025"
from = "pbx@day.example"
[trunks.line]
proxy = "sip:127.0.0.1:5070"
match = ["127.0.0.1"]
context = "from-line"
country = "CN"
area-code = "021"
ring = "Bellcore-dr3"
max-calls = 2
[trunks.branch]
proxy = "sip:127.0.0.1:5075"
[trunks.mobile]
proxy = "sip:127.0.0.1:6010"
country = "CN"
sends = "national"
[feature-codes]
profile = "default"
[switches.night]
allow = ["endpoint/1004"]
[conferences.board]
pin = "11"
moderator-pin = "99"
[[contexts.in.route]]
match = "10XX"
do = [{ dial = "endpoint/{number}", ring-s = 15 }]
[[contexts.in.route]]
match = "600"
do = [{ page = ["endpoint/1005", "endpoint/1006"] }]
[[contexts.in.route]]
match = "800"
do = [{ queue = "sales" }]
[[contexts.in.route]]
match = "801"
do = [{ conference = "board" }]
[[contexts.in.route]]
match = "802"
do = [
    { dial = "rota/duty/now", confirm = "1", ring-s = 2 },
    { dial = "rota/duty/next", confirm = "1" },
]
[[contexts.in.route]]
match = "+."
do = [{ dial = "trunk/line", number = "{number}" }]
[[contexts.from-line.route]]
match = "10XX"
do = [{ dial = "endpoint/{number}", ring-s = 3 }, { voicemail = "{number}" }]
[[contexts.from-line.route]]
match = "803"
do = [{ voicemail-check = "1007" }]
[[contexts.from-line.route]]
match = "804"
do = [{ voicemail = "1007", greeting = "none" }]
[[contexts.from-line.route]]
match = "806"
do = [{ queue = "later" }]
[queues.later]
callback = { offer-after-s = 1, trunk = "mobile" }
on = { no-agents = { hangup = "busy" } }
[queues.sales]
name = "Sales"
ring = "Bellcore-dr2"
wrap-up-s = 20
on = { no-agents = { hangup = "busy" } }
[agents.zhang]
id = "7"
endpoint = "1002"
queues = { sales = 1, later = 1 }
login = "always"
[agents.boss]
endpoint = "1003"
rights = ["supervise"]
login = "always"
[dispositions]
sold = { name = "Sold", key = "1" }
lost = { name = "Lost", key = "2" }
[rotas.duty]
from = "2026-01-01"
every-h = 24
order = ["li", "wang"]
people = { li = "endpoint/1005", wang = "endpoint/1002" }
[recordings]
retain-days = 1
"""


@pytest.fixture
def day(net: None, tmp_path: Path) -> Iterator[LiveServer]:
    directory = tmp_path / "day"
    directory.mkdir()
    (directory / "pbx.toml").write_text(CONFIG)
    server = LiveServer(directory)
    server.start()
    yield server
    log = server.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def make(day: LiveServer, make_phone: Callable[..., Baresip]) -> Callable[..., Baresip]:
    """Make registered phones."""

    def made(number: str, hz: float, **options: Any) -> Baresip:
        found = make_phone(number, f"day-{number}", hz, **options)
        wait_for(lambda: number in registered(day), 10, lambda: f"not registered:\n{found.output()[-1500:]}")
        return found

    return made


@pytest.fixture
def sipp() -> Iterator[Callable[[Sipp], Sipp]]:
    """Stop what a test leaves running."""
    with ExitStack() as stack:

        def kept(one: Sipp) -> Sipp:
            stack.callback(one.stop)
            return one

        yield kept


def events(server: LiveServer, kind: type[Any]) -> list[Any]:
    found = read_log(server.directory / "var" / "pbx.db")
    return [logged.event for logged in found if isinstance(logged.event, kind)]


def press(one: Baresip, keys: str, gap_s: float = 0.25) -> None:
    for key in keys:
        one.command("sndcode", key)
        time.sleep(gap_s)


def agent(server: LiveServer) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("/v1/agents/zhang")
    return found


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
