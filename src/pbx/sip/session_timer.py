"""Session timers (RFC 4028): who refreshes a session, how often, and what happens when nobody does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pbx.sip.headers import param_of, split_params
from pbx.sip.message import Message, Request, Response
from pbx.sip.timers import Timers
from pbx.whole import whole

MIN_SE_S = 90  # 4028 4: the smallest interval that anybody may ask for
MOST_S = 2**31 - 1  # what a header can hold (4028 4)
MARGIN_S = 32.0  # 10: the side that waits gives up min(32, a third) before the end


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The header: an interval and, where it is decided, who refreshes."""

    interval_s: int
    refresher: str = ""  # uac, uas

    def __str__(self) -> str:
        return f"{self.interval_s};refresher={self.refresher}" if self.refresher else str(self.interval_s)


def session_expires_of(message: Message) -> SessionExpires | None:
    """Read Session-Expires; None where it is absent or no number."""
    text = message.get("Session-Expires")
    if text is None:
        return None
    number, _, params = text.partition(";")
    interval_s = whole(number)
    if interval_s is None:
        return None
    refresher = (param_of(split_params(params), "refresher") or "").lower()
    return SessionExpires(min(interval_s, MOST_S), refresher if refresher in ("uac", "uas") else "")


def min_se_of(message: Message) -> int:
    """Read Min-SE; what is absent or no number is the smallest interval."""
    number = whole((message.get("Min-SE") or "").partition(";")[0])
    return min(max(MIN_SE_S, number), MOST_S) if number is not None else MIN_SE_S


def too_brief(request: Request) -> bool:
    """Whether to answer 422: the interval is below ours, and the peer can be told so (§8)."""
    asked = session_expires_of(request)
    return asked is not None and asked.interval_s < MIN_SE_S and "timer" in request.tokens("Supported")


def agree_as_server(request: Request, ours_s: int) -> SessionExpires | None:
    """Decide for a 2xx (§9); a peer without the extension gets no timer."""
    if "timer" not in request.tokens("Supported"):
        return None
    asked = session_expires_of(request)
    interval_s = ours_s if asked is None else min(asked.interval_s, ours_s)
    interval_s = max(interval_s, min_se_of(request))
    return SessionExpires(interval_s, asked.refresher if asked is not None and asked.refresher else "uac")


def agreed_by_response(response: Response) -> SessionExpires | None:
    """Read what the server decided (§7.2): no header, no timer; no refresher, it is us."""
    found = session_expires_of(response)
    if found is None:
        return None
    return SessionExpires(max(found.interval_s, MIN_SE_S), found.refresher or "uac")


class SessionClock:
    """The timer of one session: refresh at half the interval, or give up near its end."""

    __slots__ = ("_expire", "_expires_at", "_refresh", "_timers", "agreed", "due", "ours", "queued")

    def __init__(self, timers: Timers, refresh: Callable[[float], None], expire: Callable[[float], None]) -> None:
        self.due: float | None = None
        self.queued: float | None = None
        self.agreed = SessionExpires(0)
        self.ours = False  # we refresh
        self._timers = timers
        self._refresh = refresh
        self._expire = expire
        self._expires_at = 0.0

    def start(self, agreed: SessionExpires, now: float, *, ours: bool) -> None:
        """Begin an interval: after the 2xx, and after each refresh."""
        self.agreed = agreed
        self.ours = ours
        margin = min(MARGIN_S, agreed.interval_s / 3)
        self._expires_at = now + agreed.interval_s - margin
        self._timers.set(self, now + agreed.interval_s / 2 if ours else self._expires_at)

    def stop(self) -> None:
        self._timers.set(self, None)

    def fire(self, now: float) -> None:
        """Refresh, or end a session that nobody refreshed (§10)."""
        if now >= self._expires_at:
            self._expire(now)
            return
        self._timers.set(self, self._expires_at)
        self._refresh(now)
