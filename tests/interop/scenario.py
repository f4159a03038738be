"""SIPp scenarios written as they happen: who calls, who is called, and what each must see, step by step.

A step that sees another message than the one it expects fails the call, and SIPp's count is the verdict.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self
from xml.sax.saxutils import escape

from tests.interop.sipp import Sipp

PCMU = "m=audio 39000 RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000"
HEAD = "v=0\no=- 1 {version} IN IP4 127.0.0.1\ns=-\nc=IN IP4 {address}\nt=0 0\n"


def sdp(*attributes: str, version: int = 1, address: str = "127.0.0.1", media: str = PCMU) -> str:
    """Write a description of one audio stream with more *attributes*."""
    return HEAD.format(version=version, address=address) + "\n".join([media, *(f"a={a}" for a in attributes)])


class Side:
    """One end of a call. Every verb adds a step and returns the scenario."""

    learns = False  # where its next requests go, from the Contact of each response

    def __init__(self) -> None:
        self._steps: list[str] = []
        self._names: list[str] = []
        self._cseq = 0

    # ---- steps -----------------------------------------------------------------------------------------------------

    def gets(self, what: int | str, *, has: str = "", lacks: str = "", keep: str = "", maybe: bool = False) -> Self:
        """Expect a response or a request that *has* one regular expression and *lacks* another.

        *keep* remembers headers for later: ``name=Header`` the whole, ``name=Header/regex`` the regex's group.
        """
        kind = "response" if isinstance(what, int) else "request"
        actions = []
        for inverse, pattern in (("", has), ("_inverse", lacks)):
            if pattern:
                name = self._fresh("seen")
                actions.append(
                    f'<ereg regexp="{_xml(pattern)}" search_in="msg" check_it{inverse}="true" assign_to="{name}"/>'
                )
        for wish in keep.split():
            name, _, where = wish.partition("=")
            header, _, pattern = where.partition("/")
            self._names.append(name)
            names = f"{self._fresh('whole')},{name}" if pattern else name
            actions.append(
                f'<ereg regexp="{_xml(pattern or ".*")}" search_in="hdr" header="{header}:" assign_to="{names}"/>'
            )
        action = f"<action>{''.join(actions)}</action>" if actions else ""
        optional = ' optional="true"' if maybe else ""
        rrs = ' rrs="true"' if self.learns and kind == "response" and what != 100 else ""
        self._steps.append(f'<recv {kind}="{what}"{optional}{rrs}>{action}</recv>')
        return self

    def waits(self, ms: int) -> Self:
        self._steps.append(f'<pause milliseconds="{ms}"/>')
        return self

    def answers(self, status: int, *headers: str, body: str = "", via: str = "", to: str = "", cseq: str = "") -> Self:
        """Answer the last request; *via*, *to*, *cseq* where another one is meant."""
        lines = [
            f"SIP/2.0 {status} Because",
            via or "[last_Via:]",
            "[last_From:]",
            to or "[last_To:]",
            "[last_Call-ID:]",
            cseq or "[last_CSeq:]",
            *headers,
        ]
        if not any(header.startswith("Contact") for header in headers):
            lines.append("Contact: <sip:peer@[local_ip]:[local_port]>")
        return self._send(lines, body)

    def _send(self, lines: list[str], body: str) -> Self:
        kind = ["Content-Type: application/sdp"] if body and not any("Content-Type" in line for line in lines) else []
        text = "\n".join([*lines, *kind, "Content-Length: [len]", "", body])
        self._steps.append(f"<send><![CDATA[\n{text}\n]]></send>")
        return self

    def _fresh(self, stem: str) -> str:
        self._names.append(f"{stem}{len(self._names)}")
        return self._names[-1]

    # ---- running ---------------------------------------------------------------------------------------------------

    def run(self, directory: Path, name: str, port: int, *more: str, seconds: int = 10) -> Sipp:
        """Start SIPp with it, for one call that may take so many *seconds*."""
        directory.mkdir(parents=True, exist_ok=True)
        known = f'<Reference variables="{",".join(self._names)}"/>' if self._names else ""
        steps = "\n".join(self._steps)
        path = directory / f"{name}.xml"
        path.write_text(
            f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n{steps}\n{known}\n</scenario>'
        )
        return Sipp(directory, name, "-sf", str(path), "-p", str(port), "-m", "1", "-timeout", str(seconds),
                    "-timeout_error", *more, "127.0.0.1:5060")  # fmt: skip


class Caller(Side):
    """Who calls the number that SIPp is started with (its ``-s``)."""

    learns = True

    def __init__(self, name: str = "one") -> None:
        super().__init__()
        self._invite = 0  # the CSeq of the INVITE that is open
        self._name = name

    def sends(
        self, method: str, *headers: str, body: str = "", uri: str = "", cseq: int = 0, branch: str = "", to: str = ""
    ) -> Self:
        """Send a request; CANCEL, and the ACK of a failure, have the branch and the CSeq of the INVITE."""
        if method == "INVITE":
            self._invite = self._cseq + 1
        if method not in ("ACK", "CANCEL") and not cseq:
            self._cseq += 1
        if method == "INVITE" or branch:
            branch = f"z9hG4bK-[pid]-{self._name}-{self._invite}"
        if method in ("ACK", "CANCEL"):
            cseq = cseq or self._invite
        lines = [
            f"{method} {uri or 'sip:[service]@127.0.0.1:5060'} SIP/2.0",
            f"Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch={branch or '[branch]'}",
            f"From: <sip:caller@127.0.0.1>;tag={self._name}-[call_number]",
            to or "To: <sip:[service]@127.0.0.1>[peer_tag_param]",
            f"Call-ID: {self._name}///[call_id]",
            f"CSeq: {cseq or self._cseq} {method}",
            "Contact: <sip:caller@[local_ip]:[local_port]>",
            "Max-Forwards: 70",
            *headers,
        ]
        return self._send(lines, body)

    def calls(self, *headers: str, body: str | None = None) -> Self:
        """Send the INVITE and expect the 100."""
        return self.sends("INVITE", *headers, body=sdp() if body is None else body).gets(100)

    def inside(self, method: str, *headers: str, body: str = "", cseq: int = 0) -> Self:
        return self.sends(method, *headers, body=body, uri="[next_url]", cseq=cseq)

    def is_answered(self, *, has: str = "", lacks: str = "", body: str = "") -> Self:
        """See the 200 and acknowledge it, with an answer in *body* where the offer was theirs."""
        return self.gets(180, maybe=True).gets(200, has=has, lacks=lacks).inside("ACK", body=body)

    def fails(self, status: int, *, has: str = "") -> Self:
        return self.gets(180, maybe=True).gets(status, has=has).sends("ACK", branch="same")

    def gives_up(self, *headers: str) -> Self:
        """Cancel, and see both ends of it."""
        to = "To: <sip:[service]@127.0.0.1>"
        return self.sends("CANCEL", *headers, branch="same", to=to).gets(200, has="CSeq: [0-9]+ CANCEL").fails(487)

    def refused(self) -> Self:
        """Acknowledge a failure of what was last sent inside the dialog."""
        return self.sends("ACK", uri="[next_url]", branch="same")

    def hangs_up(self) -> Self:
        return self.inside("BYE").gets(200)

    def is_asked(self, method: str, *, has: str = "") -> Self:
        """Get a request inside the dialog, to be answered later, whatever comes before."""
        return self.gets(method, has=has, keep="via=Via from=From to=To cseq=CSeq")

    def says(self, status: int, *headers: str, body: str = "") -> Self:
        """Answer what was asked."""
        contact = "Contact: <sip:caller@[local_ip]:[local_port]>"
        lines = [f"SIP/2.0 {status} Because", *(f"{n}:[${n.lower()}]" for n in ("Via", "From", "To", "CSeq"))]
        return self._send([*lines, "[last_Call-ID:]", contact, *headers], body)


class Called(Side):
    """Who is called."""

    def is_called(self, *, has: str = "", lacks: str = "") -> Self:
        return self.gets(
            "INVITE",
            has=has,
            lacks=lacks,
            keep="via=Via from=From to=To cseq=CSeq target=Contact/<(.*)>",
        )

    def rings(self, status: int = 180, *headers: str, tag: str = "b", body: str = "") -> Self:
        return self.of_call(status, *headers, tag=tag, body=body)

    def picks_up(self, *headers: str, tag: str = "b", body: str | None = None) -> Self:
        return self.of_call(200, *headers, tag=tag, body=sdp() if body is None else body).gets("ACK")

    def of_call(self, status: int, *headers: str, tag: str = "b", body: str = "") -> Self:
        """Answer the INVITE, whatever came since."""
        return self.answers(
            status, *headers, body=body, via="Via:[$via]", to=f"To:[$to];tag={tag}", cseq="CSeq:[$cseq]"
        )

    def inside(self, method: str, *headers: str, body: str = "", tag: str = "b", cseq: int = 0) -> Self:
        if method != "ACK" and not cseq:
            self._cseq += 1
        lines = [
            f"{method} [$target] SIP/2.0",
            "Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=[branch]",
            f"From:[$to];tag={tag}",
            "To:[$from]",
            "[last_Call-ID:]",
            f"CSeq: {cseq or self._cseq} {method}",
            "Contact: <sip:called@[local_ip]:[local_port]>",
            "Max-Forwards: 70",
            *headers,
        ]
        return self._send(lines, body)

    def refers(self, target: str, *headers: str, status: int = 202) -> Self:
        """Transfer the other side blindly, once the call is through."""
        self.waits(100).inside("REFER", f"Refer-To: <sip:{target}@127.0.0.1>", *headers).gets(status)
        return self

    def is_cancelled(self) -> Self:
        return self.gets("CANCEL").answers(200).of_call(487).gets("ACK")

    def is_hung_up(self) -> Self:
        return self.gets("BYE").answers(200)


def _xml(text: str) -> str:
    return escape(text, {'"': "&quot;"})
