"""What a configuration sets at once, and what a reload swaps: the rooms that look at one, told of another."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from pbx.apps.desk import Desk
from pbx.call.calls import Calls
from pbx.config.config import Config
from pbx.config.endpoints import Forward
from pbx.config.secrets import endpoint_secrets, trunk_secrets
from pbx.dialplan.equipment import Equipment
from pbx.dialplan.router import Dialplan
from pbx.errors import PbxError
from pbx.reloading import Reloader
from pbx.signaling.agent import UserAgent
from pbx.signaling.destinations import Destinations
from pbx.signaling.gate import AccountGate, accounts, matches
from pbx.signaling.limits import Shedder
from pbx.signaling.transports import Transports
from pbx.signaling.trunk import Trunks

log = logging.getLogger(__name__)


class Following:
    """The part of a server that follows its configuration."""

    base: Path
    config: Config
    secrets: dict[str, str]
    agent: UserAgent
    calls: Calls
    desk: Desk
    destinations: Destinations
    equipment: Equipment
    gate: AccountGate
    reloader: Reloader
    transports: Transports
    trunks: Trunks

    def _follow(self, config: Config, secrets: dict[str, str]) -> None:
        """Let a configuration count where it is looked at: who may come in, and what limits hold."""
        self.config, self.secrets = config, secrets
        limits = config.limits
        self.agent.shedder = Shedder(limits.new_calls_per_s, limits.per_source_per_s, self.gate.is_trunk_address)
        self.agent.tokens = self.trunks.tokens
        self.gate.configure(accounts(config, secrets), matches(config), self.trunks.tokens, config.sip.algorithms)
        self.destinations.config = config
        self.calls.max_calls = limits.max_calls
        self.calls.transfer_returns_s = limits.transfer_returns_s
        self.calls.language = config.language
        self.calls.recording_coding = config.recordings.format
        self.calls.codecs = tuple(config.media.codecs)
        self.agent.stack.session_expires_s = config.sip.session_expires_s

    def _prepare(self, config: Config) -> Callable[[], None]:
        """Make ready what takes time or may fail; return the swap, which is one step of the event loop."""
        secrets = endpoint_secrets(config, self.base, os.environ, make=True)
        trunk_keys = trunk_secrets(config, self.base, os.environ)
        router = Dialplan(config, self.equipment)
        self.transports.check_certificates()

        def swap() -> None:
            self.transports.reload_certificates()
            self.trunks.configure(config.trunks, trunk_keys)
            self._follow(config, secrets)
            self.calls.router = router
            self.desk.configure(config)

        return swap

    def _set_by_day(self) -> list[str]:
        """Say what people changed that the files do not."""
        switches = self.equipment.switches.changed({n: s.first for n, s in self.config.switches.items()})
        phones = self.equipment.forwards.changed(self._forward_of)
        return [*self.desk.set_by_day(), *switches, *phones, *self.trunks.set_by_day()]

    def _forward_of(self, endpoint: str) -> Forward | None:
        spec = self.config.endpoints.get(endpoint)
        return spec.forward if spec is not None else None

    async def reload(self, by: str) -> None:
        """Reload for who cannot be answered: what is wrong goes to the log."""
        try:
            await self.reloader.reload(by)
        except PbxError as error:
            log.error("not reloaded:\n%s", error)
