"""Torture of our own, after RFC 4475 and what phones in the field do: what is accepted, what is refused, and how."""

from __future__ import annotations

import pytest

from pbx.sip.message import Flow
from pbx.sip.outputs import Invited, RequestReceived, Send
from tests.fakes.wire import A, B, Peer

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"


def message(first: str = "INVITE sip:1002@example.com SIP/2.0", body: str = SDP, **changes: str | None) -> bytes:
    """Write an INVITE with some headers changed (None leaves one out); underscores stand for hyphens."""
    headers: dict[str, str | None] = {
        "Via": "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKtorture",
        "From": "<sip:1001@example.com>;tag=f",
        "To": "<sip:1002@example.com>",
        "Call-ID": "torture",
        "CSeq": f"1 {first.split()[0]}",
        "Max-Forwards": "70",
        "Contact": "<sip:1001@192.0.2.2>",
        "Content-Type": "application/sdp" if body else None,
        "Content-Length": str(len(body)),
    }
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if value is not None)]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def verdict(data: bytes) -> list[int | str]:
    """Return what a stack does with a datagram: statuses that it sends, kinds of what it tells."""
    peer = Peer(A, 1)
    peer.stack.receive(data, Flow("udp", A, B), 0.0)
    return [
        int(output.data.split()[1]) if isinstance(output, Send) else type(output).__name__
        for output in peer.stack.take_outputs()
    ]


