"""SIPp as a phone that is called: it checks what the INVITE says, and answers, refuses, redirects or rings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.interop.floor import REGISTER
from tests.interop.sipp import Sipp

CHECK = '<ereg regexp="{text}" search_in="msg" check_it="true" assign_to="c{n}"/>'
REPLY = """<send{retrans}><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
CSeq: [$cseq] {method}
Contact: {contact}
{rest}
]]></send>
"""
PLAIN = """<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""
HERE = "<sip:[local_ip]:[local_port]>"
EMPTY = "Content-Length: 0\n"
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000"""


def register(directory: Path, number: str, secret: str, port: int) -> None:
    """Register *number* at a SIPp phone's address."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "users.csv").write_text(f"SEQUENTIAL\n{number};[authentication username={number} password={secret}]\n")
    scenario = REGISTER.format(expires=600).replace("127.0.0.1:5070", f"127.0.0.1:{port}")
    (directory / "register.xml").write_text(scenario)
    sipp = Sipp(directory, "register", "-sf", str(directory / "register.xml"), "-inf", str(directory / "users.csv"),
                "-p", str(port + 1), "-m", "1", "127.0.0.1:5060")  # fmt: skip
    assert sipp.finish(15)["Failed call"] == 0, sipp.errors()


def phone(
    directory: Path, name: str, port: int, does: str = "answers", expect: Sequence[str] = (), *, later: str = "",
    calls: int = 1,
) -> Sipp:  # fmt: skip
    """Wait for calls at *port*; every one of *expect* (regular expressions) must stand in the INVITE.

    *does*: answers (until it is hung up), a status such as 486, "302 1002", or rings. *later* must stand in an UPDATE.
    """
    directory.mkdir(parents=True, exist_ok=True)
    parts = ['<?xml version="1.0" encoding="ISO-8859-1" ?>', f'<scenario name="{name}">']
    parts += ['<recv request="INVITE" rrs="true"><action>',
              '<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>']  # fmt: skip
    parts += [CHECK.format(text=_quoted(text), n=n) for n, text in enumerate(expect)]
    parts += ["</action></recv>"]
    if does == "answers":
        parts += [_reply("180 Ringing"), _reply("200 OK", rest=SDP, retrans=True), '<recv request="ACK"/>']
        if later:
            check = CHECK.format(text=_quoted(later), n=len(expect))
            parts += [f'<recv request="UPDATE"><action>{check}</action></recv>', PLAIN]
        parts += ['<recv request="BYE"/>', PLAIN]
    elif does == "rings":
        parts += [
            _reply("180 Ringing"),
            '<recv request="CANCEL"/>',
            PLAIN,
            _reply("487 Request Terminated", retrans=True),
        ]
        parts += ['<recv request="ACK"/>']
    else:
        status, _, moved_to = does.partition(" ")
        contact = f"<sip:{moved_to}@127.0.0.1:5060>" if moved_to else HERE
        parts += [_reply(f"{status} No", contact=contact, retrans=True), '<recv request="ACK"/>']
    names = ",".join(["cseq", *(f"c{n}" for n in range(len(expect) + bool(later)))])
    parts.append(f'<Reference variables="{names}"/></scenario>')
    path = directory / f"{name}.xml"
    path.write_text("\n".join(parts))
    return Sipp(directory, name, "-sf", str(path), "-p", str(port), "-mp", str(port + 4000), "-m", str(calls),
                "-timeout", "60", "127.0.0.1:5060")  # fmt: skip


def _reply(status: str, *, rest: str = EMPTY, contact: str = HERE, retrans: bool = False) -> str:
    return REPLY.format(
        status=status, rest=rest, contact=contact, method="INVITE", retrans=' retrans="500"' if retrans else ""
    )


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
