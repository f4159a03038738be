"""Where messages came from and where they go (RFC 3261 §12.2.1.1 and §18, RFC 3581)."""

from __future__ import annotations

from collections.abc import Callable

from pbx.sip.dialog import Dialog
from pbx.sip.headers import MAGIC_COOKIE, Via
from pbx.sip.message import Flow, Request
from pbx.sip.roles import Addresses
from pbx.sip.transaction import Key
from pbx.whole import whole

LARGE_BYTES = 1300  # more may be fragmented, or lost, on a path whose MTU nobody knows (§18.1.1)


def note_source(request: Request, flow: Flow) -> None:
    """Fill received and rport (§18.2.1, RFC 3581 §4)."""
    via = request.via
    values = {}
    if via.param("rport") is not None:
        values = {"received": flow.remote[0], "rport": str(flow.remote[1])}
    elif via.host != flow.remote[0]:
        values = {"received": flow.remote[0]}
    if values:
        request.set_top_via(via.with_params(**values))


def return_flow(via: Via, flow: Flow) -> Flow:
    """Where a response goes (§18.2.2, RFC 3581)."""
    if flow.reliable:
        return flow
    if whole(via.param("rport")) is not None:
        return flow
    return Flow(flow.transport, flow.local, (flow.remote[0], via.port or 5060))


def wide_enough(request: Request, flow: Flow, wider: Callable[[Flow], Flow | None]) -> Flow:
    """Return *flow*, or the stream beside it for what is large (§18.1.1)."""
    if flow.transport != "udp" or (len(request.body) < 400 and len(request.headers) < 16):
        return flow  # short of the limit for sure: no need to write it out
    return (wider(flow) if len(request.to_bytes()) > LARGE_BYTES else None) or flow


def flow_for(dialog: Dialog, addresses: Addresses) -> Flow:
    """Where the dialog's next request goes.

    The flow that the peer used stands, unless it is where its Via or Contact says, so behind no NAT, and the next
    hop is an IP address: then that is followed (§12.2.1.1). A phone behind NAT names an address that nobody
    reaches; a name would need resolving, and the proxy that it stands for is the one that we talk to.
    """
    hop = dialog.next_hop
    if not dialog.direct or not hop.is_address:
        return dialog.flow
    transport, remote = hop.transport, (hop.host, hop.port or (5061 if hop.scheme == "sips" else 5060))
    if dialog.flow.remote == remote and dialog.flow.transport == transport:
        return dialog.flow
    if dialog.flow.transport == "udp" == transport:
        return Flow("udp", dialog.flow.local, remote)
    return addresses.flow_to(transport, remote) or dialog.flow


def contact_at(host: str, port: int, transport: str) -> str:
    """Write our Contact for peers of a transport."""
    shown = f"[{host}]" if ":" in host else host
    return f"<sip:{shown}:{port}{'' if transport == 'udp' else f';transport={transport}'}>"


def server_key(request: Request, transport: str) -> Key:
    """Find a server transaction (§17.2.3); a branch may be reused by the authenticated INVITE, so CSeq counts too."""
    via = request.via
    if via.branch.startswith(MAGIC_COOKIE) and len(via.branch) > len(MAGIC_COOKIE):
        return (transport, via.branch, via.sent_by, str(request.cseq.number), request.method)
    return (  # RFC 2543 peers
        transport,
        request.call_id,
        request.from_.tag,
        via.sent_by + via.branch,
        str(request.cseq.number),
        request.method,
    )
