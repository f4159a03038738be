"""What holds the door of a NAT open: OPTIONS to every phone behind one, more often than it forgets."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from pbx.sip.location import Binding, Location
from pbx.sip.message import Flow, Request
from pbx.sip.stack import Stack
from pbx.sip.uri import Uri

PERIOD = 25  # ticks of a second: many NATs forget after 30 s


class KeepAlive:
    """Ping phones behind NAT; nobody waits for what they answer, and a lost ping is followed by the next.

    Whom somebody else asks that often is *spared*: one OPTIONS does for both.
    """

    def __init__(
        self,
        location: Location,
        stack: Stack,
        wall: Callable[[], float],
        is_local: Callable[[str], bool],
        own: Callable[[Flow], tuple[str, int]],
        send: Callable[[bytes, Flow], bool],
    ) -> None:
        self._location = location
        self._stack = stack
        self._wall = wall
        self._is_local = is_local
        self._send = send
        self._own = own  # our address as seen by the peer of a flow
        self._turn = 0
        self.spared: Callable[[str], bool] = lambda account: False

    def tick(self) -> None:
        """Ping those whose turn it is; call about once a second."""
        self._turn = (self._turn + 1) % PERIOD
        now = self._wall()
        for account in self._location.accounts():
            if zlib.crc32(account.encode()) % PERIOD == self._turn and not self.spared(account):  # spread over it
                for binding in self._location.bindings(account, now):
                    if self.is_behind_nat(binding):
                        self._ping(binding)

    def needs(self, account: str) -> bool:
        """Whether one of an account's phones has to be pinged."""
        return any(self.is_behind_nat(binding) for binding in self._location.bindings(account, self._wall()))

    def is_behind_nat(self, binding: Binding) -> bool:
        """Whether a NAT may stand before a phone: its Contact is not where it was heard, or that is outside."""
        host, port = binding.flow.remote
        contact = binding.contact
        translated = (contact.host, contact.port or 5060) != (host, port)
        return binding.flow.transport == "udp" and (translated or not self._is_local(host))

    def _ping(self, binding: Binding) -> None:
        stack, ids = self._stack, self._stack.ids
        request = Request("OPTIONS", binding.contact)
        own = Uri("sip", "ping", self._own(binding.flow)[0])
        request.headers = {
            "Max-Forwards": ["70"],
            "From": [f"<{own}>;tag={ids.tag()}"],
            "To": [f"<{binding.contact.bare()}>"],
            "Call-ID": [ids.call_id()],
            "CSeq": ["1 OPTIONS"],
        }
        if binding.path:
            request.headers["Route"] = list(binding.path)
        stack.stamp(request, binding.flow)
        self._send(request.to_bytes(), binding.flow)  # without a transaction: repeating it helps nobody