ACCEPTED = [100, "Invited"]
CASES: dict[str, tuple[bytes, list[int | str]]] = {
    "plain": (message(), ACCEPTED),
    "header names in any case": (
        message().replace(b"Call-ID", b"cAlL-iD").replace(b"CSeq", b"CSEQ").replace(b"From", b"fROM"),
        ACCEPTED,
    ),
    "compact names": (
        message().replace(b"Call-ID", b"i").replace(b"From", b"f").replace(b"To:", b"t:").replace(b"Via", b"v"),
        ACCEPTED,
    ),
    "folded lines": (message(From='"Long\r\n name" <sip:1001@example.com>\r\n\t;tag=f'), ACCEPTED),
    "bare line feeds": (message().replace(b"\r\n", b"\n"), [400]),  # the body is now shorter than it says
    "white space around colons": (message().replace(b"Call-ID:", b"Call-ID  :\t "), ACCEPTED),
    "white space around slashes of a Via": (
        message(Via="SIP / 2.0 / UDP   192.0.2.2 ; branch = z9hG4bKx"),
        ACCEPTED,
    ),
    "a comma in a quoted name": (message(From='"Doe, Jane" <sip:1001@example.com>;tag=f'), ACCEPTED),
    "an escaped quote in a name": (message(From='"J \\" R \\\\" <sip:1001@example.com>;tag=f'), ACCEPTED),
    "UTF-8 in a name": (message(From='"Zoë 张伟" <sip:1001@example.com>;tag=f').replace(b"\xff", b""), ACCEPTED),
    "no octets of UTF-8 in a name": (
        message(From='"J" <sip:1001@example.com>;tag=f').replace(b'"J"', b'"\xff"'),
        ACCEPTED,
    ),
    "percent escapes in a user": (message("INVITE sip:%31%30%30%32@example.com SIP/2.0"), ACCEPTED),
    "an escaped NUL in a user": (message("INVITE sip:10%0002@example.com SIP/2.0"), ACCEPTED),
    "a semicolon in a user": (message("INVITE sip:user;par=u%40example.net@example.com SIP/2.0"), ACCEPTED),
    "a telephone number": (message("INVITE tel:+358-555-1234567;postd=pp22 SIP/2.0"), ACCEPTED),
    "an IPv6 host": (message("INVITE sip:1002@[2001:db8::10]:5070 SIP/2.0"), ACCEPTED),
    "a header that nobody knows": (message(X_Odd=";;,,;;,;"), ACCEPTED),
    "a Date of another zone": (message(Date="Fri, 01 Jan 2010 16:00:00 EST"), ACCEPTED),
    "text behind the body": (message() + b"INVITE sip:evil@example.com SIP/2.0\r\n\r\n", ACCEPTED),
    "no Content-Length": (message(Content_Length=None), ACCEPTED),
    "no Max-Forwards": (message(Max_Forwards=None), ACCEPTED),
    "no Contact": (message(Contact=None), ACCEPTED),
    "no tag in From": (message(From="<sip:1001@example.com>"), ACCEPTED),
    "a Via of RFC 2543": (message(Via="SIP/2.0/UDP 192.0.2.2"), ACCEPTED),
    "a branch that is only the cookie": (message(Via="SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK"), ACCEPTED),
    "one trailing semicolon": (message(Contact="<sip:1001@192.0.2.2>;"), ACCEPTED),
    "parameters in upper case": (message(From="<sip:1001@example.com>;TAG=f"), ACCEPTED),
    "SDP in a multipart body": (
        message(
            body="--b\r\nContent-Type: application/sdp\r\n\r\n" + SDP + "\r\n--b--\r\n",
            Content_Type="multipart/mixed;boundary=b",
        ),
        ACCEPTED,
    ),
    "an optional body": (
        message(body="isup", Content_Type="application/isup", Content_Disposition="signal; handling=optional"),
        ACCEPTED,
    ),
    "an unknown method": (message("NEWMETHOD sip:1002@example.com SIP/2.0"), ["RequestReceived"]),
    "a method in lower case is another method": (message("invite sip:1002@example.com SIP/2.0"), ["RequestReceived"]),
    "extra parameters": (message(Via="SIP/2.0/UDP 192.0.2.2;;,;,,"), [400]),
    "an unterminated quote": (message(To='"Watson <sip:1002@example.com>'), [400]),
    "brackets around the Request-URI": (message("INVITE <sip:1002@example.com> SIP/2.0"), [400]),
    "white space in the Request-URI": (message("INVITE sip:1002@example.com; lr SIP/2.0"), [400]),
    "two spaces in the request line": (message("INVITE  sip:1002@example.com SIP/2.0"), [400]),
    "a space behind the version": (message("INVITE sip:1002@example.com SIP/2.0 "), [400]),
    "another version": (message("INVITE sip:1002@example.com SIP/7.0"), [505]),
    "a scheme that nobody knows": (message("INVITE nobody:knows SIP/2.0"), [416]),
    "a scheme that nobody knows in To": (message(To="<nobody:knows>"), [400]),
    "CSeq of another method": (message(CSeq="1 OPTIONS"), [400]),
    "a CSeq above 2**31": (message(CSeq="36893488147419103232 INVITE"), [400]),
    "a negative CSeq": (message(CSeq="-1 INVITE"), [400]),
    "a Max-Forwards above 255": (message(Max_Forwards="300"), [400]),
    "a negative Content-Length": (message(Content_Length="-999"), [400]),
    "a Content-Length that is too long": (message(Content_Length="9999"), [400]),
    "two Call-IDs": (message().replace(b"CSeq", b"Call-ID: other\r\nCSeq"), [400]),
    "two Content-Lengths": (message().replace(b"CSeq", b"Content-Length: 5\r\nCSeq"), [400]),
    "no Call-ID": (message(Call_ID=None), [400]),
    "no To": (message(To=None), [400]),
    "no From": (message(From=None), [400]),
    "no Via": (message(Via=None), []),
    "a port above 65535": (message("INVITE sip:1002@example.com:70000 SIP/2.0"), [400]),
    "unquoted punctuation in a name": (message(From="Bell, Alexander <sip:1001@example.com>;tag=f"), [400]),
    "a comma in an address without brackets": (message(Contact="sip:1001@192.0.2.2?Route=x"), [400]),
    "no hops left": (message(Max_Forwards="0"), [483]),
    "an extension that nobody knows": (message(Require="nothingSupportsThis"), [420]),
    "a body that nobody knows": (message(body="x", Content_Type="application/unknown"), [415]),
    "an encoded body": (message(Content_Encoding="gzip"), [415]),
    "no session description accepted": (message(Accept="text/nobodyKnowsThis"), [406]),
    "an interval that is too brief": (message(Session_Expires="30", Supported="timer"), [422]),
    "a dialog that nobody knows": (message(To="<sip:1002@example.com>;tag=gone"), [481]),
    "a CANCEL for nothing": (message("CANCEL sip:1002@example.com SIP/2.0", body=""), [481]),
    "a BYE outside a dialog": (message("BYE sip:1002@example.com SIP/2.0", body=""), [481]),
    "an ACK for nothing": (message("ACK sip:1002@example.com SIP/2.0", body=""), []),
    "a broken ACK": (message("ACK sip:1002@example.com SIP/2.0", body="", From=None), []),
    "a response that nobody waits for": (message("SIP/2.0 200 OK", CSeq="1 INVITE"), []),
    "a status above 699": (message("SIP/2.0 4294967301 better not", CSeq="1 INVITE"), []),
    "a response with an overlarge CSeq": (message("SIP/2.0 503 x", CSeq="9292394834772304023312 OPTIONS"), []),
    "nothing at all": (b"", []),
    "line feeds": (b"\r\n\r\n\r\n\r\n", []),
    "noise": (bytes(range(256)), []),
    "a first line alone": (b"INVITE sip:1002@example.com SIP/2.0", []),
}


