"""Which phones are there: registered, and answering OPTIONS where they are asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from pbx import events as ev
from pbx.call.contract import Emit
from pbx.config.config import Config
from pbx.signaling.agent import UserAgent
from pbx.signaling.keepalive import PERIOD, KeepAlive
from pbx.signaling.messages import Endpoints
from pbx.signaling.qualify import Qualifier
from pbx.sip.location import Location

log = logging.getLogger(__name__)


class Attendance:
    """Tells ``changed`` an endpoint whose phones came, went, fell silent or are back, and why."""

    def __init__(
        self,
        config: Callable[[], Config],
        agent: UserAgent,
        endpoints: Endpoints,
        location: Location,
        emit: Emit,
        keep_alive: KeepAlive,
    ) -> None:
        self._config = config
        self._location = location
        self._emit = emit
        self._qualifier = Qualifier(
            agent.stack, endpoints, config().sip.domain, lambda: agent.now, self._to_ask, self._answers
        )
        self.tick = self._qualifier.tick
        self._needs_ping = keep_alive.needs
        keep_alive.spared = self._is_asked
        self.changed: list[Callable[[str, str], None]] = []

    def is_there(self, endpoint: str) -> bool:
        """Say whether a call would reach a phone of an endpoint."""
        return bool(self._location.bindings(endpoint, time.time())) and self._qualifier.reaches(endpoint)

    def registered(self, endpoint: str) -> None:
        """Hear that a registration came or went."""
        for tell in self.changed:
            tell(endpoint, "")

    def _to_ask(self) -> Iterator[tuple[str, int]]:
        """Whom to ask how often: phones behind NAT as often as their NAT must hear something."""
        for number, spec in self._config().endpoints.items():
            if spec.qualify_s:
                yield number, min(spec.qualify_s, PERIOD) if self._needs_ping(number) else spec.qualify_s

    def _is_asked(self, endpoint: str) -> bool:
        spec = self._config().endpoints.get(endpoint)
        return spec is not None and spec.qualify_s > 0

    def _answers(self, endpoint: str, contact: str, on: bool) -> None:
        log.warning("%s endpoint %s: %s %s", "<" if on else "x", endpoint, contact, "answers" if on else "is silent")
        self._emit(ev.RegistrationAnswers(endpoint=endpoint, contact=contact, state="back" if on else "silent"))
        for tell in self.changed:
            tell(endpoint, "answers again" if on else "silent")
