"""SIPp as somebody who talks with two and connects them: REFER with Replaces (RFC 5589 §7)."""

from __future__ import annotations

from pathlib import Path

from tests.interop.sipp import Sipp

SDP = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 39000 RTP/AVP 8
a=rtpmap:8 PCMA/8000"""
HEAD = """\
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:clerk@127.0.0.1>;tag={name}-tag
To: <sip:{number}@127.0.0.1>{to_tag}
Call-ID: {name}///[call_id]
CSeq: {cseq} {method}
Contact: <sip:clerk@[local_ip]:[local_port]>
Max-Forwards: 70"""


def _message(method: str, name: str, number: str, cseq: int, to_tag: str = "", more: str = "", body: str = "") -> str:
    head = HEAD.format(
        name=name, number=number, to_tag=to_tag, cseq=cseq, method="INVITE" if method == "ACK" else method
    )
    head = head.replace(f"CSeq: {cseq} INVITE", f"CSeq: {cseq} {method}")
    kind = "Content-Type: application/sdp\n" if body else ""
    text = f"{method} sip:{number}@127.0.0.1:5060 SIP/2.0\n{head}\n{more}{kind}Content-Length: [len]\n\n{body}"
    return f"<send><![CDATA[\n{text}\n]]></send>\n"


def _call(name: str, number: str, variable: str) -> str:
    take = (
        f'<recv response="200"><action><ereg regexp="tag=([^;]*)" search_in="hdr" header="To:" '
        f'assign_to="whole{variable},{variable}"/></action></recv>\n'
    )
    return (
        _message("INVITE", name, number, 1, body=SDP)
        + '<recv response="100" optional="true"/>\n<recv response="180" optional="true"/>\n'
        + take
        + _message("ACK", name, number, 1, f";tag=[${variable}]")
    )


ANSWERED = """\
<recv request="{method}"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""


def connect(directory: Path, first: str, second: str, port: int) -> Sipp:
    """Call *first*, then *second*, and connect them."""
    directory.mkdir(parents=True, exist_ok=True)
    replaces = "two%2F%2F%2F[call_id]%3Bto-tag%3D[$b]%3Bfrom-tag%3Dtwo-tag"
    refer = f"Refer-To: <sip:{second}@127.0.0.1:5060?Replaces={replaces}>\n"
    parts = [
        '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="connect">\n',
        _call("one", first, "a"),
        _call("two", second, "b"),
        '<pause milliseconds="300"/>\n',
        _message("REFER", "one", first, 2, ";tag=[$a]", refer),
        '<recv response="202"/>\n',
        *(ANSWERED.format(method=method) for method in ("NOTIFY", "NOTIFY", "BYE", "BYE")),
        '<Reference variables="wholea,wholeb"/>\n</scenario>',
    ]
    path = directory / "connect.xml"
    path.write_text("".join(parts))
    return Sipp(directory, "connect", "-sf", str(path), "-p", str(port), "-m", "1", "-cid_str", "talk-%u-%p",
                "-timeout", "30", "127.0.0.1:5060")  # fmt: skip
