"""What a request may ask for in vain (RFC 3261 §8.2.2 and §8.2.3)."""

from __future__ import annotations

from pbx.errors import ParseError
from pbx.sip.ids import Ids
from pbx.sip.message import Flow, Request, Response, response_to
from pbx.sip.session_timer import MIN_SE_S, too_brief
from pbx.sip.ways import note_source, return_flow

UNDERSTOOD = frozenset({"replaces", "timer", "path", "outbound", "norefersub", "100rel", "tdialog", "histinfo"})


def refusal_of(request: Request, ids: Ids) -> Response | None:
    """Refuse what we do not understand: extensions (§8.2.2.3), bodies (§8.2.3), intervals (RFC 4028 §8)."""
    unknown = request.tokens("Require") - UNDERSTOOD
    if unknown:
        response = response_to(request, 420, to_tag=ids.tag())
        response.headers["Unsupported"] = [", ".join(sorted(unknown))]
        return response
    if request.method not in ("INVITE", "UPDATE"):
        return None
    if too_brief(request):
        response = response_to(request, 422, to_tag=ids.tag())
        response.headers["Min-SE"] = [str(MIN_SE_S)]
        return response
    if "Content-Encoding" in request.headers and request.tokens("Content-Encoding") != {"identity"}:
        response = response_to(request, 415, to_tag=ids.tag())
        response.headers["Accept-Encoding"] = ["identity"]
        return response
    if request.body and request.sdp is None and not _optional_body(request):
        response = response_to(request, 415, to_tag=ids.tag())
        response.headers["Accept"] = ["application/sdp, multipart/mixed"]
        return response
    if "Accept" in request.headers and not _accepts_sdp(request):
        response = response_to(request, 406, to_tag=ids.tag())
        response.headers["Warning"] = ['399 pbx "only application/sdp can be answered"']
        return response
    return None


def too_far(request: Request) -> bool:
    """Whether it may travel no hop further (§8.1.1.6, §10.3)."""
    return request.max_forwards == 0 and request.method != "REGISTER"


def answer_to_broken(request: Request, status: int, why: str, flow: Flow) -> tuple[Response, Flow]:
    """Make the answer to what cannot be understood, and say where it goes."""
    clean = "".join(c for c in why if " " <= c < "\x7f")[:80]
    response = response_to(request, status, f"Bad Request: {clean}" if status == 400 else "")
    try:
        note_source(request, flow)
        response.headers["Via"] = request.headers["Via"]
        flow = return_flow(response.via, flow)
    except ParseError:
        pass  # the Via itself is broken: back to where it came from
    return response, flow


def _optional_body(request: Request) -> bool:
    return "handling=optional" in (request.get("Content-Disposition") or "").lower().replace(" ", "")


def _accepts_sdp(request: Request) -> bool:
    kinds = {value.partition(";")[0].strip() for value in request.tokens("Accept")}
    return bool(kinds & {"application/sdp", "application/*", "*/*"})
