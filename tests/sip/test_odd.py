"""Odd but legal, or odd and common: what phones, gateways and load generators send, and what we make of it."""

from __future__ import annotations

import pytest

from pbx.errors import NegotiationError, ParseError
from pbx.sdp.codec import PCMA, PCMU
from pbx.sdp.negotiate import make_answer
from pbx.sip.headers import parse_address
from pbx.sip.location import Location
from pbx.sip.message import Flow, Request
from pbx.sip.parser import parse_message, validate_request

FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.9", 5060))
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
PLAIN = (
    b"INVITE sip:1002@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;rport\r\n"
    b"From: <sip:1001@192.0.2.1>;tag=a\r\nTo: <sip:1002@192.0.2.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:1001@192.0.2.9>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b" % (len(SDP), SDP)
)


def read(data: bytes) -> Request:
    found = parse_message(data)
    assert isinstance(found, Request)
    validate_request(found)
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Via:", b"v :"),
        (b"Via: SIP/2.0/UDP 192.0.2.9;branch", b"Via: SIP / 2.0 / UDP  192.0.2.9 ;\r\n\t branch"),
        (b";rport\r\n", b";rport, SIP/2.0/TCP p.example;branch=z9hG4bK2\r\n"),
        (b"From: <sip:1001@192.0.2.1>;tag=a", b"f: sip:1001@192.0.2.1;tag=a"),
        (b"From: <", b"From: J\xc3\xb6rg (Lager 2) <"),
        (b"From: <", b'From: "J \\"Joe\\" Doe" <'),
        (b"Call-ID:", b"i:"),
        (b"CSeq: 1 INVITE", b"cseq:   1   INVITE"),
        (b"Content-Type: application/sdp", b"c: application/SDP;charset=utf-8"),
        (b"Content-Type: application/sdp\r\n", b""),
        (b"Content-Length: %d\r\n" % len(SDP), b""),
        (b"Content-Length:", b"l:"),
        (b"INVITE sip:1002@192.0.2.1 SIP/2.0", b"INVITE sips:%31002@192.0.2.1:5061;ob;gr=urn:uuid:1?Subject=x sip/2.0"),
        (b"INVITE sip:1002@192.0.2.1", b"INVITE sip:1002;phone-context=+49@192.0.2.1;user=phone"),
        (b"INVITE sip:1002@192.0.2.1", b"INVITE tel:10-0.2;phone-context=a.example"),
        (b"Contact:", b"Supported: 100rel, gruu, X-cisco-callinfo\r\nAllow-Events: talk,hold\r\nDate: now\r\nContact:"),
        (b"Contact: <sip:1001@192.0.2.9>", b'm: "x"<sip:1001@192.0.2.9;ob>;+sip.instance="<urn:uuid:1>";+u.x!y="z"'),
    ],
)  # fmt: skip
def test_an_invite_is_understood(old: bytes, new: bytes) -> None:
    assert old in PLAIN
    request = read(PLAIN.replace(old, new, 1))
    assert request.dialled == "1002"
    assert request.from_.uri.user == "1001"
    assert (request.via.branch, request.via.host) == ("z9hG4bK1", "192.0.2.9")
    assert request.call_id == "c"
    assert request.sdp == SDP


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("tel:+1-201-555-0123", "+12015550123"),
        ("tel:(0)21.123", "021123"),
        ("sip:+1-201-555-0123@h;user=phone", "+12015550123"),
        ("sip:*97@h", "*97"),
        ("sip:%2397@h", "#97"),
        ("sip:a.b-c@h;user=phone", "a.b-c"),  # no number
        ("sip:10-02@h", "10-02"),  # a name that looks like one
        ("sip:sales;team=2@h", "sales;team=2"),
    ],
)
def test_a_number_is_dialled_without_its_marks(uri: str, number: str) -> None:
    assert Request("INVITE", uri).dialled == number


def test_a_name_with_a_comma_needs_quotes() -> None:
    with pytest.raises(ParseError):  # RFC 4475 3.1.2.15: it could be two addresses
        parse_address("Bell, Alexander <sip:a@h>")


