"""Well-formed messages with one nasty value each: nothing raises past the stack, and nothing is left behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from pbx.errors import NegotiationError, PbxError
from pbx.sdp.codec import PCMU
from pbx.sdp.negotiate import make_answer, make_offer, take_answer
from pbx.signaling.gate import Account, AccountGate
from pbx.sip.digest import Nonces, Secret
from pbx.sip.ids import Ids
from pbx.sip.location import Location
from pbx.sip.message import Request, response_to
from pbx.sip.outputs import InDialog, Invited, Output, Reoffer, RequestReceived
from pbx.sip.parser import parse_message
from tests.fakes.wire import Wire
from tests.sip.calls import EMPTY, SDP, established, hand, invite

NASTY = [
    "", " ", "\u00b2", "\u0663", "9" * 19, "9" * 5000, "-1", "1.5", "\udcff\udcfe", '"', "<", ">", "<>", ";", ";;", ",",
    ",,", "=", "@", ":", "*", "%", "%zz", "sip:", "tel:", "sip:@", "<sip:>", "<sip:a", "sip:[::1", "sip:a:99999",
    '"a" <sip:b', "a" * 3000, "\x00", "\u202e", "[", "(", "\\", '"\\', "SIP/2.0/UDP", "SIP/2.0/UDP ;", "1 INVITE X",
    "Digest", "Digest =", 'Digest realm="', "Basic eDp5", "<sip:\udcff@h>", "multipart/mixed",
    "multipart/mixed;boundary=",
    'Digest username="\udcff", realm="r", nonce="n", uri="u", response="x"',
    'Digest username="1001", realm="r", nonce="\udcff", uri="\udcff", response="\udcff", cnonce="\udcff"',
]  # fmt: skip
HEADERS = [
    "Via", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Contact", "Record-Route", "Route", "Supported", "Require",
    "Session-Expires", "Min-SE", "Expires", "Content-Type", "Content-Length", "Authorization", "Replaces", "Refer-To",
    "Target-Dialog", "RAck", "RSeq", "Event", "Accept", "Content-Encoding", "Privacy", "P-Asserted-Identity", "Path",
    "User-Agent", "Subscription-State", "Proxy-Require", "Allow", "Timestamp", "Reason", "WWW-Authenticate",
    "Proxy-Authenticate", "Retry-After", "Date",
]  # fmt: skip
METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PRACK",
           "UPDATE", "INFO", "PUBLISH", "FROB")  # fmt: skip
WORD = 'Digest username="1001", realm="r", nonce="bm9uY2U=", uri="sip:r", response="00"'


def request(method: str, *, to_tag: str = "", call_id: str = "n", from_tag: str = "f") -> Request:
    made = Request(method, "sip:1002@192.0.2.2")
    made.headers = {
        "Via": ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnasty;rport"],
        "From": [f"<sip:1001@192.0.2.1>;tag={from_tag}"],
        "To": [f"<sip:1002@example.com>{to_tag}"],
        "Call-ID": [call_id],
        "CSeq": [f"7 {method}"],
        "Contact": ["<sip:1001@192.0.2.1>"],
        "Authorization": [WORD],
    }
    if method in ("INVITE", "UPDATE"):
        made.headers["Content-Type"], made.body = ["application/sdp"], SDP
    return made


def spoiled(data: bytes) -> Iterator[bytes]:
    """Yield *data* with each header set to, or added with, each nasty value."""
    head, _, body = data.partition(b"\r\n\r\n")
    for name in HEADERS:
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(name.lower().encode() + b":")]
        for value in NASTY:
            line = f"{name}: {value}".encode("utf-8", "surrogateescape")
            yield b"\r\n".join([*kept, line]) + b"\r\n\r\n" + body
    first, rest = head.split(b"\r\n", 1)
    for value in NASTY:
        for at in range(3):
            words = first.split(b" ", 2)
            words[at] = value.encode("utf-8", "surrogateescape")
            yield b" ".join(words) + b"\r\n" + rest + b"\r\n\r\n" + body


def taking(wire: Wire, location: Location) -> None:
    """Let b do with what comes in what the rooms above do."""

    def on_output(output: Output, now: float) -> None:
        if isinstance(output, Invited):
            output.session.accept(now, SDP)  # nobody acknowledges it: a BYE ends it
        elif isinstance(output, Reoffer):
            output.session.change.refuse(now, 488)
        elif isinstance(output, RequestReceived | InDialog):
            asked, status = output.request, 200
            if asked.method == "REGISTER" and isinstance(output, RequestReceived):
                try:
                    location.register("1001", asked, output.transaction.flow, now, 3)
                except PbxError as error:
                    status = error.status
            wire.b.stack.respond(output.transaction, response_to(asked, status, to_tag="x"), now)

    wire.b.on_output = on_output


@pytest.mark.parametrize("method", METHODS)
def test_no_request_raises_or_stays(method: str) -> None:
    wire, location = Wire(), Location()
    taking(wire, location)
    for number, data in enumerate(spoiled(request(method).to_bytes())):
        own = data.replace(b"Call-ID: n\r\n", b"Call-ID: n%d\r\n" % number)
        hand(wire, wire.b, own.replace(b"z9hG4bKnasty", b"z9hG4bKnasty%d" % number))
    wire.run(wire.now + 200.0)
    assert wire.b.stack.sizes == EMPTY


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "SUBSCRIBE", "BYE", "CANCEL"])
def test_no_request_of_a_stranger_raises(method: str) -> None:
    wire = Wire()
    known = {"1001": Account("1001", Secret("right"))}
    for data in spoiled(request(method).to_bytes()):
        gate = AccountGate("r", Nonces(b"key"), Ids(1), lambda: 1.7e9, lambda source, account, method: None)
        gate.configure(known, (), {}, ("md5", "sha-256"))
        wire.b.stack._gate = gate  # a new one knows of no failures yet, for which it would fall silent
        hand(wire, wire.b, data)
    assert wire.b.stack.sizes == EMPTY


@pytest.mark.parametrize("method", METHODS)
def test_no_request_inside_a_call_raises_or_stays(method: str) -> None:
    wire = Wire()
    session, called = established(wire)
    assert called.dialog is not None
    taking(wire, Location())
    made = request(method, to_tag=f";tag={called.dialog.local.tag}", call_id="call-1", from_tag="t1")
    for number, data in enumerate(spoiled(made.to_bytes())):
        hand(wire, wire.b, data.replace(b"z9hG4bKnasty", b"z9hG4bKnasty%d" % number))
        if not called.is_up:
            break
    if called.is_up:
        called.bye(wire.now)
    wire.run(wire.now + 100.0)
    assert wire.b.stack.sizes == EMPTY
    assert session is not called


@pytest.mark.parametrize("status", [100, 180, 183, 200, 302, 401, 407, 422, 491, 503, 600])
def test_no_response_raises_or_keeps_a_call_for_ever(status: int) -> None:
    template = response_to(parse_request(Wire()), status, to_tag="b")
    template.headers |= {"Contact": ["<sip:b@192.0.2.2>"], "RSeq": ["1"], "Require": ["100rel"]}
    template.headers["WWW-Authenticate"] = ['Digest realm="r", nonce="n"']
    template.headers["Session-Expires"] = ["1800;refresher=uac"]
    if status in (183, 200):
        template.headers["Content-Type"], template.body = ["application/sdp"], SDP
    for data in spoiled(template.to_bytes()):
        wire = Wire()
        session = invite(wire)
        wire.pump()
        sent = parse_message(wire.messages("a", b"INVITE")[-1])
        wire.b.stack._gate = None  # type: ignore[assignment]
        wire._flying.clear()
        own = data.replace(b"z9hG4bKtemplate", sent.via.branch.encode())
        session.credentials = ("", "us", "pw")
        hand(wire, wire.a, own)
        wire._flying.clear()
        wire._loss = 1.0
        wire.run(5.0)
        end = session.bye if session.is_up else session.cancel
        end(wire.now)
        wire.run(wire.now + 200.0)
        assert wire.a.stack.sizes == EMPTY, data


def parse_request(wire: Wire) -> Request:
    """Return the INVITE that `invite` sends, with a branch to be replaced."""
    invite(wire)
    wire.pump()
    found = parse_message(wire.messages("a", b"INVITE")[-1])
    assert isinstance(found, Request)
    found.set_top_via(found.via.with_params(branch="z9hG4bKtemplate"))
    return found


OFFER = make_offer("192.0.2.1", 4000, [PCMU], session_id=1, version=1).decode()


def test_no_session_description_raises_what_nobody_expects() -> None:
    lines = OFFER.split("\r\n")
    extra = ["a=rtcp:X", "a=ptime:X", "a=maxptime:X", "a=crypto:X", "a=rtpmap:X", "a=fmtp:X", "b=X", "k=X", "a=X"]
    for number in range(len(lines) + len(extra)):
        for value in NASTY:
            text = list(lines)
            if number < len(lines):
                text[number] = f"{text[number][:2]}{value}"
                cut = lines[number].rsplit(" ", 1)[0]
                again = [*lines[:number], f"{cut} {value}", *lines[number + 1 :]]
            else:
                again = [*lines, extra[number - len(lines)].replace("X", value)]
            for written in (text, again):
                data = "\r\n".join(written).encode("utf-8", "surrogateescape")
                with contextlib.suppress(NegotiationError):
                    make_answer(data, "192.0.2.2", 5000, [PCMU], session_id=2, version=1, srtp="optional")
                with contextlib.suppress(NegotiationError):
                    take_answer(data, [PCMU])