@pytest.mark.parametrize("name", CASES)
def test_what_comes_of(name: str) -> None:
    data, expected = CASES[name]
    assert verdict(data) == expected


def test_a_refusal_of_an_extension_names_it() -> None:
    peer = Peer(A, 1)
    peer.stack.receive(message(Require="100rel, a, b"), Flow("udp", A, B), 0.0)
    (send,) = peer.stack.take_outputs()
    assert isinstance(send, Send)
    assert b"\r\nUnsupported: a, b\r\n" in send.data


def test_escaped_headers_of_a_uri_never_become_headers() -> None:
    peer = Peer(A, 1)
    peer.stack.receive(message("INVITE sip:1002@example.com?Route=%3Csip:evil%3E SIP/2.0"), Flow("udp", A, B), 0.0)
    invited = peer.stack.take_outputs()[-1]
    assert isinstance(invited, Invited)
    assert "Route" not in invited.session.request.headers


def test_received_and_rport_are_filled_as_asked() -> None:
    flow = Flow("udp", A, ("203.0.113.9", 1024))
    peer = Peer(A, 1)
    peer.stack.receive(message(Via="SIP/2.0/UDP 10.0.0.1:5060;RPORT;branch=z9hG4bKr"), flow, 0.0)
    trying = peer.stack.take_outputs()[0]
    assert isinstance(trying, Send)
    assert b"received=203.0.113.9;rport=1024" in trying.data
    assert trying.flow == flow


def test_without_rport_the_answer_goes_to_the_port_of_the_via() -> None:
    flow = Flow("udp", A, ("203.0.113.9", 1024))
    peer = Peer(A, 1)
    peer.stack.receive(message(Via="SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKr"), flow, 0.0)
    trying = peer.stack.take_outputs()[0]
    assert isinstance(trying, Send)
    assert b"received=203.0.113.9" in trying.data
    assert trying.flow.remote == ("203.0.113.9", 5062)  # never the address that only the Via names


def test_a_request_that_comes_by_two_ways_is_merged() -> None:
    peer = Peer(A, 1)
    for branch in ("z9hG4bKone", "z9hG4bKtwo"):
        peer.stack.receive(message(Via=f"SIP/2.0/UDP 192.0.2.2;branch={branch}"), Flow("udp", A, B), 0.0)
    outputs = peer.stack.take_outputs()
    assert [o.data.split()[1] for o in outputs if isinstance(o, Send)] == [b"100", b"482"]


def test_a_stranger_leaves_no_state_behind() -> None:
    peer = Peer(A, 1)
    for method in ("CANCEL", "BYE", "INFO"):
        data = message(f"{method} sip:1002@example.com SIP/2.0", body="", To="<sip:x@example.com>;tag=none")
        peer.stack.receive(data, Flow("udp", A, B), 0.0)
    assert peer.stack.sizes == {"clients": 0, "servers": 0, "dialogs": 0, "timers": 0, "merged": 0}
    assert not any(isinstance(o, RequestReceived) for o in peer.stack.take_outputs())
