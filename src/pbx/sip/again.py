"""Requests that are sent again as new ones: another branch, the next CSeq, an answer to a challenge (§22)."""

from __future__ import annotations

from pbx.sip.digest import answer_challenge, realm_of
from pbx.sip.ids import Ids
from pbx.sip.message import Request, Response


def anew(request: Request, ids: Ids, cseq: int = 0) -> Request:
    """Return *request* as a new one: another branch, the next CSeq unless *cseq* says which."""
    again = Request(request.method, request.uri_text, dict(request.headers), request.body)
    again.headers["CSeq"] = [f"{cseq or request.cseq.number + 1} {request.method}"]
    again.headers["Via"] = [str(request.via.with_params(branch=ids.branch()))]
    return again


def authorized(
    request: Request,
    response: Response,
    ids: Ids,
    credentials: tuple[str, str, str] | None,
    tries: int,
    cseq: int = 0,
) -> Request | None:
    """Return *request* again with an answer to the challenge, None where we have or want none."""
    if credentials is None or tries >= 2:
        return None
    realm, user, password = credentials
    proxy = response.status == 407
    for challenge in response.headers.get("Proxy-Authenticate" if proxy else "WWW-Authenticate", []):
        if realm and realm_of(challenge) != realm:
            continue  # never prove our secret to a foreign realm
        if tries and "stale=true" not in challenge.lower().replace(" ", ""):
            continue
        value = answer_challenge(
            challenge,
            username=user,
            password=password,
            method=request.method,
            uri=request.uri_text,
            cnonce=ids.token(64),
        )
        if value is None:
            continue
        again = anew(request, ids, cseq)
        again.headers["Proxy-Authorization" if proxy else "Authorization"] = [value]
        return again
    return None
