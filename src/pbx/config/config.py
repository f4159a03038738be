"""The whole configuration, as one frozen value."""

from __future__ import annotations

from typing import Any

from pbx.config.base import Spec
from pbx.config.dialplan import (
    AgentCode,
    Calendar,
    ConferenceSpec,
    Context,
    FeatureCodesTable,
    Flow,
    Lookup,
    Menu,
    Parking,
    Rota,
    Switch,
)
from pbx.config.endpoints import Endpoint, Group, Mailbox, Trunk
from pbx.config.general import (
    Alert,
    Control,
    Emergency,
    Limits,
    Log,
    Mail,
    MediaSpec,
    Recordings,
    Records,
    Sip,
    StoreSpec,
)
from pbx.config.phones import Mac, Phone, Provisioning
from pbx.config.queues import Agent, Disposition, PauseReason, Queue, Survey, Team
from pbx.config.testfile import TestCase


class Config(Spec):
    """Everything that the files say, defaults and ranges already laid in."""

    language: str = "en"
    business_day_starts: str = "00:00"
    sip: Sip = Sip()
    media: MediaSpec = MediaSpec()
    store: StoreSpec = StoreSpec()
    recordings: Recordings = Recordings()
    records: Records = Records()
    control: Control = Control()
    limits: Limits = Limits()
    log: Log = Log()
    mail: Mail | None = None
    emergency: Emergency = Emergency()
    endpoints: dict[str, Endpoint] = {}
    trunks: dict[str, Trunk] = {}
    contexts: dict[str, Context] = {}
    menus: dict[str, Menu] = {}
    flows: dict[str, Flow] = {}
    calendars: dict[str, Calendar] = {}
    switches: dict[str, Switch] = {}
    lookups: dict[str, Lookup] = {}
    queues: dict[str, Queue] = {}
    agents: dict[str, Agent] = {}
    teams: dict[str, Team] = {}
    groups: dict[str, Group] = {}
    mailboxes: dict[str, Mailbox] = {}
    tables: dict[str, Any] = {}
    rotas: dict[str, Rota] = {}
    agent_codes: dict[str, AgentCode] = {}
    conferences: dict[str, ConferenceSpec] = {}
    parking: Parking | None = None
    feature_codes: FeatureCodesTable | None = None
    provisioning: Provisioning | None = None
    phones: dict[Mac, Phone] = {}
    pause_reasons: dict[str, PauseReason] = {}
    dispositions: dict[str, Disposition] = {}
    surveys: dict[str, Survey] = {}
    alerts: dict[str, Alert] = {}
    test: tuple[TestCase, ...] = ()

    def party(self, name: str) -> Endpoint | Trunk | None:
        """Return who is called ``endpoint/1001`` or ``trunk/carrier``."""
        kind, _, key = name.partition("/")
        return self.endpoints.get(key) if kind == "endpoint" else self.trunks.get(key) if kind == "trunk" else None
