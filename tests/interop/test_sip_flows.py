"""What phones and carriers do beside a plain call, each flow as a pair of SIPp scenarios through one server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.cli.client import ask
from tests.interop.netns import network
from tests.interop.scenario import PCMU, Called, Caller, Side, sdp
from tests.interop.server import LiveServer
from tests.interop.sipp import Sipp
from tests.interop.waiting import wait_for

pytestmark = pytest.mark.interop

LINE = """
[trunks.{name}]
proxy = "sip:127.0.0.1:{port}"
context = "bench"
{more}
[[contexts.bench.route]]
match = "8{n:03}"
do = [{{ dial = "trunk/{name}", number = "8{n:03}" }}]
"""
CARRIER = """
[trunks.carrier]
proxy = ["sip:127.0.0.1:7301", "sip:127.0.0.1:7302"]
register = { user = "us", secret = "only-for-tests", expires-s = 600 }
enabled = false

[[contexts.bench.route]]
match = "8100"
do = [{ dial = "trunk/carrier", number = "8100" }]
"""
LINES = {
    **{f"plain{n}": "" for n in range(8)},
    "obey": 'redirects = "obey"',
    "refuse": 'redirects = "refuse"',
    "known": 'user = "us"\nsecret = "only-for-tests"',
}
OTHER = "m=video 40000 RTP/AVP 96\na=rtpmap:96 H264/90000"
FAX = "m=image 40002 udptl t38\na=T38FaxVersion:0"
PLAIN_TO = "To: <sip:[service]@127.0.0.1>"
HELD, SILENT, GOES_ON = "a=recvonly", "a=inactive", "a=sendrecv"


class Flows:
    """One server, and pairs of SIPps that talk through it at the same time."""

    def __init__(self, directory: Path) -> None:
        self.server = LiveServer.of(Path(__file__).parent / "benchconf", directory / "server")
        self._directory = directory
        self._lines = list(LINES)
        self._running: list[tuple[str, Sipp]] = []
        self._free: list[str] = []
        file = self.server.directory / "pbx.toml"
        lines = [LINE.format(n=n, name=name, port=7000 + n, more=more) for n, (name, more) in enumerate(LINES.items())]
        file.write_text(file.read_text() + "".join(lines) + CARRIER)
        self.begin()

    def begin(self) -> None:
        self._free = [name for name in self._lines if name.startswith("plain")]

    def add(self, caller: Caller | None, called: Called | None, line: str = "") -> str:
        """Start who is called, then who calls, by a *line* or one that nobody uses; return the number."""
        line = line or self._free.pop(0)
        n = self._lines.index(line)
        for name, side, port in ((f"called-{line}", called, 7000 + n), (f"caller-{line}", caller, 7100 + n)):
            if side is not None:
                self.start(name, side, port, f"8{n:03}")
        return f"8{n:03}"

    def start(self, name: str, side: Side, port: int, number: str) -> None:
        self._running.append((name, side.run(self._directory, name, port, "-s", number)))

    def finish(self) -> None:
        """Wait for all of them, and judge."""
        wrong = []
        for name, sipp in self._running:
            sipp.process.wait(30)
            if sipp.counts().get("Successful call") != 1 or sipp.counts().get("Failed call"):
                wrong.append(f"{name}: {sipp.counts()}\n{sipp.errors()}")
        self.stop()
        assert not wrong, "\n".join(wrong)
        wait_for(lambda: self.server.ask("/v1/calls") == [], 5, lambda: str(self.server.ask("/v1/calls")))
        assert self.server.ask("/v1/status")["media_ports"] == 0

    def stop(self) -> None:
        for _, sipp in self._running:
            sipp.stop()
        self._running.clear()
        self.begin()


@pytest.fixture(scope="module")
def all_flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flows]:
    with network():
        made = Flows(tmp_path_factory.mktemp("flows"))
        made.server.start()
        yield made
        log = made.server.stop()
        assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def flows(all_flows: Flows) -> Iterator[Flows]:
    yield all_flows
    all_flows.stop()


def test_every_form_of_hold_and_its_end(flows: Flows) -> None:
    """By attribute, by the address of RFC 2543, by an UPDATE; from who called and from who was called."""
    caller = Caller().calls().is_answered()
    forms = (
        (sdp("sendonly", version=2), HELD),
        (sdp("inactive", version=3), SILENT),
        (sdp(version=4, address="0.0.0.0"), "c=IN IP4 127.0.0.1"),
        (sdp("sendonly", version=5).replace("c=IN IP4 127.0.0.1\n", "") + "\nc=IN IP4 127.0.0.1", HELD),
        (sdp("sendrecv", version=6), GOES_ON),
    )
    for body, sees in forms:
        caller.inside("INVITE", body=body).gets(100).gets(200, has=sees).inside("ACK")
    caller.inside("UPDATE", body=sdp("sendonly", version=7)).gets(200, has=HELD)
    caller.inside("UPDATE", body=sdp("sendrecv", version=8)).gets(200, has=GOES_ON).hangs_up()
    flows.add(caller, Called().is_called().rings().picks_up().is_hung_up())

    called = Called().is_called().rings().picks_up()
    for body, sees in forms:
        called.inside("INVITE", body=body).gets(100).gets(200, has=sees).inside("ACK")
    called.inside("BYE").gets(200)
    flows.add(Caller().calls().is_answered().gets("BYE").answers(200), called)
    flows.finish()


def test_an_offer_may_come_late_and_from_either_side(flows: Flows) -> None:
    late = Caller().calls(body="").is_answered(has="m=audio [1-9][0-9]* RTP/AVP", body=sdp())
    late.inside("INVITE").gets(100).gets(200, has="m=audio [1-9][0-9]* RTP/AVP 0").inside("ACK", body=sdp(version=2))
    flows.add(late.hangs_up(), Called().is_called(has="m=audio").rings().picks_up().is_hung_up())
    asks = Called().is_called().rings().picks_up()
    asks.inside("INVITE").gets(100).gets(200, has="m=audio [1-9][0-9]* RTP/AVP 0").inside("ACK", body=sdp(version=2))
    flows.add(Caller().calls().is_answered().gets("BYE").answers(200), asks.inside("BYE").gets(200))
    flows.finish()


def test_provisional_responses_are_reliable_where_a_side_asks_for_it(flows: Flows) -> None:
    wants = Caller().calls("Require: 100rel").gets(180, has="Require: 100rel", keep="rseq=RSeq/([0-9]+)")
    wants.inside("PRACK", "RAck: [$rseq] 1 INVITE").gets(200, has="CSeq: 2 PRACK")
    wants.gets(200).inside("ACK")
    flows.add(wants.hangs_up(), Called().is_called(has="Supported:.*100rel").rings().waits(300).picks_up().is_hung_up())

    reliable = Called().is_called().rings(183, "Require: 100rel", "RSeq: 7", body=sdp())
    reliable.gets("PRACK", has="RAck: 7 [0-9]+ INVITE").answers(200).waits(200).picks_up(body="").is_hung_up()
    flows.add(Caller().calls().is_answered(has="m=audio").hangs_up(), reliable)

    twice = Caller().calls("Require: 100rel").gets(180, keep="rseq=RSeq/([0-9]+)")
    twice.inside("PRACK", "RAck: 99[$rseq] 1 INVITE").gets(481)
    twice.inside("PRACK", "RAck: [$rseq] 1 INVITE").gets(200, has="PRACK").gets(200).inside("ACK")
    flows.add(twice.hangs_up(), Called().is_called().rings().waits(600).picks_up().is_hung_up())
    flows.finish()


def test_session_intervals_are_agreed_with_either_refresher(flows: Flows) -> None:
    for asked, agreed in (("90;refresher=uac", "Session-Expires: 90;refresher=uac"),
                          ("1800;refresher=uas", "Session-Expires: 1800;refresher=uas")):  # fmt: skip
        timed = Caller().calls("Supported: timer", f"Session-Expires: {asked}").is_answered(has=agreed)
        timed.inside("UPDATE", "Supported: timer", f"Session-Expires: {asked}").gets(200, has=agreed)
        timed.inside("INVITE", "Supported: timer", f"Session-Expires: {asked}", body=sdp()).gets(100)
        timed.gets(200, has=agreed).inside("ACK").hangs_up()
        flows.add(timed, Called().is_called(has="Session-Expires: [0-9]+").rings().picks_up().is_hung_up())
    short = Caller().sends("INVITE", "Supported: timer", "Session-Expires: 30", body=sdp())
    short.fails(422, has="Min-SE: 90")
    short.sends("INVITE", "Supported: timer", "Session-Expires: 90", "Min-SE: 90", body=sdp(), to=PLAIN_TO).gets(100)
    flows.add(short.is_answered(has="Session-Expires: 90").hangs_up(), Called().is_called().picks_up().is_hung_up())
    longer = Called().is_called().answers(422, "Min-SE: 7200").gets("ACK")
    longer.is_called(has="Session-Expires: 7200(.*\n)*Min-SE: 7200|Min-SE: 7200(.*\n)*Session-Expires: 7200")
    longer.rings().picks_up("Session-Expires: 7200;refresher=uac", "Require: timer")
    longer.inside("UPDATE", "Supported: timer", "Session-Expires: 7200;refresher=uas").gets(200).is_hung_up()
    flows.add(Caller().calls().is_answered().waits(300).hangs_up(), longer)
    flows.finish()


def test_who_gives_up_is_heard_at_any_moment(flows: Flows) -> None:
    """After ringing; before the called said a word; and when the answer crosses the CANCEL."""
    flows.add(Caller().calls().gets(180).gives_up(), Called().is_called().rings().is_cancelled())
    flows.add(Caller().calls().waits(100).gives_up(), Called().is_called().waits(500).rings().is_cancelled())
    crossed = Called().is_called().rings().gets("CANCEL").of_call(200, body=sdp()).gets("ACK")
    flows.add(Caller().calls().gets(180).gives_up(), crossed.gets("BYE").answers(200))
    flows.add(Caller().sends("CANCEL", branch="same", cseq=1, to=PLAIN_TO).gets(481), None)
    flows.finish()


def test_a_call_that_forks_has_one_winner_and_the_other_is_told_goodbye(flows: Flows) -> None:
    forked = Called().is_called().rings(tag="a").rings(183, tag="b").picks_up(tag="b")
    forked.of_call(200, tag="a", body=sdp()).gets("ACK", has="To:.*tag=a").gets("BYE", has="To:.*tag=a").answers(200)
    forked.inside("UPDATE", body=sdp("sendrecv", version=2), tag="b").gets(200)
    flows.add(Caller().calls().is_answered().waits(500).hangs_up(), forked.is_hung_up())
    flows.finish()


def test_other_streams_come_and_go_and_the_audio_stays(flows: Flows) -> None:
    """More and fewer m= lines, a fax that is refused beside the audio or alone, an audio that is switched off."""
    many = Caller().calls(body=sdp(media=f"{OTHER}\n{PCMU}")).is_answered(has="m=video 0 .*(\r\n.*)*m=audio [1-9]")
    many.inside("INVITE", body=sdp(version=2, media=f"{OTHER}\n{PCMU}\n{FAX}")).gets(100)
    many.gets(200, has="m=video 0 (.*\r\n)*m=audio [1-9].*\r\n(.*\r\n)*m=image 0 ").inside("ACK")
    many.inside("INVITE", body=sdp(version=3, media=FAX)).gets(100).gets(488).refused()
    many.inside("INVITE", body=sdp("sendonly", version=4)).gets(100).gets(200, has=HELD).inside("ACK")
    flows.add(many.hangs_up(), Called().is_called(lacks="m=video").rings().picks_up().is_hung_up())

    off = Caller().calls().is_answered()
    off.inside("INVITE", body=sdp(version=2, media=PCMU.replace("39000", "0"))).gets(100)
    off.gets(200, has="m=audio 0 ").inside("ACK")
    off.inside("INVITE", body=sdp(version=3)).gets(100).gets(200, has="m=audio [1-9]").inside("ACK")
    flows.add(off.hangs_up(), Called().is_called().rings().picks_up().is_hung_up())
    flows.finish()


def test_a_changed_mind_that_is_refused_leaves_the_call_as_it_was(flows: Flows) -> None:
    strange = sdp(version=2, media="m=audio 39000 RTP/AVP 97\na=rtpmap:97 SPEEX/16000")
    caller = Caller().calls().is_answered().inside("INVITE", body=strange).gets(100).gets(488).refused()
    caller.inside("INFO", "Content-Type: application/dtmf-relay", body="Signal=5\nDuration=160\n").gets(200)
    caller.inside("OPTIONS").gets(200).inside("FROB").gets(501).inside("BYE")
    flows.add(caller.gets(200), Called().is_called().rings().picks_up().is_hung_up())
    flows.finish()


def test_a_redirection_is_followed_or_not_as_the_rule_of_the_trunk_says(flows: Flows) -> None:
    moved = "Contact: <sip:8777@127.0.0.1:7000>"
    followed = Called().is_called().answers(302, moved).gets("ACK").is_called(has="INVITE sip:8777@127.0.0.1:70")
    flows.add(Caller().calls().is_answered().hangs_up(), followed.rings().picks_up().is_hung_up(), "obey")
    flows.add(Caller().calls().fails(480), Called().is_called().answers(302, moved).gets("ACK"), "refuse")
    flows.finish()


def test_who_takes_nothing_but_encrypted_sound_is_offered_it_the_second_time(flows: Flows) -> None:
    """A phone whose SRTP is compulsory answers 488 to plain sound; the same call offers keys, and keeps its caller."""
    key = "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" + "QUJD" * 10
    strict = Called().is_called(has="m=audio [0-9]+ RTP/AVP", lacks="a=crypto").answers(488).gets("ACK")
    strict.is_called(has="m=audio [0-9]+ RTP/SAVP (.*\r\n)*a=crypto:1 ").rings()
    strict.picks_up(body=sdp(media=PCMU.replace("RTP/AVP", "RTP/SAVP") + "\n" + key)).is_hung_up()
    flows.add(Caller().calls().is_answered().waits(200).hangs_up(), strict)
    never = Called().is_called().answers(488).gets("ACK").is_called(has="RTP/SAVP").answers(488).gets("ACK")
    flows.add(Caller().calls().fails(488), never)
    named = sdp("rtcp-mux").replace("c=IN IP4 127.0.0.1", "c=IN IP4 media.example.com")
    flows.add(
        Caller().calls(body=named).is_answered(has="m=audio [1-9]").hangs_up(),
        Called().is_called().rings().picks_up(body=named).is_hung_up(),
    )
    flows.finish()


def test_a_challenge_is_answered_once_and_a_foreign_one_never(flows: Flows) -> None:
    challenge = 'WWW-Authenticate: Digest realm="carrier",nonce="n1",qop="auth",algorithm=MD5'
    proved = Called().is_called(lacks="Authorization").answers(401, challenge).gets("ACK")
    proved.is_called(has='Authorization: Digest .*username="us".*realm="carrier"').rings().picks_up().is_hung_up()
    flows.add(Caller().calls().is_answered().hangs_up(), proved, "known")
    flows.add(Caller().calls().fails(480), Called().is_called().answers(401, challenge).gets("ACK"), "plain0")
    flows.finish()


def test_who_is_called_transfers_blindly_and_is_told_what_came_of_it(flows: Flows) -> None:
    third = flows.add(None, Called().is_called(has="From: <sip:caller@").rings().picks_up().is_hung_up())
    blind = Called().is_called().rings().picks_up().refers(third)
    for status in (100, 200):
        blind.gets("NOTIFY", has=f"Event: refer.*SIP/2.0 {status}").answers(200)
    flows.add(Caller().calls().is_answered().waits(500).hangs_up(), blind.is_hung_up())

    quiet = flows.add(None, Called().is_called().picks_up().is_hung_up())
    told = Called().is_called().rings().picks_up().refers(quiet, "Refer-Sub: false", "Supported: norefersub")
    flows.add(Caller().calls().is_answered().waits(500).hangs_up(), told.is_hung_up())

    refused = Called().is_called().rings().picks_up().refers("nobody-at-all", status=404)
    flows.add(Caller().calls().is_answered().waits(200).hangs_up(), refused.is_hung_up())
    flows.finish()


def test_a_ringing_call_is_taken_over_by_who_knows_its_dialog(flows: Flows) -> None:
    """INVITE with Replaces (RFC 3891): early, for early dialogs only, and for a call that is answered."""
    for number, called, word, status in (
        (0, Called().is_called().rings().is_cancelled(), ";early-only", 200),
        (1, Called().is_called().rings().picks_up().is_hung_up(), ";early-only", 486),
        (2, Called().is_called().rings().picks_up().is_hung_up(), "", 200),
    ):
        caller = Caller().calls().is_answered().waits(400).hangs_up()
        dialled = flows.add(caller, called)
        wait_for(lambda: bool(dialog(flows.server, dialled)), 5, "nobody rings")  # noqa: B023
        call_id, tag = dialog(flows.server, dialled)
        replaces = f"Replaces: {call_id};to-tag={tag};from-tag=b{word}"
        taker = Caller(f"taker{number}").sends("INVITE", replaces, body=sdp())
        if status == 200:
            taker.gets(100).gets(200).inside("ACK").gets("BYE").answers(200)
        else:
            taker.fails(status)
        flows.add(taker, None)
    flows.finish()


def dialog(server: LiveServer, dialled: str) -> tuple[str, ...]:
    """Return Call-ID and our tag of the leg that rings at who was *dialled*, once it has rung or answered."""
    for call in server.ask("/v1/calls"):
        if call["dialled"] != dialled:
            continue
        for message in server.ask(f"/v1/trace/{call['call_id']}")["messages"]:
            found = re.search(r"From: .*;tag=(\w+)\r\nTo: .*;tag=b\r\nCall-ID: (\w+)", message["text"])
            if message["received"] and found:
                return found[2], found[1]
    return ()


def test_a_trunk_registers_with_its_second_proxy_and_calls_go_by_the_one_that_takes_them(flows: Flows) -> None:
    challenge = 'WWW-Authenticate: Digest realm="carrier",nonce="n1",qop="auth",algorithm=MD5'
    flows.start("broken", Called().gets("REGISTER", lacks="Authorization").answers(503), 7301, "")
    register = Called()
    for _ in range(2):  # the realm is learned from the first
        register.gets("REGISTER", lacks="Authorization", has="REGISTER sip:127.0.0.1 SIP").answers(401, challenge)
    register.gets("REGISTER", has='Authorization: Digest .*username="us".*realm="carrier"', keep="us=Contact")
    flows.start("registrar", register.answers(200, "Contact:[$us]"), 7302, "")
    ask(flows.server.socket, "POST", "/v1/trunks/carrier/enable")
    wait_for(lambda: state_of(flows.server, "carrier") == "up", 8, lambda: str(flows.server.ask("/v1/trunks")))
    flows.finish()
    full = Called().is_called(has="INVITE sip:8100@127.0.0.1:7302 SIP").of_call(503).gets("ACK")
    flows.start("full", full, 7302, "")
    flows.start(
        "called", Called().is_called(has="INVITE sip:8100@127.0.0.1:7301 SIP").rings().picks_up().is_hung_up(), 7301, ""
    )
    flows.start("caller", Caller().calls().is_answered().hangs_up(), 7300, "8100")
    flows.finish()


def state_of(server: LiveServer, trunk: str) -> str:
    return next(str(row["state"]) for row in server.ask("/v1/trunks") if row["trunk"] == trunk)


def test_how_a_call_came_and_who_calls_is_passed_on(flows: Flows) -> None:
    diverted = ("Diversion: <sip:4711@carrier>;reason=user-busy", "History-Info: <sip:4711@carrier>;index=1")
    called = Called().is_called(has="Diversion: <sip:4711@carrier>;reason=user-busy").rings().picks_up().is_hung_up()
    flows.add(Caller().calls(*diverted).is_answered().hangs_up(), called)
    called = Called().is_called(has="History-Info: <sip:4711@carrier>;index=1").rings().picks_up().is_hung_up()
    flows.add(Caller().calls(*diverted).is_answered().hangs_up(), called)
    named = Called().is_called(has="From: .*<sip:4712@").rings().picks_up().is_hung_up()
    flows.add(Caller().calls("P-Asserted-Identity: <sip:4712@carrier>").is_answered().hangs_up(), named)
    named = Called().is_called(has="From: .*<sip:4713@").rings().picks_up().is_hung_up()
    flows.add(Caller().calls("Remote-Party-ID: <sip:4713@carrier>;party=calling").is_answered().hangs_up(), named)
    hidden = Called().is_called(has="From: .*<sip:anonymous@anonymous.invalid>", lacks="From:[^\\r]*caller@")
    flows.add(Caller().calls("Privacy: id").is_answered().hangs_up(), hidden.rings().picks_up().is_hung_up())
    flows.finish()


def test_what_belongs_to_no_call_is_told_so(flows: Flows) -> None:
    lost = "To: <sip:[service]@127.0.0.1>;tag=lost"
    stray = Caller().sends("BYE", to=lost).gets(481).sends("UPDATE", to=lost).gets(481)
    for method, status, header in (
        ("BYE", 481, ""), ("INFO", 481, ""), ("NOTIFY", 481, ""), ("PUBLISH", 405, "Allow: INVITE"),
        ("OPTIONS", 200, "Allow: INVITE"), ("REFER", 403, ""), ("SUBSCRIBE", 489, "Allow-Events: dialog"),
    ):  # fmt: skip
        stray.sends(method, "Event: nothing", "Refer-To: <sip:1@127.0.0.1>", to=PLAIN_TO).gets(status, has=header)
    flows.add(stray, None)
    flows.finish()
