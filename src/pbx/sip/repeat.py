"""A response that is sent again until the peer says that it has it (RFC 3261 §13.3.1.4, RFC 3262 §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pbx.sip.message import Flow, Response
from pbx.sip.transaction import T1_S, TIMER_B_S

if TYPE_CHECKING:
    from pbx.sip.stack import Stack


class Repeater:
    """Send *response* again after T1, then at doubled intervals up to *cap_s*; *given_up* hears of 64·T1 in vain."""

    __slots__ = ("_cap_s", "_flow", "_give_up_at", "_given_up", "_stack", "_wait_s", "due", "queued", "response")

    def __init__(
        self, stack: Stack, response: Response, flow: Flow, now: float, cap_s: float, given_up: Callable[[float], None]
    ) -> None:
        self.response = response
        self.due: float | None = None
        self.queued: float | None = None
        self._stack = stack
        self._flow = flow
        self._wait_s = T1_S
        self._cap_s = cap_s
        self._give_up_at = now + TIMER_B_S
        self._given_up = given_up
        stack.timers.set(self, now + T1_S)  # over streams too: a proxy behind may speak UDP

    def stop(self) -> None:
        self._stack.timers.set(self, None)

    def fire(self, now: float) -> None:
        """Repeat the response, or give it up."""
        if now >= self._give_up_at:
            self._given_up(now)
            return
        self._stack.repeat(self.response.to_bytes(), self._flow)
        self._wait_s = min(2 * self._wait_s, self._cap_s)
        self._stack.timers.set(self, min(now + self._wait_s, self._give_up_at))
