"""The server, its configuration and operators; registrations and trunks."""

from __future__ import annotations

from pbx.events.base import Event, kind

# ---- server, configuration, operators ------------------------------------------------------------------------------


@kind("server.started")
class ServerStarted(Event):
    version: str = ""
    pid: int = 0
    unclean: bool = False  # the run before this one did not stop in order


@kind("server.stopped")
class ServerStopped(Event):
    cause: str = ""


@kind("config.swapped")
class ConfigSwapped(Event):
    digest: str = ""  # SHA-256 of the files
    by: str = ""
    changes: tuple[str, ...] = ()


@kind("operator.did")
class OperatorDid(Event):
    who: str = ""
    what: str = ""
    target: str = ""


@kind("alert.changed")
class AlertChanged(Event):
    alert: str = ""
    state: str = ""  # raised, cleared
    queue: str = ""  # for which it holds, where it asks for any


@kind("log.dropped")
class LogDropped(Event):
    count: int = 0  # detail events given up while the disk stalled


# ---- registrations, trunks -----------------------------------------------------------------------------------------


@kind("registration.added")
class RegistrationAdded(Event):
    endpoint: str = ""
    contact: str = ""
    source: str = ""  # transport:address:port that the REGISTER came from
    user_agent: str = ""
    expires_s: int = 0


@kind("registration.removed")
class RegistrationRemoved(Event):
    endpoint: str = ""
    contact: str = ""
    cause: str = ""  # expired, unregistered, replaced, unreachable, operator


@kind("registration.answers")
class RegistrationAnswers(Event):
    """A registered phone stopped answering OPTIONS, or answers again."""

    endpoint: str = ""
    contact: str = ""
    state: str = ""  # silent, back


@kind("auth.failed")
class AuthFailed(Event):
    source: str = ""
    account: str = ""
    method: str = ""


@kind("trunk.state")
class TrunkState(Event):
    trunk: str = ""
    was: str = ""
    now: str = ""  # up, down, unreachable, registering, disabled
    cause: str = ""
