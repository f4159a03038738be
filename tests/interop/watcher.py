"""SIPp as a phone with lamps: it subscribes, and every NOTIFY must say what the test expects, in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.interop.sipp import Sipp

SUBSCRIBE = """\
<send{retrans}><![CDATA[
SUBSCRIBE sip:{number}@127.0.0.1:5060 SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:{phone}@127.0.0.1>;tag=[call_number]
To: <sip:{number}@127.0.0.1>{tag}
Call-ID: [call_id]
CSeq: {cseq} SUBSCRIBE
Contact: <sip:{phone}@[local_ip]:[local_port]>
{credentials}Max-Forwards: 70
Event: {event}
Expires: {expires}
Content-Length: 0

]]></send>
"""
NOTIFIED = """\
<recv request="NOTIFY" timeout="15000"><action>
<ereg regexp="{expected}" search_in="msg" check_it="true" assign_to="{variable}"/>
</action></recv>
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


def watch(
    directory: Path, phone: str, secret: str, number: str, event: str, expected: Sequence[str], port: int
) -> Sipp:
    """Subscribe to *number*; the NOTIFYs must match *expected*, then the subscription is ended."""
    directory.mkdir(parents=True, exist_ok=True)

    def subscribe(cseq: int, expires: int, *, authenticated: bool, tag: str = "") -> str:
        credentials = f"[authentication username={phone} password={secret}]\n" if authenticated else ""
        return SUBSCRIBE.format(
            retrans=' retrans="500"', number=number, phone=phone, cseq=cseq, event=event, expires=expires,
            credentials=credentials, tag=tag,
        )  # fmt: skip

    parts = ['<?xml version="1.0" encoding="ISO-8859-1" ?>', '<scenario name="lamp">']
    parts += [subscribe(1, 600, authenticated=False), '<recv response="401" auth="true"/>']
    parts += [subscribe(2, 600, authenticated=True), '<recv response="200"/>']
    for index, text in enumerate(expected):
        parts.append(NOTIFIED.format(expected=text.replace('"', "&quot;").replace("<", "&lt;"), variable=f"n{index}"))
    names = ",".join(f"n{index}" for index in range(len(expected)))
    parts.append(f'<Reference variables="{names}"/></scenario>')
    path = directory / f"{phone}-{number}-{event}.xml"
    path.write_text("\n".join(parts))
    return Sipp(directory, path.stem, "-sf", str(path), "-p", str(port), "-m", "1", "-timeout", "40", "127.0.0.1:5060")