VOICE = b"m=audio 4000 RTP/AVP 0"
ODD_SDP = [
    (VOICE, b"m=audio 4000/1 rtp/avp 96 18 0 127\r\na=rtpmap:96 speex/16000\r\na=rtpmap:127 x/8000"),
    (VOICE, b"m=audio 4000 RTP/AVP 110\r\na=rtpmap:110 pcmu/8000/1"),
    (VOICE, b"m=audio 4000 RTP/AVPF 0\r\na=rtcp-mux\r\na=rtcp-fb:* nack\r\na=ssrc:1 cname:x"),
    (b"t=0 0", b"b=AS:84\r\nb=TIAS:1\r\nt=0 0\r\nr=1 2 3\r\na=tool:x\r\na=group:BUNDLE 0\r\nk=clear:x"),
    (b"c=IN IP4 192.0.2.9\r\n", b"c=IN IP4 192.0.2.9/127\r\n"),
    (b"c=IN IP4 192.0.2.9\r\n", b""),
    (b"o=- 1 1 IN IP4 192.0.2.9\r\n", b"o=Cisco-SIPUA 99999999999999999999 x IN IP4 10.0.0.1\r\n"),
    (b"\r\n", b"\n"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), ODD_SDP)
def test_an_offer_is_understood(old: bytes, new: bytes) -> None:
    assert old in SDP
    _, agreed = make_answer(SDP.replace(old, new), "192.0.2.1", 5000, [PCMA, PCMU], session_id=1, version=1)
    assert (agreed.codec.name, agreed.remote) == ("pcmu", ("192.0.2.9", 4000))


@pytest.mark.parametrize("address", ["phone.example", "999.1.1.1", "224.2.2.2", "255.255.255.255", "ff02::1", "x y"])
def test_nothing_is_sent_to_what_is_not_one_address(address: str) -> None:
    offer = SDP.replace(b"c=IN IP4 192.0.2.9", f"c=IN IP4 {address}".encode())
    with pytest.raises(NegotiationError):
        make_answer(offer, "192.0.2.1", 5000, [PCMU], session_id=1, version=1)


REGISTER = (
    "REGISTER sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:1@x>;tag=a\r\n"
    "To: <sip:1@x>\r\nCall-ID: c\r\nCSeq: {cseq} REGISTER\r\n{rest}Content-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("rest", "bound"),
    [
        ("Contact: <sip:1@192.0.2.9>, <sip:2@192.0.2.9>;expires=60\r\nm: <sip:3@192.0.2.9>\r\n", {"1", "2", "3"}),
        ("Contact: sip:1@192.0.2.9;expires=3600\r\n", {"0", "1"}),
        ("Contact: *\r\nExpires: 0\r\n", set()),
        ("Contact: <sip:0@192.0.2.9>\r\nExpires: 0\r\n", set()),
        ("Contact: <sip:0@192.0.2.9>;expires=0, <sip:1@192.0.2.9>\r\nExpires: 300\r\n", {"1"}),
        ("Contact: <sip:1@192.0.2.9>;expires=soon\r\nExpires: 99999999999999999999\r\n", {"0", "1"}),
        ("", {"0"}),
    ],
)
def test_a_register_is_understood(rest: str, bound: set[str]) -> None:
    location = Location()
    first = read(REGISTER.format(cseq=1, rest="Contact: <sip:0@192.0.2.9>\r\n").encode())
    location.register("1", first, FLOW, 0.0, 3)
    change = location.register("1", read(REGISTER.format(cseq=2, rest=rest).encode()), FLOW, 1.0, 3)
    assert {binding.contact.user for binding in change.bindings} == bound


def test_a_reg_id_counts_only_with_outbound() -> None:
    contact = 'Contact: <sip:0@192.0.2.9>;+sip.instance="<urn:uuid:1>";reg-id=1\r\n'
    for rest, reg_id in ((contact, 0), (f"Supported: path, outbound\r\n{contact}", 1)):  # RFC 5626 6
        (binding,) = Location().register("1", read(REGISTER.format(cseq=1, rest=rest).encode()), FLOW, 0.0, 1).bindings
        assert binding.reg_id == reg_id


def test_letters_of_old_gateways_are_read_and_can_be_written_down() -> None:
    request = read(PLAIN.replace(b"From: <", b'From: "Jos\xe9" <').replace(b"sip:1002@", b"sip:%ff1002@"))
    assert request.from_.name == "Jos\u00e9"
    for text in (request.from_.name, request.dialled, str(request.uri)):
        assert text.encode()
