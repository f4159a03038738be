"""What every kind of event shares, and how one is rebuilt from the log."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, dataclass_transform

KINDS: dict[str, type[Event]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, in the words of the room that saw it."""

    KIND: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    DETAIL: ClassVar[bool] = False  # may be dropped when the disk stalls; calls, queues and agents never are

    call_id: str = ""
    leg_id: str = ""

    OWN: ClassVar[tuple[str, ...]] = ()  # the fields that have no column of their own

    def payload(self) -> dict[str, Any]:
        """Return the fields that are neither empty nor kept in columns of their own."""
        return {name: value for name in self.OWN if (value := getattr(self, name)) not in ("", None, (), {})}


class Logged(NamedTuple):
    """An event with its place in the log."""

    seq: int
    at_utc: float  # seconds since the epoch
    at_mono: float  # monotonic seconds, comparable within one run of the server
    event: Event


@dataclass_transform(frozen_default=True, kw_only_default=True)
def kind(name: str, *, detail: bool = False) -> Any:
    """Register a dataclass under its *name*, room first."""

    def register(cls: type[Event]) -> type[Event]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.KIND = name
        made.DETAIL = detail
        made.OWN = tuple(f.name for f in fields(made) if f.name not in ("call_id", "leg_id"))
        KINDS[name] = made
        return made

    return register


def event_from(name: str, call_id: str, leg_id: str, payload: dict[str, Any]) -> Event:
    """Rebuild an event read from the log, ignoring fields that this version no longer has.

    :raises KeyError: for an unknown kind.
    """
    cls = KINDS[name]
    known = cls.OWN
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in payload.items() if k in known}
    return cls(call_id=call_id, leg_id=leg_id, **values)
