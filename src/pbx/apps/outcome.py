"""What an application may come to; the dialplan maps it to the next step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answered:
    """A conversation took place and is over; *by* is who answered (endpoint/1002, agent/zhang)."""

    by: str


@dataclass(frozen=True, slots=True)
class Key:
    """The caller pressed a key that leads away."""

    key: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The caller waited as long as was allowed, or pressed nothing."""


@dataclass(frozen=True, slots=True)
class Full:
    """No room for another caller."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Outside the hours."""


@dataclass(frozen=True, slots=True)
class NoAgents:
    """Nobody is logged in, or the last one left."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """What was named does not exist or cannot be reached."""


@dataclass(frozen=True, slots=True)
class LeftMessage:
    """The caller left a message in *mailbox*."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Promised:
    """The caller will be called back, and has hung up or soon will."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The application is over; the next step runs."""


Outcome = Answered | Key | TimedOut | Full | Closed | NoAgents | Unreachable | LeftMessage | Promised | Ended
