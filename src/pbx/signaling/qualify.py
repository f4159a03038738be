"""Phones asked by OPTIONS whether they are there (RFC 3261 §11): who does not answer is gone until they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pbx.errors import CallFailed
from pbx.signaling.contract import Destination
from pbx.signaling.messages import Endpoints
from pbx.sip.message import Request, Response
from pbx.sip.stack import Stack

ANSWER_S = 4.0  # a phone that takes longer would not ring in time either


class Qualifier:
    """Watches the contacts of those endpoints that are to be asked. *tell* hears who became silent, or came back."""

    def __init__(
        self,
        stack: Stack,
        endpoints: Endpoints,
        domain: str,
        now: Callable[[], float],
        every_s: Callable[[], Iterable[tuple[str, int]]],
        tell: Callable[[str, str, bool], None],
    ) -> None:
        """Take *every_s*, whom to ask how often; *tell* hears an endpoint, its contact, and whether it answers."""
        self._stack = stack
        self._endpoints = endpoints
        self._domain = domain
        self._now = now
        self._every_s = every_s
        self._tell = tell
        self._due: dict[str, float] = {}  # endpoint: when to ask
        self._asked: dict[tuple[str, str], float] = {}  # endpoint and contact: when, while no answer came
        self._silent: set[tuple[str, str]] = set()

    def tick(self) -> None:
        """Ask who is due, and give up on who did not answer; about once a second."""
        now = self._now()
        chosen = dict(self._every_s())
        for endpoint in self._due.keys() - chosen.keys():
            self._forget(endpoint)
        for place, at in list(self._asked.items()):
            if now - at >= ANSWER_S:
                del self._asked[place]
                self._became(place, answers=False)
        for number, (endpoint, every_s) in enumerate(chosen.items()):
            first = now + number % every_s  # not everybody in the same second
            if now >= self._due.setdefault(endpoint, first):
                self._due[endpoint] = now + every_s
                self._ask(endpoint, now)

    def reaches(self, endpoint: str) -> bool:
        """Say whether one of an endpoint's contacts answers, as far as is known."""
        mine = {contact for name, contact in self._silent if name == endpoint}
        return not mine or any(str(d.uri) not in mine for d in self._where(endpoint))

    def _where(self, endpoint: str) -> Iterable[Destination]:
        try:
            return self._endpoints.endpoint(endpoint)
        except CallFailed:
            return ()

    def _ask(self, endpoint: str, now: float) -> None:
        there = {(endpoint, str(destination.uri)): destination for destination in self._where(endpoint)}
        self._silent -= {place for place in self._silent if place[0] == endpoint and place not in there}
        for place, destination in there.items():
            if place in self._asked:
                continue
            self._asked[place] = now
            made = Request("OPTIONS", destination.uri)
            made.headers = {
                "Max-Forwards": ["70"],
                "From": [f"<sip:ping@{self._domain}>;tag={self._stack.ids.tag()}"],
                "To": [f"<{destination.uri}>"],
                "Call-ID": [self._stack.ids.call_id()],
                "CSeq": ["1 OPTIONS"],
                "Accept": ["application/sdp"],
            }
            if destination.routes:
                made.headers["Route"] = list(destination.routes)
            self._stack.request(made, destination.flow, now, lambda r, place=place: self._answered(place, r))

    def _answered(self, place: tuple[str, str], response: Response | None) -> None:
        # Whoever answers lives, whatever it says; 408 and 503 come from something before a phone that is gone.
        answers = response is not None and response.status not in (408, 503)
        if self._asked.pop(place, None) is not None or answers:
            self._became(place, answers=answers)

    def _became(self, place: tuple[str, str], *, answers: bool) -> None:
        if answers == (place not in self._silent):
            return
        if answers:
            self._silent.discard(place)
        else:
            self._silent.add(place)
        self._tell(*place, answers)

    def _forget(self, endpoint: str) -> None:
        del self._due[endpoint]
        for place in [place for place in self._silent if place[0] == endpoint]:
            self._became(place, answers=True)
        self._asked = {place: at for place, at in self._asked.items() if place[0] != endpoint}
