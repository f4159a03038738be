"""Short ways to a call between the two stacks of a wire."""

from __future__ import annotations

from pbx.sip.invite import Session
from pbx.sip.message import Request, Response
from pbx.sip.outputs import Invited, Output
from pbx.sip.parser import parse_message
from tests.fakes.wire import Peer, Wire

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
EMPTY = {"clients": 0, "servers": 0, "dialogs": 0, "timers": 0, "merged": 0}


def invite(wire: Wire, *, sdp: bytes = SDP, **headers: str) -> Session:
    """Let a call b now; underscores in header names stand for hyphens."""
    a, b = wire.a, wire.b
    request = Request("INVITE", f"sip:1002@{b.address[0]}:5060")
    request.headers = {
        "Via": [],
        "Max-Forwards": ["70"],
        "From": [f"<sip:1001@{a.address[0]}>;tag=t1"],
        "To": ["<sip:1002@example.com>"],
        "Call-ID": ["call-1"],
        "CSeq": ["1 INVITE"],
        **{name.replace("_", "-"): [value] for name, value in headers.items()},
    }
    if sdp:
        request.headers["Content-Type"] = ["application/sdp"]
        request.body = sdp
    return a.stack.invite(request, a.flow_to(b), wire.now)


def answering(wire: Wire) -> list[Session]:
    """Let b ring and answer at once; return the list that its sessions come into."""
    found: list[Session] = []

    def on_output(output: Output, now: float) -> None:
        if isinstance(output, Invited):
            found.append(output.session)
            output.session.ring(now)
            output.session.accept(now, SDP)

    wire.b.on_output = on_output
    return found


def established(wire: Wire, **headers: str) -> tuple[Session, Session]:
    """Set a call up; return both sessions."""
    found = answering(wire)
    session = invite(wire, **headers)
    wire.run(wire.now + 1.0)
    assert session.is_up
    return session, found[0]


def hand(wire: Wire, to: Peer, data: bytes) -> None:
    """Give a datagram to a stack as if its peer had sent it."""
    other = wire.b if to is wire.a else wire.a
    to.stack.receive(data, to.flow_to(other), wire.now)
    wire.pump()


def last_request(wire: Wire, sender: str, method: str) -> Request:
    found = parse_message(wire.messages(sender, method.encode())[-1])
    assert isinstance(found, Request)
    return found


def last_response(wire: Wire, sender: str, status: int) -> Response:
    found = parse_message(wire.messages(sender, f"SIP/2.0 {status}".encode())[-1])
    assert isinstance(found, Response)
    return found


def answer_by_hand(wire: Wire, status: int, tag: str, *, body: bytes = b"", cseq: str = "", **headers: str) -> None:
    """Answer a's first INVITE as one branch of a fork would."""
    from pbx.sip.message import response_to

    request = parse_message(wire.messages("a", b"INVITE")[-1])
    assert isinstance(request, Request)
    response = response_to(request, status, to_tag=tag, body=body)
    response.headers["Contact"] = [f"<sip:{tag}@192.0.2.2:5060>"]
    if body:
        response.headers["Content-Type"] = ["application/sdp"]
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = [value]
    hand(wire, wire.a, response.to_bytes())
