"""Dialogs (RFC 3261 §12): what both sides must agree on to find and order their requests."""

from __future__ import annotations

from pbx.errors import RemoteProtocolError
from pbx.sip.headers import NameAddr, parse_address
from pbx.sip.message import Flow, Message, Request, Response
from pbx.sip.uri import Uri

DialogId = tuple[str, str, str]  # Call-ID, local tag, remote tag


class Dialog:
    """One dialog; *flow* is the way that its peer is known to be reachable."""

    __slots__ = (
        "call_id",
        "direct",
        "early",
        "flow",
        "local",
        "local_seq",
        "remote",
        "remote_seq",
        "remote_target",
        "route_set",
    )

    def __init__(
        self,
        call_id: str,
        local: NameAddr,
        remote: NameAddr,
        local_seq: int,
        remote_seq: int | None,
        route_set: tuple[str, ...],
        remote_target: Uri,
        flow: Flow,
        early: bool = True,
        direct: bool = False,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.local_seq = local_seq
        self.remote_seq = remote_seq
        self.route_set = route_set
        self.remote_target = remote_target
        self.flow = flow
        self.early = early
        self.direct = direct  # the peer is where its Via or Contact says: no NAT in between

    @property
    def id(self) -> DialogId:
        return (self.call_id, self.local.tag, self.remote.tag)

    def request(self, method: str, *, cseq: int | None = None) -> Request:
        """Make a request inside the dialog (§12.2.1.1), without Via and Contact."""
        if cseq is None:
            self.local_seq += 1
            cseq = self.local_seq
        target, routes = str(self.remote_target), list(self.route_set)
        if routes and parse_address(routes[0]).uri.param("lr") is None:
            # 12.2.1.1: a strict router wants itself in the Request-URI and the target as the last Route.
            strict = parse_address(routes.pop(0)).uri
            routes.append(f"<{target}>")
            target = str(strict.bare())
        request = Request(method, target)
        headers = request.headers
        headers["Via"] = []
        headers["Max-Forwards"] = ["70"]
        headers["From"] = [str(self.local)]
        headers["To"] = [str(self.remote)]
        headers["Call-ID"] = [self.call_id]
        headers["CSeq"] = [f"{cseq} {method}"]
        if routes:
            headers["Route"] = routes
        return request

    def accept(self, request: Request) -> None:
        """Check the order of a request of the peer's and take its CSeq (§12.2.2).

        :raises RemoteProtocolError: status 500 when CSeq went backwards.
        """
        number = request.cseq.number
        if self.remote_seq is not None and number < self.remote_seq:
            raise RemoteProtocolError("CSeq went backwards", status=500)
        self.remote_seq = number

    def follow(self, flow: Flow) -> None:
        """Take the way that the peer's last request came: its NAT may have given it another port."""
        if flow != self.flow:
            self.flow = flow

    def refresh_target(self, message: Message) -> None:
        """Follow the peer's new Contact (§12.2)."""
        if contacts := message.contacts:
            self.remote_target = contacts[0].uri

    @property
    def next_hop(self) -> Uri:
        """Where the next request goes: the first route, else the target."""
        if self.route_set:
            return parse_address(self.route_set[0]).uri
        return self.remote_target


def dialog_as_server(request: Request, flow: Flow, local_tag: str) -> Dialog:
    """Make the dialog that a request opens at its server (§12.1.1).

    A peer of RFC 2543 may name no Contact: then From says where it is, and the flow how to reach it.
    """
    contacts, via = request.contacts, request.via
    return Dialog(
        call_id=request.call_id,
        local=request.to.with_tag(local_tag),
        remote=request.from_,
        local_seq=0,
        remote_seq=request.cseq.number,
        route_set=tuple(request.values("Record-Route")),
        remote_target=contacts[0].uri if contacts else request.from_.uri,
        flow=flow,
        direct=via.host == flow.remote[0] and (via.port or 5060) == flow.remote[1],
    )


def dialog_as_client(request: Request, response: Response, flow: Flow) -> Dialog:
    """Make the dialog that a response opens at the client (§12.1.2); a missing Contact falls back to the target."""
    contacts = response.contacts
    return Dialog(
        call_id=request.call_id,
        local=request.from_,
        remote=response.to,
        local_seq=request.cseq.number,
        remote_seq=None,
        route_set=tuple(reversed(response.values("Record-Route"))),
        remote_target=contacts[0].uri if contacts else request.uri,
        flow=flow,
        early=response.status < 200,
        direct=_leads_to(request, flow),
    )


def _leads_to(request: Request, flow: Flow) -> bool:
    """Whether the address that the request named is the one that it was sent to."""
    routes = request.values("Route")
    hop = parse_address(routes[0]).uri if routes else request.uri
    return hop.host == flow.remote[0] and (hop.port or 5060) == flow.remote[1]
