"""What the server lets the API see and do."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pbx.api.configuration import Reloads
from pbx.api.pulse import Pulse
from pbx.api.tally import Tally
from pbx.apps.desk import Desk
from pbx.apps.timed import Timed
from pbx.call.calls import Calls
from pbx.config.config import Config
from pbx.dialplan.equipment import Equipment
from pbx.media.engine import Engine
from pbx.signaling.agent import UserAgent
from pbx.signaling.notices import Notices
from pbx.signaling.trunk import Trunks
from pbx.sip.location import Location
from pbx.store.archive import Archive
from pbx.store.database import Log
from pbx.store.reader import Reader
from pbx.store.today import Today


class State(Protocol):
    """The running server, as the API sees it; what a reload replaces is read anew for each request."""

    config: Config
    directory: Path
    version: str
    started_wall: float
    agent: UserAgent
    archive: Archive
    calls: Calls
    desk: Desk
    equipment: Equipment
    log: Log
    media: Engine
    notices: Notices
    pulse: Pulse
    reader: Reader
    tally: Tally
    timed: Timed
    today: Today
    trunks: Trunks

    @property
    def location(self) -> Location: ...

    @property
    def reloader(self) -> Reloads: ...

    def status(self) -> dict[str, object]: ...

    def shut_down(self) -> None:
        """Stop in order, as on SIGTERM."""
